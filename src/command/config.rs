//! `docxy config`: what flags, variables and file say together, on stdout as a file that says the same.

use std::error::Error;
use std::io::{self, Write};

use crate::config::Config;

/// Prints the configuration. No secret is in it: it names the files and variables that hold them.
pub fn run(config: &Config) -> Result<(), Box<dyn Error>> {
    let text = toml::to_string(&config.settings())?;
    if config.reaching.hides_a_login() {
        eprintln!("docxy: the login at a proxy, which a variable holds, is not printed");
    }
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
