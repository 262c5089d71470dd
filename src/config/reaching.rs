//! How docxy reaches out, put together: what is said of one upstream by name, what stands in its entry, what is said of all,
//! and last what the environment says to all programs. The first of them that says something holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::{Fault, Key};
use super::settings::Settings;
use super::upstreams::{UpstreamSettings, each, password};
use crate::account::secret::SecretSource;
use crate::egress::fixed::Fixed;
use crate::egress::local::{Family, Local};
use crate::egress::no_proxy::NoProxy;
use crate::egress::proxies::Proxies;
use crate::egress::proxy::{OutboundProxy, ProxyLogin, ProxyPassword};
use crate::egress::{EgressSettings, environment};
use crate::registry::table::{Table, UpstreamId};

/// How docxy reaches out.
#[derive(Clone, Debug)]
pub struct Reaching {
    /// To the upstreams, by their places in the table.
    pub of: Vec<EgressSettings>,
    /// To whom is no upstream.
    pub others: EgressSettings,
    /// Whether it is the environment that says by which proxy, where nothing else does.
    pub by_environment: bool,
}

/// Puts together what is set and what the `environment` says.
pub(super) fn reaching(
    settings: &Settings,
    upstreams: &[UpstreamSettings],
    table: &Table,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Reaching, Fault> {
    let said = Said::read(settings, table)?;
    let mut others = EgressSettings {
        fixed: Arc::new(fixed(&settings.resolve)?),
        ..EgressSettings::default()
    };
    said.put_into(&mut others, None)?;
    let said_proxy = general_proxy(settings, &said)?;
    let by_environment = said_proxy.is_none();
    others.proxies = match said_proxy {
        Some(proxy) => Proxies::all(proxy),
        None => environment::proxies(environment)
            .map_err(|why| Key::of("upstream_proxy").fault(&why))?,
    };
    add_exceptions(&mut others.proxies.except, &settings.no_proxy, environment)?;
    let mut of = vec![others.clone(); table.ids().count()];
    for (entry, name, settings) in each(upstreams) {
        if let Some(id) = table.find(&name) {
            put_entry(&mut of[id.index()], entry, settings)?;
        }
    }
    for id in table.ids() {
        said.put_into(&mut of[id.index()], Some(id))?;
    }
    Ok(Reaching {
        of,
        others,
        by_environment,
    })
}

/// The values of a flag that may begin with an upstream's name, each with its place in the list.
type Named<'a, T> = Vec<(Key, Option<UpstreamId>, &'a T)>;

/// What the flags say, of one upstream or of all.
struct Said<'a> {
    ca: Named<'a, Path>,
    proxy: Named<'a, str>,
    bind: Named<'a, str>,
    family: Named<'a, str>,
}

impl<'a> Said<'a> {
    fn read(settings: &'a Settings, table: &Table) -> Result<Said<'a>, Fault> {
        let split = |name, texts: &'a [String]| -> Result<Named<'a, str>, Fault> {
            let texts = texts.iter().enumerate();
            let split = |(at, text): (usize, &'a String)| {
                let key = Key::item(name, at);
                let (id, value) = split_name(key, text, table)?;
                Ok((key, id, value))
            };
            texts.map(split).collect()
        };
        Ok(Said {
            ca: split_paths(&settings.upstream_ca, table)?,
            proxy: split("upstream_proxy", &settings.upstream_proxy)?,
            bind: split("upstream_bind", &settings.upstream_bind)?,
            family: split("upstream_family", &settings.upstream_family)?,
        })
    }

    /// Puts what is said of this upstream, or of all, in the place of what `egress` has.
    fn put_into(&self, egress: &mut EgressSettings, id: Option<UpstreamId>) -> Result<(), Fault> {
        let ca = self.ca.iter().filter(|(_, of, _)| *of == id);
        egress
            .ca
            .extend(ca.map(|(_, _, path)| ("upstream-ca", path.to_path_buf())));
        let bind: Vec<_> = self.bind.iter().filter(|(_, of, _)| *of == id).collect();
        let addresses = bind.iter().map(|(key, _, text)| (*key, *text));
        put_bind(&mut egress.local, addresses)?;
        if let Some((key, text)) = only(&self.family, id)? {
            let family = Family::parse(text).map_err(|why| key.fault(&why))?;
            egress.local.family = Some(family);
        }
        if let (Some(_), Some((key, text))) = (id, only(&self.proxy, id)?) {
            let proxy = OutboundProxy::parse(text).map_err(|why| key.fault(&why))?;
            put_proxy(egress, proxy);
        }
        Ok(())
    }
}

/// The one value that is said of this upstream, or of all.
fn only<'a>(
    said: &Named<'a, str>,
    id: Option<UpstreamId>,
) -> Result<Option<(Key, &'a str)>, Fault> {
    let mut of_it = said.iter().filter(|(_, of, _)| *of == id);
    let first = of_it.next().map(|(key, _, text)| (*key, *text));
    match of_it.next() {
        Some((key, _, _)) => Err(key.fault(&"it is said twice for the same; say it once")),
        None => Ok(first),
    }
}

/// What stands before a `=` has to be an upstream's name; where a path or URL has begun before, it is none. The value is not
/// shown: a password may be in it.
fn split_name<'a>(
    key: Key,
    text: &'a str,
    table: &Table,
) -> Result<(Option<UpstreamId>, &'a str), Fault> {
    match text.split_once('=') {
        Some((name, value)) if !name.contains(['/', '@']) => match table.find(name) {
            Some(id) => Ok((Some(id), value)),
            None => {
                let names: Vec<&str> = table.ids().map(|id| &*table.get(id).name).collect();
                let names = names.join(", ");
                let why = format_args!(
                    "what stands before a '=' in it is no upstream's name; there are {names}"
                );
                Err(key.fault(&why))
            }
        },
        _ => Ok((None, text)),
    }
}

