//! What docxy says of a command line and of variables that cannot work: one line, of what, and what to do.

use std::collections::BTreeSet;
use std::fs::File;

use crate::command_line::{command, ended};

#[test]
fn an_empty_variable_is_as_one_that_is_not_set() {
    let help = String::from_utf8(command(&["--help"]).output().unwrap().stdout).unwrap();
    let of_check = command(&["check", "--help"]).output().unwrap().stdout;
    let help = help + &String::from_utf8(of_check).unwrap();
    let variables: BTreeSet<_> = help
        .split("[env: ")
        .skip(1)
        .filter_map(|rest| rest.split(['=', ']']).next())
        .collect();
    assert!(variables.len() > 40, "{variables:?}");
    let mut bare = command(&["config"]);
    let without = bare.output().unwrap().stdout;
    for &variable in &variables {
        let output = bare.env(variable, "").output().unwrap();
        assert!(output.status.success(), "{variable}: {output:?}");
        assert_eq!(output.stdout, without, "{variable}");
    }
    let mut check = command(&["check", "--via", "http://127.0.0.1:1", "--json"]);
    check.envs(variables.iter().map(|variable| (variable, "")));
    assert_eq!(check.output().unwrap().status.code(), Some(1));
}

#[test]
fn the_exit_code_is_right_where_nothing_can_be_said() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let unknown_upstream = ["--listen", "127.0.0.1:0", "--upstream-ca", "/nowhere.pem"];
    let table: [(&[&str], i32); 4] = [
        (&["--listen", "x"], 2),
        (&["--nonsense"], 2),
        (&["--config", "/nowhere.toml"], 1),
        (&unknown_upstream, 1),
    ];
    for (args, code) in table {
        let status = command(args).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{args:?}");
    }
    let mut config = command(&["config"]);
    config.env("DOCXY_UPSTREAM_PROXY", "http://u:s3cret@127.0.0.1:1");
    assert!(config.stderr(full()).output().unwrap().status.success());
    let output = command(&["config"]).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("docxy: standard output cannot be written: "),
        "{said}"
    );
}

#[test]
fn whoever_has_read_enough_of_a_configuration_may_leave() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(&["config"]).stdout(writer).output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

#[test]
fn a_path_with_a_line_feed_does_not_break_the_line() {
    let (code, lines) = ended(&["--config", "/nowhere\n/x.toml"]);
    assert_eq!(code, Some(1));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("/nowhere\\n/x.toml cannot be read"),
        "{lines:?}"
    );
}
