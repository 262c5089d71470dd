//! The proxies that the environment names for all programs, by the variables that curl and Go know.

use super::proxies::Proxies;
use super::proxy::OutboundProxy;

/// What the environment says; a variable in lower case wins, and an empty one says nothing.
///
/// HTTP_PROXY is not read: where requests become environments (CGI) it is a field of the request. An error names the variable.
pub fn proxies(variable: impl Fn(&str) -> Option<String>) -> Result<Proxies, String> {
    let first = |names: &[&'static str]| {
        let said = names.iter().map(|name| (*name, variable(name)));
        let mut said = said.filter_map(|(name, value)| Some((name, value?)));
        said.find(|(_, value)| !value.is_empty())
    };
    let proxy = |names: &[&'static str]| match first(names) {
        None => Ok(None),
        Some((name, value)) => OutboundProxy::parse(&value).map_err(|why| {
            format!(
                "the variable {name} names a proxy that docxy cannot use: {why}; \
                 mend it, or override it with --upstream-proxy direct"
            )
        }),
    };
    let mut proxies = Proxies {
        http: proxy(&["http_proxy", "all_proxy", "ALL_PROXY"])?,
        https: proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
        ..Proxies::default()
    };
    proxies.except.loopback = true;
    Ok(proxies)
}

/// The hosts for which it names none.
pub fn no_proxy(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut said = ["no_proxy", "NO_PROXY"]
        .iter()
        .filter_map(|name| variable(name));
    said.find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn of(variables: Variables<'_>) -> Result<[String; 2], String> {
        let found = proxies(|name| {
            let mut said = variables.iter().filter(|(known, _)| *known == name);
            said.next().map(|(_, value)| (*value).to_owned())
        })?;
        let shown =
            |proxy: Option<OutboundProxy>| proxy.map_or_else(String::new, |p| p.to_string());
        Ok([shown(found.http), shown(found.https)])
    }

    #[test]
    fn the_variables_count_as_for_curl() {
        let (a, b) = ("http://a:1", "http://b:2");
        let cases: [(Variables<'_>, [&str; 2]); 9] = [
            (&[], ["", ""]),
            (&[("HTTPS_PROXY", a)], ["", a]),
            (&[("HTTPS_PROXY", a), ("https_proxy", b)], ["", b]),
            (&[("HTTPS_PROXY", a), ("https_proxy", "")], ["", a]),
            (&[("http_proxy", a)], [a, ""]),
            (&[("HTTP_PROXY", a)], ["", ""]),
            (&[("ALL_PROXY", a)], [a, a]),
            (&[("all_proxy", a), ("HTTPS_PROXY", b)], [a, b]),
            (&[("ALL_PROXY", a), ("https_proxy", "direct")], [a, ""]),
        ];
        for (variables, expected) in cases {
            assert_eq!(of(variables).unwrap(), expected, "{variables:?}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_shown() {
        let why = of(&[("HTTPS_PROXY", "socks4://user:s3cret@a:1")]).unwrap_err();
        assert!(
            why.contains("HTTPS_PROXY") && !why.contains("s3cret"),
            "{why}"
        );
    }
}
