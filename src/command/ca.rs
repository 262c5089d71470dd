//! `docxy ca`: the CA of the self-made certificate on stdout.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use super::not_printed;
use crate::config::Config;
use crate::selfmade::shelf::Shelf;

/// Prints the CA in PEM, if it is one that docxy would serve with.
pub fn run(config: &Config) -> Result<(), Box<dyn Error>> {
    let dir = config.state_dir.as_ref().ok_or(NoCa { dir: None })?;
    let authority = Shelf::find_authority(dir)?.ok_or_else(|| NoCa {
        dir: Some(dir.clone()),
    })?;
    let printed = io::stdout().write_all(authority.pem().as_bytes());
    Ok(printed.map_err(|error| not_printed(&error))?)
}

/// No CA has been made, or not there.
#[derive(Debug)]
struct NoCa {
    dir: Option<PathBuf>,
}

impl fmt::Display for NoCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.dir {
            Some(dir) => write!(f, "there is no CA in {}; ", dir.display())?,
            None => f.write_str("there is no place where a CA would be; ")?,
        }
        f.write_str("docxy makes one when it first serves https without --tls-cert; name the directory that it uses with --state-dir")
    }
}

impl Error for NoCa {}
