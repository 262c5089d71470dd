//! The commands: what docxy does instead of serving, each in a file of its own.

pub mod ca;
pub mod check;
pub mod config;
pub mod health;

use std::error::Error;
use std::io;

use crate::args::Command;
use crate::config::Config;

/// Does what a command says. An error is one line for stderr, and the exit code is 1.
pub fn run(command: &Command, config: &Config) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Ca => ca::run(config),
        Command::Check(check) => check::run(check, config),
        Command::Config => config::run(config),
        Command::Health { url } => Ok(health::run(url.as_deref(), config)?),
    }
}

/// What is wrong where a command's output cannot be written.
fn not_printed(error: &io::Error) -> String {
    format!("standard output cannot be written: {error}; see where it leads")
}
