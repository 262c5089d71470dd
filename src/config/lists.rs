//! Lists in the configuration file for which a single value may stand.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use crate::egress::proxy::may_have_login;

/// Reads a list, or a single value, which stands for a list of it. A number is what it is written as.
pub(super) fn one_or_many<'de, D: Deserializer<'de>, T>(value: D) -> Result<Vec<T>, D::Error>
where
    T: From<String> + Deserialize<'de>,
{
    value.deserialize_any(OneOrMany(PhantomData))
}

/// The same of proxies, whose passwords do not belong in the file.
pub(super) fn proxies<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    let proxies: Vec<String> = one_or_many(value)?;
    proxies.iter().try_for_each(|proxy| no_login(proxy))?;
    Ok(proxies)
}

/// The same of a single one.
pub(super) fn proxy<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    let proxy = Option::<String>::deserialize(value)?;
    proxy.iter().try_for_each(|proxy| no_login(proxy))?;
    Ok(proxy)
}

fn no_login<E: Error>(proxy: &str) -> Result<(), E> {
    if may_have_login(proxy) {
        return Err(E::custom(
            "a login does not belong in this file; name the user with proxy_username and the password's file with \
             proxy_password_file (upstream_proxy_username and upstream_proxy_password_file for all)",
        ));
    }
    Ok(())
}

struct OneOrMany<T>(PhantomData<T>);

impl<'de, T: From<String> + Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or a list of strings in [ ]")
    }

    fn visit_str<E>(self, one: &str) -> Result<Vec<T>, E> {
        Ok(vec![T::from(one.to_owned())])
    }

    fn visit_i64<E>(self, one: i64) -> Result<Vec<T>, E> {
        Ok(vec![T::from(one.to_string())])
    }

    fn visit_seq<S: SeqAccess<'de>>(self, many: S) -> Result<Vec<T>, S::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(many))
    }
}
