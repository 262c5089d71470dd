//! A proxy through which docxy goes out, as operators and the environment write it.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::account::secret::{Secret, SecretSource};
use crate::http::uri::{Authority, Host};

/// Words that stand for no proxy.
const NONE: [&str; 2] = ["direct", "none"];

/// The longest name and password that SOCKS5 has room for (RFC 1929 §2).
const MAX_SOCKS_LOGIN: usize = 255;

/// What is spoken to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with CONNECT (RFC 9110 §9.3.6), for plain upstreams too.
    Connect,
    /// SOCKS version 5 (RFC 1928); the proxy looks names up.
    Socks5,
}

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundProxy {
    /// What is spoken to it.
    pub protocol: Protocol,
    /// Where it is.
    pub host: Host,
    /// Where it listens.
    pub port: u16,
    /// Who docxy is there, if that is said.
    pub login: Option<ProxyLogin>,
}

/// Who docxy is at a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyLogin {
    /// The user's name.
    pub username: String,
    /// The password, or where it is.
    pub password: ProxyPassword,
}

/// The password for a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyPassword {
    /// Where it is kept.
    In(SecretSource),
    /// It stood in the URL.
    Known(Secret),
}

/// Shows no login.
impl fmt::Display for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Connect => "http",
            Protocol::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl OutboundProxy {
    /// Reads `[http://|socks5://|socks5h://][USER:PASSWORD@]HOST[:PORT]`, user and password percent-encoded, or `direct` or
    /// `none`, which is `None`. An error does not show what it is about: a password may be in it.
    pub fn parse(text: &str) -> Result<Option<OutboundProxy>, String> {
        if NONE.iter().any(|none| text.eq_ignore_ascii_case(none)) {
            return Ok(None);
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (protocol, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Protocol::Connect, 80),
            "socks5" | "socks5h" => (Protocol::Socks5, 1080),
            "https" => {
                let why = "docxy does not speak TLS to a proxy; name its http:// port (what goes through it is under TLS itself)";
                return Err(why.to_owned());
            }
            _ => return Err("its scheme is none of http, socks5 and socks5h".to_owned()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (userinfo, authority) = match rest.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, rest),
        };
        let authority = Authority::parse(authority.as_bytes()).map_err(|error| {
            format!("it is no proxy such as http://proxy.example:3128 or socks5://proxy.example:1080, nor direct: {error}")
        })?;
        let proxy = OutboundProxy {
            protocol,
            host: authority.host,
            port: authority.port.unwrap_or(default_port),
            login: None,
        };
        let login = userinfo.map(ProxyLogin::parse).transpose()?;
        login
            .map_or(Ok(proxy.clone()), |login| proxy.with(login))
            .map(Some)
    }

    /// The same with this login. An error says what is wrong with the user's name.
    pub fn with(mut self, login: ProxyLogin) -> Result<OutboundProxy, String> {
        let name = &login.username;
        if name.is_empty() || name.contains(|c: char| c == ':' || c.is_control()) {
            return Err("it has no user name, or one with a ':' or a control character".to_owned());
        }
        if self.protocol == Protocol::Socks5 && name.len() > MAX_SOCKS_LOGIN {
            return Err(format!(
                "a user name for SOCKS5 has at most {MAX_SOCKS_LOGIN} bytes"
            ));
        }
        self.login = Some(login);
        Ok(self)
    }

    /// Whether docxy can send this password there; an error says what is wrong.
    pub fn takes(&self, password: &Secret) -> Result<(), String> {
        let length = password.text().len();
        if self.protocol == Protocol::Socks5 && !(1..=MAX_SOCKS_LOGIN).contains(&length) {
            return Err(format!(
                "a password for SOCKS5 has 1 to {MAX_SOCKS_LOGIN} bytes"
            ));
        }
        Ok(())
    }
}

impl ProxyLogin {
    fn parse(userinfo: &str) -> Result<ProxyLogin, String> {
        let (username, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let decode = |text| {
            let decoded = percent_decode_str(text).decode_utf8();
            let sound = decoded.ok().filter(|text| !text.contains(char::is_control));
            sound.ok_or_else(|| {
                "its user name or password is not UTF-8 text, percent-encoded".to_owned()
            })
        };
        Ok(ProxyLogin {
            username: decode(username)?.into_owned(),
            password: ProxyPassword::Known(Secret::new(decode(password)?.into_owned())),
        })
    }
}

/// Whether a login may stand in what is to name a proxy; such a text is never shown.
pub fn may_have_login(text: &str) -> bool {
    text.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_as_they_are_written_everywhere() {
        let cases = [
            ("http://proxy.test:3128", "http://proxy.test:3128"),
            ("HTTP://Proxy.test:3128/", "http://proxy.test:3128"),
            ("http://proxy.test", "http://proxy.test:80"),
            ("proxy.test:8080", "http://proxy.test:8080"),
            ("10.0.0.1:8080", "http://10.0.0.1:8080"),
            ("socks5://proxy.test", "socks5://proxy.test:1080"),
            ("socks5h://[::1]:9050", "socks5://[::1]:9050"),
            ("http://user:pa%40ss@proxy.test:1", "http://proxy.test:1"),
        ];
        for (text, shown) in cases {
            let proxy = OutboundProxy::parse(text).unwrap().unwrap();
            assert_eq!(proxy.to_string(), shown, "{text}");
        }
        for text in ["direct", "none", "None"] {
            assert_eq!(OutboundProxy::parse(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn a_login_is_decoded_and_shown_nowhere() {
        let cases = [
            ("http://user:pa%40s%3As@p.test", "user", "pa@s:s"),
            ("user:a@b:c@p.test:1", "user", "a@b:c"),
            ("socks5://us%20er:x@p.test", "us er", "x"),
            ("http://user@p.test", "user", ""),
        ];
        for (text, username, password) in cases {
            let proxy = OutboundProxy::parse(text).unwrap().unwrap();
            let login = proxy.login.clone().unwrap();
            assert_eq!(login.username, username, "{text}");
            let ProxyPassword::Known(secret) = login.password else {
                panic!("{text}");
            };
            assert_eq!(secret.text(), password, "{text}");
            assert_eq!(
                proxy.takes(&secret).is_ok(),
                !password.is_empty() || !text.starts_with("socks")
            );
            assert!(!format!("{proxy} {proxy:?}").contains("pa@"), "{text}");
        }
    }

    #[test]
    fn what_is_no_proxy_says_why_and_shows_no_secret() {
        for text in [
            "",
            "https://proxy.test",
            "socks4://proxy.test",
            "ftp://user:s3cret@proxy.test",
            "http://user:s3cret@proxy.test/path",
            "http://user:s3cret@proxy.test:0",
            "http://user:s3cret@",
            "http://:s3cret@proxy.test",
            "http://us%3Aer:s3cret@proxy.test",
            "http://user:s3cret%0d%0a@proxy.test",
            "http://user:s3cret%ff@proxy.test",
            "user:s3cret@proxy test",
        ] {
            let why = OutboundProxy::parse(text).unwrap_err();
            assert!(
                !why.contains("s3cret") && !why.contains('\n'),
                "{text}: {why}"
            );
        }
        let long = format!("socks5://{}:x@p.test", "u".repeat(256));
        assert!(OutboundProxy::parse(&long).is_err());
    }
}
