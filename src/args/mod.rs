//! The command line as it is typed, and the environment. What can be set is declared in [`Settings`]; what it means is in
//! [`crate::config`].

mod misspelt;
mod refused;

use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use self::misspelt::misspelt;
use self::refused::Refused;
use crate::command::check::Check;
use crate::config::settings::Settings;
use crate::egress::proxy::may_have_login;
use crate::log::Format;

/// A pull proxy for container registries: engines reach docxy, docxy reaches the registries.
///
/// Every flag has an environment variable, such as DOCXY_LISTEN for --listen; where a flag may be repeated, it takes a comma-separated list.
/// Durations are written 30s, 5m, 1h. A flag overrides its variable, and both override the file of --config.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Args {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Configuration file in TOML, in which flags are keys: allow_client for --allow-client. What --upstream-alias, --realm-host,
    /// --allow and --deny say of a registry stands in its `[[upstream]]`. It is read again at SIGHUP
    #[arg(
        long,
        help_heading = "Running",
        env = "DOCXY_CONFIG",
        value_name = "FILE",
        global = true
    )]
    pub config: Option<PathBuf>,

    /// What is set.
    #[command(flatten)]
    pub settings: Settings,
}

/// What docxy does instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Print the CA of the self-made certificate, in PEM, for the engines to trust
    Ca,
    /// Ask each upstream, and for an image, step by step: what fails, why, and what to do. Exit code 0 if all is well. Nothing
    /// is bound or written. Flags stand before the command
    Check(Check),
    /// Print what flags, variables and the file say together, as a configuration file
    Config,
    /// Ask a docxy that runs whether it is well: exit code 0 if its /health answers 200. No certificate is verified
    Health {
        /// Which one; by default the first --listen. Flags stand before the command
        #[arg(value_name = "URL")]
        url: Option<String>,
    },
}

/// What was typed and what the environment says: what it says holds whatever a file says.
#[derive(Clone, Debug)]
pub struct CommandLine {
    /// What to do instead of serving.
    pub command: Option<Command>,
    config: Option<PathBuf>,
    /// Without what is a flag's default only.
    given: ArgMatches,
    /// The variable of each key that has its value from one.
    variables: HashMap<String, String>,
    /// What is to be said of variables that nobody reads.
    misspelt: Vec<String>,
}

impl CommandLine {
    /// Reads the command line and the environment. Where help is asked for it is printed, and the process ends; an error is
    /// one line that says what is wrong.
    pub fn from_process() -> Result<CommandLine, String> {
        match CommandLine::read(&env::args_os().collect::<Vec<_>>()) {
            Err(Unread::Asked(help)) => help.exit(),
            Err(Unread::Wrong(why)) => Err(why),
            Ok(line) => Ok(line),
        }
    }

    fn read(typed: &[OsString]) -> Result<CommandLine, Unread> {
        let command = without_empty_variables(Args::command());
        let refused = |error: clap::Error| match error.use_stderr() {
            false => Unread::Asked(error),
            true => Unread::Wrong(
                Refused {
                    error: &error,
                    command: &command,
                    typed,
                }
                .line(),
            ),
        };
        let matches = command.clone().try_get_matches_from(typed);
        let matches = matches.map_err(refused)?;
        refuse_typed_login(&matches)?;
        let completed = with_variables(typed, &command, &matches);
        let given = command.clone().try_get_matches_from(completed);
        let mut given = given.map_err(refused)?;
        let variables = read_variables(&command, &matches);
        let args = Args::from_arg_matches(&given).map_err(refused)?;
        for flag in command.get_arguments() {
            let id = flag.get_id().as_str();
            let is_given = match given.value_source(id) {
                // A list that is still a variable's has no values.
                Some(ValueSource::EnvVariable) => !is_list(flag),
                source => source != Some(ValueSource::DefaultValue),
            };
            if !is_given {
                // It fails for what cannot be given at all, such as --help.
                let _ = given.try_clear_id(id);
            }
        }
        Ok(CommandLine {
            command: args.command,
            config: args.config,
            given,
            variables,
            misspelt: misspelt(&command, env::vars_os()),
        })
    }

    /// What may not be meant, for whoever has set the environment. What only asks whether docxy is well says nothing more.
    pub fn warnings(&self) -> &[String] {
        match self.command {
            Some(Command::Health { .. }) => &[],
            _ => &self.misspelt,
        }
    }

    /// The file of `--config`.
    pub fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Whether this says what a key means, so that a file does not.
    pub fn says(&self, key: &str) -> bool {
        self.given.try_contains_id(key).unwrap_or_default()
    }

    /// The variable that says what a key means, if it is one that does.
    pub fn variable(&self, key: &str) -> Option<&str> {
        self.variables.get(key).map(String::as_str)
    }

    /// How docxy is to say things, if this says it.
    pub fn log_format(&self) -> Option<Format> {
        let format = self.given.try_get_one("log_format");
        format.ok().flatten().copied()
    }

    /// Puts what this says in the place of what `settings` say.
    pub fn override_in(&self, settings: &mut Settings) -> Result<(), clap::Error> {
        settings.update_from_arg_matches(&self.given)
    }
}

/// Why a command line is not read.
#[derive(Debug)]
enum Unread {
    /// It asks for help, or for the version: this.
    Asked(clap::Error),
    /// What is wrong with it, and what to do.
    Wrong(String),
}

