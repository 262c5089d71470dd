//! What docxy says of a command line and of variables that cannot work: one line, of what, and what to do.

use std::collections::BTreeSet;

use crate::command_line::command;

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
