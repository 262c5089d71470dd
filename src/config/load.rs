//! Flags, variables and the configuration file put together: a flag overrides its variable, and both override the file.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use super::fault::{Fault, Key};
use super::settings::Settings;
use super::{Config, file};
use crate::args::CommandLine;
use crate::log::Format;

/// Why there is no configuration: one line that says what is wrong, where, and what to do.
#[derive(Debug)]
pub struct ConfigError {
    wrong: Wrong,
    /// How it is to be said, as far as that is known: a file that cannot be read does not say it.
    pub format: Format,
}

#[derive(Debug)]
enum Wrong {
    /// Something that was typed, or that a variable holds.
    Usage(String),
    /// The file, or something in it.
    File(String),
}

impl ConfigError {
    /// Whether it is something that was typed, or that a variable holds.
    pub fn is_usage(&self) -> bool {
        matches!(self.wrong, Wrong::Usage(_))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wrong {
            Wrong::Usage(why) | Wrong::File(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ConfigError {}

/// A configuration file as it was read.
struct Text {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Reads the file that the command line names, if it names one, and checks what it says together with the command line.
pub fn load(line: &CommandLine) -> Result<Config, ConfigError> {
    let format = line.log_format().unwrap_or(Format::Text);
    let read = read(line).map_err(|wrong| ConfigError { wrong, format });
    let (text, settings) = read?;
    let format = settings.log_format;
    let in_file = |key: Key| text.as_ref().filter(|_| !line.says(key.name))?.place(key);
    Config::from_settings(settings).map_err(|fault| {
        let wrong = match in_file(fault.key) {
            Some(place) => Wrong::File(in_words_of_the_file(&place, &fault)),
            None => Wrong::Usage(in_words_of_the_line(line, &fault)),
        };
        ConfigError { wrong, format }
    })
}

/// The file, if there is one, and what it and the command line say together.
fn read(line: &CommandLine) -> Result<(Option<Text>, Settings), Wrong> {
    let text = line.config().map(Text::read).transpose()?;
    let mut settings = match &text {
        Some(text) => text.settings()?,
        None => Settings::default(),
    };
    let overridden = line.override_in(&mut settings);
    overridden.map_err(|error| Wrong::Usage(error.to_string()))?;
    Ok((text, settings))
}

fn in_words_of_the_line(line: &CommandLine, fault: &Fault) -> String {
    match line.variable(fault.key.name) {
        Some(variable) => format!("{variable}: {}", fault.why),
        None => fault.to_string(),
    }
}

fn in_words_of_the_file(place: &str, fault: &Fault) -> String {
    let key = fault.key.field.unwrap_or(fault.key.name);
    format!("{place}: {key}: {}", fault.why)
}

impl Text {
    fn read(path: &std::path::Path) -> Result<Text, Wrong> {
        let path = path.to_owned();
        match fs::read(&path) {
            Ok(bytes) => Ok(Text { path, bytes }),
            Err(error) => Err(Wrong::File(format!(
                "--config: {} cannot be read: {error}; name a file that docxy may read",
                path.display()
            ))),
        }
    }

    fn settings(&self) -> Result<Settings, Wrong> {
        let parsed = file::parse(&self.bytes);
        parsed.map_err(|error| Wrong::File(format!("{}:{error}", self.path.display())))
    }

    /// Where a key is set in it.
    fn place(&self, key: Key) -> Option<String> {
        let line = file::line_of(str::from_utf8(&self.bytes).ok()?, key)?;
        Some(format!("{}:{line}", self.path.display()))
    }
}
