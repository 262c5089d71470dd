//! `docxy config`: what flags, variables and file say together, on stdout as a file that says the same.

use std::error::Error;
use std::io::{self, ErrorKind, Write};

use super::not_printed;
use crate::config::Config;
use crate::config::settings::Settings;
use crate::log::Log;

/// Prints the configuration. No secret is in it: it names the files and variables that hold them.
pub fn run(config: &Config) -> Result<(), Box<dyn Error>> {
    let settings = config.settings();
    let text = toml::to_string(&settings).map_err(|error| unprintable(&settings, &error))?;
    if config.reaching.hides_a_login() {
        Log::new(config.log, config.log_format).notice(format_args!(
            "the login at a proxy, which a variable holds, is not printed"
        ));
    }
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads it has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed.map_err(|error| not_printed(&error))?),
    }
}

/// What of the settings no file in TOML can say.
fn unprintable(settings: &Settings, error: &toml::ser::Error) -> String {
    let lists = [
        ("tls-cert", &settings.tls_cert),
        ("tls-key", &settings.tls_key),
        ("upstream-ca", &settings.upstream_ca),
    ];
    let single = [
        ("client-ca", &settings.client_ca),
        ("acme-ca", &settings.acme.acme_ca),
        ("state-dir", &settings.state_dir),
        (
            "upstream-proxy-password-file",
            &settings.upstream_proxy_password_file,
        ),
    ];
    let lists = lists.iter().map(|(flag, paths)| (flag, paths.as_slice()));
    let single = single.iter().map(|(flag, path)| (flag, path.as_slice()));
    let mut paths = lists
        .chain(single)
        .flat_map(|(flag, paths)| paths.iter().map(move |path| (flag, path)));
    match paths.find(|(_, path)| path.to_str().is_none()) {
        Some((flag, path)) => format!(
            "--{flag}: {path:?} is not UTF-8, so that no configuration file can name it; give it another name"
        ),
        None => format!("the configuration cannot be printed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;

    #[test]
    fn a_path_that_no_file_can_name_is_named_with_its_flag() {
        let path = PathBuf::from(OsStr::from_bytes(b"/a\n\xff"));
        let of = |change: fn(&mut Settings, PathBuf)| {
            let mut settings = Settings::default();
            change(&mut settings, path.clone());
            let error = toml::to_string(&settings).unwrap_err();
            unprintable(&settings, &error)
        };
        let cases = [
            (of(|all, path| all.tls_cert = vec![path]), "--tls-cert: "),
            (of(|all, path| all.tls_key = vec![path]), "--tls-key: "),
            (
                of(|all, path| all.upstream_ca = vec![path]),
                "--upstream-ca: ",
            ),
            (of(|all, path| all.client_ca = Some(path)), "--client-ca: "),
            (of(|all, path| all.acme.acme_ca = Some(path)), "--acme-ca: "),
            (of(|all, path| all.state_dir = Some(path)), "--state-dir: "),
            (
                of(|all, path| all.upstream_proxy_password_file = Some(path)),
                "--upstream-proxy-password-file: ",
            ),
        ];
        for (said, flag) in cases {
            let expected = format!("{flag}\"/a\\n\\xFF\" is not UTF-8, ");
            assert!(said.starts_with(&expected), "{said}");
        }
    }
}
