//! What is wrong with a command line, in one line: where, what, and what to do. clap finds it, and would take several.

use std::any::TypeId;
use std::env;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::num::ParseIntError;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use crate::egress::proxy::may_have_login;

/// What to do where nothing else is known.
const HELP: &str = "see docxy --help";

/// What clap refuses, of what.
pub(super) struct Refused<'a> {
    /// Why.
    pub(super) error: &'a clap::Error,
    /// What can be typed.
    pub(super) command: &'a Command,
    /// What was typed, the program's name first.
    pub(super) typed: &'a [OsString],
}

impl Refused<'_> {
    /// The line for whoever typed it, or set the variable.
    pub(super) fn line(&self) -> String {
        match self.error.kind() {
            ErrorKind::UnknownArgument => self.unknown_argument(),
            ErrorKind::InvalidSubcommand => self.unknown_command(),
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => self.unfit_value(),
            ErrorKind::ArgumentConflict => format!("{}: {}", self.place(), self.conflict()),
            ErrorKind::TooManyValues => {
                format!("{}: it takes no value; write it alone", self.place())
            }
            ErrorKind::MissingRequiredArgument => {
                format!("{}: it is needed too; {HELP}", self.place())
            }
            ErrorKind::InvalidUtf8 => {
                let place = self.not_utf8();
                let place = place.unwrap_or_else(|| "the command line".to_owned());
                format!("{place}: it is not UTF-8; write it anew as plain text")
            }
            kind => {
                let what = kind
                    .as_str()
                    .unwrap_or("the command line cannot be understood");
                format!("{what}; {HELP}")
            }
        }
    }

    fn unknown_argument(&self) -> String {
        let given = self.text(ContextKind::InvalidArg).unwrap_or_default();
        if !given.starts_with('-') {
            return format!("{given:?}: nothing more is asked for there; leave it out");
        }
        if flag_of(self.command, given).is_some() {
            return format!("{given}: it stands before the command; write docxy {given} … COMMAND");
        }
        let mut commands = self.command.get_subcommands();
        if let Some(of) = commands.find(|command| flag_of(command, given).is_some()) {
            let of = of.get_name();
            return format!("{given}: it stands behind its command; write docxy {of} {given}");
        }
        let advice = self.nearest(ContextKind::SuggestedArg);
        format!("{given}: there is no such flag; {advice}")
    }

    fn unknown_command(&self) -> String {
        let given = self
            .text(ContextKind::InvalidSubcommand)
            .unwrap_or_default();
        let advice = match given {
            "help" => HELP.to_owned(),
            _ => self.nearest(ContextKind::SuggestedSubcommand),
        };
        format!("{given:?}: there is no such command; {advice}")
    }

    fn unfit_value(&self) -> String {
        let place = self.place();
        match self.text(ContextKind::InvalidValue).unwrap_or_default() {
            "" => format!("{place}: it has no value; {HELP}"),
            value if may_have_login(value) => format!("{place}: {}", self.unfitness()),
            value => format!("{place}: {value:?}: {}", self.unfitness()),
        }
    }

    fn unfitness(&self) -> String {
        if let Some(ContextValue::Strings(fit)) = self.error.get(ContextKind::ValidValue) {
            return format!("it is none of {}", fit.join(", "));
        }
        let flag = self.flag();
        if flag.is_some_and(|flag| matches!(flag.get_action(), ArgAction::SetTrue)) {
            return "it is neither true nor false; write one of these".to_owned();
        }
        match self.error.source() {
            Some(source) if source.is::<ParseIntError>() => {
                "it is no whole number from 1 on".to_owned()
            }
            Some(source) => source.to_string(),
            None => format!("it cannot be understood; {HELP}"),
        }
    }

    fn conflict(&self) -> String {
        match self.text(ContextKind::PriorArg) {
            prior if prior == self.text(ContextKind::InvalidArg) => {
                "it is given twice; give it once".to_owned()
            }
            Some(prior) => format!("it cannot be given with {}; take one", bare(prior)),
            None => format!("it cannot be given with the others; {HELP}"),
        }
    }

    fn nearest(&self, kind: ContextKind) -> String {
        match self.text(kind) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => HELP.to_owned(),
        }
    }

    /// The flag that is wrong, or its variable, if it is there that it was said.
    fn place(&self) -> String {
        let name = bare(self.text(ContextKind::InvalidArg).unwrap_or_default());
        let variable = self.flag().filter(|flag| !self.is_typed(flag));
        match variable.and_then(set_variable) {
            Some((variable, _)) => variable.to_string_lossy().into_owned(),
            None => name.to_owned(),
        }
    }

    /// The first text that is none. Paths need not be UTF-8.
    fn not_utf8(&self) -> Option<String> {
        let takes_path = |flag: &Arg| flag.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        let mut before = OsStr::new("");
        for word in self.typed.iter().skip(1) {
            let own = Some(name_in(word)).filter(|name| name.as_bytes().starts_with(b"--"));
            let name = own.unwrap_or(before).to_string_lossy();
            let flag = self.find(&name);
            if word.to_str().is_none() && !flag.is_some_and(takes_path) {
                return Some(flag.map_or_else(|| format!("{word:?}"), |_| name.into_owned()));
            }
            before = word;
        }
        let mut variables = self
            .flags()
            .filter(|flag| !takes_path(flag))
            .filter_map(set_variable);
        let broken = variables.find(|(_, value)| value.to_str().is_none());
        broken.map(|(variable, _)| variable.to_string_lossy().into_owned())
    }

    /// The flag that is wrong.
    fn flag(&self) -> Option<&Arg> {
        self.find(bare(self.text(ContextKind::InvalidArg)?))
    }

    fn find(&self, name: &str) -> Option<&Arg> {
        self.flags().find(|flag| is_called(flag, name))
    }

    fn flags(&self) -> impl Iterator<Item = &Arg> {
        let commands = std::iter::once(self.command).chain(self.command.get_subcommands());
        commands.flat_map(Command::get_arguments)
    }

    fn is_typed(&self, flag: &Arg) -> bool {
        let mut names = self.typed.iter().filter_map(|word| name_in(word).to_str());
        names.any(|name| is_called(flag, name))
    }

    /// What clap says of it, or the first of what it says.
    fn text(&self, kind: ContextKind) -> Option<&str> {
        match self.error.get(kind)? {
            ContextValue::String(text) => Some(text),
            ContextValue::Strings(texts) => texts.first().map(String::as_str),
            _ => None,
        }
    }
}

/// What stands before a `=`, or all of it.
fn name_in(word: &OsStr) -> &OsStr {
    let name = word.as_bytes().split(|&byte| byte == b'=').next();
    name.map_or(word, OsStr::from_bytes)
}

fn flag_of<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|flag| is_called(flag, name))
}

fn is_called(flag: &Arg, name: &str) -> bool {
    flag.get_long().is_some() && flag.get_long() == name.strip_prefix("--")
}

/// A flag's variable and what it holds, if it is set.
fn set_variable(flag: &Arg) -> Option<(&OsStr, OsString)> {
    let variable = flag.get_env()?;
    Some((variable, env::var_os(variable)?))
}

/// `--flag` of `--flag <VALUE>`, and `IMAGE` of `[IMAGE]`.
fn bare(shown: &str) -> &str {
    let name = shown.split(' ').next().unwrap_or_default();
    name.trim_matches(['[', ']', '<', '>'])
}