fn split_paths<'a>(paths: &'a [PathBuf], table: &Table) -> Result<Named<'a, Path>, Fault> {
    let split = |(at, path): (usize, &'a PathBuf)| {
        let key = Key::item("upstream_ca", at);
        let (id, path) = match path.to_str() {
            Some(text) => {
                let (id, path) = split_name(key, text, table)?;
                (id, Path::new(path))
            }
            None => (None, path.as_path()),
        };
        Ok((key, id, path))
    };
    paths.iter().enumerate().map(split).collect()
}

/// The proxy for all, with its login; `None` if nothing is said, and none within if it is said that there is none.
fn general_proxy(
    settings: &Settings,
    said: &Said<'_>,
) -> Result<Option<Option<OutboundProxy>>, Fault> {
    let proxy = only(&said.proxy, None)?;
    let parse =
        |(key, text): (Key, &str)| OutboundProxy::parse(text).map_err(|why| key.fault(&why));
    let proxy = proxy.map(parse).transpose()?;
    let file = settings.upstream_proxy_password_file.clone();
    let login = login(
        settings.upstream_proxy_username.as_ref(),
        file.map(SecretSource::File),
        Key::of("upstream_proxy_username"),
        Key::of("upstream_proxy_password_file"),
    )?;
    match (proxy, login) {
        (proxy, None) => Ok(proxy),
        (Some(Some(proxy)), Some(login)) => {
            let proxy = proxy.with(login);
            let proxy = proxy.map_err(|why| Key::of("upstream_proxy_username").fault(&why))?;
            Ok(Some(Some(proxy)))
        }
        (_, Some(_)) => Err(Key::of("upstream_proxy_username")
            .fault(&"there is no proxy to log in at; name one with --upstream-proxy")),
    }
}

/// Who docxy is at a proxy; both or neither have to be given.
fn login(
    username: Option<&String>,
    password: Option<SecretSource>,
    user: Key,
    file: Key,
) -> Result<Option<ProxyLogin>, Fault> {
    match (username, password) {
        (Some(username), Some(source)) => Ok(Some(ProxyLogin {
            username: username.clone(),
            password: ProxyPassword::In(source),
        })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(user.fault(&"it has no password; name the file that holds it")),
        (None, Some(_)) => Err(file.fault(&"there is a password and no user; name the user")),
    }
}

/// Puts what an upstream's entry says in the place of what is said of all.
fn put_entry(
    egress: &mut EgressSettings,
    entry: Key,
    settings: &UpstreamSettings,
) -> Result<(), Fault> {
    let ca = settings.ca.iter().cloned();
    egress.ca.extend(ca.map(|path| ("upstream-ca", path)));
    let key = entry.field("bind");
    let addresses = settings.bind.iter().map(|text| (key, text.as_str()));
    put_bind(&mut egress.local, addresses)?;
    if let Some(family) = settings.family {
        egress.local.family = Some(family);
    }
    let (file, variable) = (&settings.proxy_password_file, &settings.proxy_password_env);
    let source = password(file, variable, entry.field("proxy_password_env"))?;
    let user = entry.field("proxy_username");
    let login = login(
        settings.proxy_username.as_ref(),
        source,
        user,
        entry.field("proxy_password_file"),
    )?;
    let key = entry.field("proxy");
    let proxy = settings.proxy.as_deref().map(OutboundProxy::parse);
    let proxy = proxy.transpose().map_err(|why| key.fault(&why))?;
    match (proxy, login) {
        (None, None) => {}
        (Some(proxy), None) => put_proxy(egress, proxy),
        (Some(Some(proxy)), Some(login)) => {
            let proxy = proxy.with(login).map_err(|why| user.fault(&why))?;
            put_proxy(egress, Some(proxy));
        }
        (_, Some(_)) => {
            return Err(user.fault(&"there is no proxy to log in at; name one with proxy"));
        }
    }
    Ok(())
}

/// One that is meant for an upstream is for this machine's own ports as well.
fn put_proxy(egress: &mut EgressSettings, proxy: Option<OutboundProxy>) {
    let mut except = egress.proxies.except.clone();
    except.loopback = false;
    egress.proxies = Proxies {
        except,
        ..Proxies::all(proxy)
    };
}

/// Source addresses take the place of all that were there.
fn put_bind<'a>(
    local: &mut Local,
    addresses: impl Iterator<Item = (Key, &'a str)>,
) -> Result<(), Fault> {
    let mut new = Local {
        family: local.family,
        ..Local::default()
    };
    for (key, text) in addresses {
        let address = text.trim_matches(['[', ']']).parse();
        let address = address.map_err(|_| key.fault(&format_args!("{text:?} is no IP address")))?;
        new.bind(address).map_err(|why| key.fault(&why))?;
    }
    if new.addresses().next().is_some() {
        *local = new;
    }
    Ok(())
}

fn fixed(texts: &[String]) -> Result<Fixed, Fault> {
    let mut fixed = Fixed::default();
    for (at, text) in texts.iter().enumerate() {
        let added = fixed.add(text);
        added.map_err(|why| Key::item("resolve", at).fault(&why))?;
    }
    Ok(fixed)
}

fn add_exceptions(
    except: &mut NoProxy,
    said: &[String],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Fault> {
    for (at, list) in said.iter().enumerate() {
        let added = except.add(list);
        added.map_err(|why| Key::item("no_proxy", at).fault(&why))?;
    }
    if said.is_empty() {
        let list = environment::no_proxy(environment);
        except.add_understood(&list.unwrap_or_default());
    }
    Ok(())
}