/// A variable that is empty is as one that is not set: `${X:-}` makes such.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let heeded = |flag: Arg| {
        let value = flag.get_env().and_then(env::var_os);
        match value.is_some_and(|value| value.is_empty()) {
            true => flag.env(None),
            false => flag,
        }
    };
    command
        .mut_args(heeded)
        .mut_subcommands(|command| command.mut_args(heeded))
}

fn read_variables(command: &clap::Command, matches: &ArgMatches) -> HashMap<String, String> {
    let flags = command.get_arguments().filter(|flag| {
        matches.value_source(flag.get_id().as_str()) == Some(ValueSource::EnvVariable)
    });
    let read = flags.filter_map(|flag| {
        let variable = flag.get_env()?.to_str()?;
        Some((flag.get_id().to_string(), variable.to_owned()))
    });
    read.collect()
}

/// A command line can be read by everyone on the machine: no password belongs in it.
fn refuse_typed_login(matches: &ArgMatches) -> Result<(), Unread> {
    let proxies = "upstream_proxy";
    let is_typed = matches.value_source(proxies) == Some(ValueSource::CommandLine);
    let mut values = matches.get_many::<String>(proxies).into_iter().flatten();
    if is_typed && values.any(|value| may_have_login(value)) {
        return Err(Unread::Wrong(
            "--upstream-proxy: everyone on this machine can read a command line, so no login belongs in it; \
             set the variable DOCXY_UPSTREAM_PROXY, or name user and file with --upstream-proxy-username and \
             --upstream-proxy-password-file"
                .to_owned(),
        ));
    }
    Ok(())
}

/// The command line with the lists of variables in it, one flag for each value. On the command line a comma is part of the
/// value: globs have them.
fn with_variables(
    typed: &[OsString],
    command: &clap::Command,
    matches: &ArgMatches,
) -> Vec<OsString> {
    let lists = command.get_arguments().filter(|flag| {
        is_list(flag)
            && matches.value_source(flag.get_id().as_str()) == Some(ValueSource::EnvVariable)
    });
    let mut flags = Vec::new();
    for flag in lists {
        let (Some(name), Some(values)) = (flag.get_long(), matches.get_raw(flag.get_id().as_str()))
        else {
            continue;
        };
        for value in values.flat_map(split_list) {
            let mut typed = OsString::from(format!("--{name}="));
            typed.push(value);
            flags.push(typed);
        }
    }
    let mut typed = typed.iter().cloned();
    let program = typed.next();
    program.into_iter().chain(flags).chain(typed).collect()
}

fn is_list(flag: &Arg) -> bool {
    matches!(flag.get_action(), ArgAction::Append)
}

/// A comma-separated list, which need not be UTF-8.
fn split_list(list: &OsStr) -> impl Iterator<Item = &OsStr> {
    let values = list.as_bytes().split(|&byte| byte == b',');
    values
        .map(<[u8]>::trim_ascii)
        .filter(|value| !value.is_empty())
        .map(OsStr::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_command_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_option_stands_in_a_group() {
        let groups = [
            "Listeners",
            "TLS",
            "Upstreams",
            "Reaching out",
            "Access",
            "Running",
        ];
        for option in Args::command().get_arguments() {
            let heading = option.get_help_heading().unwrap_or("none");
            assert!(groups.contains(&heading), "{}: {heading}", option.get_id());
        }
    }

    #[test]
    fn commands_take_their_flags_on_either_side() {
        assert_eq!(Args::parse_from(["docxy"]).command, None);
        for line in ["docxy ca --state-dir /s", "docxy --state-dir /s ca"] {
            let args = Args::parse_from(line.split(' '));
            assert_eq!(args.command, Some(Command::Ca), "{line}");
            assert_eq!(
                args.settings.state_dir.as_deref(),
                Some(Path::new("/s")),
                "{line}"
            );
        }
    }

    #[test]
    fn a_list_is_split_unless_it_was_typed() {
        let split = |text: &str| {
            let values = split_list(OsStr::new(text)).map(|value| value.to_str().unwrap());
            values.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(split("a.test, b.test,"), ["a.test", "b.test"]);
        assert!(split(" , ").is_empty());
        let typed = ["docxy", "--allow", "docker.io/{b,c}"].map(OsString::from);
        let line = CommandLine::read(&typed).unwrap();
        let mut settings = Settings::default();
        line.override_in(&mut settings).unwrap();
        assert_eq!(settings.allow, ["docker.io/{b,c}"]);
    }

    #[test]
    fn only_what_was_typed_overrides() {
        let typed = ["docxy", "--drain", "7s", "--acme-agree-tos", "ca"].map(OsString::from);
        let line = CommandLine::read(&typed).unwrap();
        assert_eq!(line.command, Some(Command::Ca));
        assert!(line.says("drain") && line.says("acme_agree_tos"));
        assert!(!line.says("listen") && !line.says("nonsense") && !line.says("log"));
        let mut settings = Settings {
            listen: vec![":1".to_owned()],
            ..Settings::default()
        };
        settings.acme.acme_email = Some("a@b.test".to_owned());
        line.override_in(&mut settings).unwrap();
        assert_eq!(settings.listen, [":1"]);
        assert_eq!(settings.drain.to_string(), "7s");
        assert!(settings.acme.acme_agree_tos);
        assert_eq!(settings.acme.acme_email.as_deref(), Some("a@b.test"));
    }
}
