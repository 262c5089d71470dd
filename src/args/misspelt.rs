//! Variables that nobody reads and that are written almost as one of docxy's: what they were to say would not hold, and
//! nothing else would tell.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

/// What docxy's variables begin with.
const OURS: &str = "DOCXY_";

/// How many letters of a name may be wrong, missing, too many or swapped; never more than one of four.
const WRONG: usize = 2;

/// A warning for each of the variables that are `set`. Kubernetes sets some of its own that begin alike.
pub(super) fn misspelt(
    command: &Command,
    set: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<String> {
    let known: Vec<&str> = variables(command).collect();
    let set = set.into_iter().filter(|(_, value)| !value.is_empty());
    let mut names: Vec<String> = set
        .filter_map(|(name, _)| name.into_string().ok())
        .collect();
    names.sort_unstable();
    let meant = names
        .iter()
        .filter_map(|name| Some((name, meant(name, &known)?)));
    meant
        .map(|(name, meant)| {
            format!(
                "{name}: docxy reads no such variable, so it has no effect; did you mean {meant}?"
            )
        })
        .collect()
}

/// The variables of all flags, wherever they stand.
fn variables(command: &Command) -> impl Iterator<Item = &str> {
    let commands = std::iter::once(command).chain(command.get_subcommands());
    let flags = commands.flat_map(Command::get_arguments);
    flags.filter_map(Arg::get_env).filter_map(OsStr::to_str)
}

fn meant<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let own = name.strip_prefix(OURS)?;
    if known.contains(&name) {
        return None;
    }
    let known = known.iter().filter_map(|known| {
        let meant = known.strip_prefix(OURS)?;
        let wrong = strsim::osa_distance(own, meant);
        (wrong <= WRONG.min(meant.len() / 4)).then_some((wrong, *known))
    });
    known.min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    fn warnings(names: &[&str]) -> Vec<String> {
        let set = names.iter().map(|name| (name.into(), "x".into()));
        misspelt(&Args::command(), set)
    }

    #[test]
    fn a_variable_that_is_almost_one_of_ours_is_named_with_it() {
        for (name, meant) in [
            ("DOCXY_ALLOW_CLEINT", "DOCXY_ALLOW_CLIENT"),
            ("DOCXY_ALLOW_CLIENTS", "DOCXY_ALLOW_CLIENT"),
            ("DOCXY_UPSTREAMS", "DOCXY_UPSTREAM"),
            ("DOCXY_LISTN", "DOCXY_LISTEN"),
            ("DOCXY_VIACA", "DOCXY_VIA_CA"),
        ] {
            let expected = format!("did you mean {meant}?");
            let said = warnings(&[name, meant]);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(
                said[0].starts_with(name) && said[0].contains(&expected),
                "{said:?}"
            );
        }
    }

    #[test]
    fn others_are_nobodys_error() {
        let set_by_others = [
            "DOCXY_SERVICE_HOST",
            "DOCXY_SERVICE_PORT",
            "DOCXY_SERVICE_PORT_HTTP",
            "DOCXY_PORT",
            "DOCXY_PORT_5000_TCP",
            "DOCXY_PORT_5000_TCP_ADDR",
            "DOCXY_ADMIN_PORT",
            "DOCXY_VERSION",
            "ALLOW_CLEINT",
            "docxy_listn",
        ];
        assert_eq!(warnings(&set_by_others), <[&str; 0]>::default());
        let unset = [("DOCXY_LISTN".into(), "".into())];
        assert!(misspelt(&Args::command(), unset).is_empty());
    }
}
