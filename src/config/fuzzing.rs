//! What must hold of any configuration file, for a fuzzer to try; the targets in `fuzz/` and `cargo test` call it.

use super::fault::Fault;
use super::{Config, file};

/// A configuration file: what is wrong with it is said in one line and points into it; what is right says the same when it
/// is printed and read again.
pub fn configuration(data: &[u8]) {
    let lines = 1 + data.iter().filter(|&&b| b == b'\n').count();
    let settings = match file::parse(data) {
        Ok(settings) => settings,
        Err(error) => {
            assert!((1..=lines).contains(&error.line), "{error}");
            return assert_one_line(&error.to_string());
        }
    };
    match Config::from_settings(settings) {
        Ok(config) => check_printed(&config),
        Err(fault) => check_fault(
            &fault,
            str::from_utf8(data).expect("it has been read"),
            lines,
        ),
    }
}

fn check_fault(fault: &Fault, text: &str, lines: usize) {
    assert_one_line(&fault.to_string());
    assert_one_line(&fault.why);
    let line = file::line_of(text, fault.key);
    assert!(line.is_none_or(|line| (1..=lines).contains(&line)));
}

fn check_printed(config: &Config) {
    let printed = toml::to_string(&config.settings()).expect("it can be printed");
    let again = file::parse(printed.as_bytes()).map(Config::from_settings);
    let again = again.expect("it can be read").expect("it makes sense");
    let once_more = toml::to_string(&again.settings()).expect("it can be printed");
    assert_eq!(once_more, printed);
}

fn assert_one_line(message: &str) {
    assert!(
        !message.is_empty() && !message.chars().any(char::is_control),
        "{message:?}"
    );
}
