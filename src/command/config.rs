//! `docxy config`: what flags, variables and file say together, on stdout as a file that says the same.

use std::error::Error;
use std::io::{self, ErrorKind, Write};

use super::not_printed;
use crate::config::Config;
use crate::log::Log;

/// Prints the configuration. No secret is in it: it names the files and variables that hold them.
pub fn run(config: &Config) -> Result<(), Box<dyn Error>> {
    let text = toml::to_string(&config.settings())?;
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
