//! Addresses that the operator gives for names, which are then not looked up.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::http::uri::Host;

/// Names and their addresses, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fixed(BTreeMap<Box<str>, Vec<IpAddr>>);

impl Fixed {
    /// Adds `HOST=ADDR[,ADDR]`; several of one host add up. An error says what is wrong.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let wrong = || format!("{text:?} is not HOST=ADDR, such as registry.example=10.0.0.5");
        let (name, addresses) = text.split_once('=').ok_or_else(wrong)?;
        let Ok(Host::Name(name)) = Host::parse(name) else {
            return Err(wrong());
        };
        let known = self.0.entry(name).or_default();
        for address in addresses.split(',') {
            known.push(
                address
                    .trim_matches(['[', ']'])
                    .parse()
                    .map_err(|_| wrong())?,
            );
        }
        Ok(())
    }

    /// The addresses of a name, if they are given; never none.
    pub fn get(&self, name: &str) -> Option<&[IpAddr]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_name_add_up() {
        let mut fixed = Fixed::default();
        for text in [
            "reg.test=10.0.0.1",
            "a.test=::1,[::2]",
            "REG.test.=10.0.0.2",
        ] {
            fixed.add(text).unwrap();
        }
        let shown = |name| {
            fixed
                .get(name)
                .map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(shown("reg.test").unwrap(), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(shown("a.test").unwrap(), ["::1", "::2"]);
        assert_eq!(shown("b.test"), None);
    }

    #[test]
    fn what_fixes_nothing_is_refused() {
        for text in [
            "",
            "reg.test",
            "reg.test=",
            "=10.0.0.1",
            "10.0.0.2=10.0.0.1",
            "a/b=::1",
            "reg.test:443:10.0.0.1",
            "reg.test=a.test",
        ] {
            assert!(
                Fixed::default()
                    .add(text)
                    .unwrap_err()
                    .contains("HOST=ADDR"),
                "{text}"
            );
        }
    }
}
