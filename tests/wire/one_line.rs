//! What docxy says of a command line and of variables that cannot work: one line, of what, and what to do.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;

use crate::command_line::{command, ended};
use crate::docxy::Docxy;

#[test]
fn what_is_refused_is_said_of_what_and_what_to_do() {
    let table: [(&[&str], &str); 24] = [
        (
            &["--drain", "5"],
            "--drain: \"5\": it is no duration such as 30s, 5m or 1h",
        ),
        (&["--drain"], "--drain: it has no value; see docxy --help"),
        (
            &["--drain", "5s", "--drain", "6s"],
            "--drain: it is given twice; give it once",
        ),
        (
            &["--workers", "0"],
            "--workers: \"0\": it is no whole number from 1 on",
        ),
        (
            &["--log", "loud"],
            "--log: \"loud\": it is none of off, error, info, debug",
        ),
        (&["--log=a\nb"], "--log: \"a\\nb\": it is none of"),
        (
            &["--catalog=yes"],
            "--catalog: it takes no value; write it alone",
        ),
        (
            &["--nonsense"],
            "--nonsense: there is no such flag; see docxy --help",
        ),
        (
            &["--lisen", ":1"],
            "--lisen: there is no such flag; did you mean --listen?",
        ),
        (
            &["--a\nb"],
            "--a\\nb: there is no such flag; see docxy --help",
        ),
        (&["-x"], "-x: there is no such flag; see docxy --help"),
        (
            &["surplus"],
            "\"surplus\": there is no such command; see docxy --help",
        ),
        (
            &["help"],
            "\"help\": there is no such command; see docxy --help",
        ),
        (
            &["--public-url", "https://h/path"],
            "--public-url: \"https://h/path\" is not scheme, host and port alone, such as https://docxy.example:5000: \
             something follows its host and port",
        ),
        (
            &["chek"],
            "\"chek\": there is no such command; did you mean check?",
        ),
        (
            &["ca", "a"],
            "\"a\": nothing more is asked for there; leave it out",
        ),
        (
            &["check", "a", "b"],
            "\"b\": nothing more is asked for there; leave it out",
        ),
        (&["check", "A"], "IMAGE: \"A\": "),
        (
            &["check", "--upstream", "x"],
            "--upstream: it stands before the command; write docxy --upstream … COMMAND",
        ),
        (
            &["config", "--log=off"],
            "--log: it stands before the command; write docxy --log …",
        ),
        (
            &["--json"],
            "--json: it stands behind its command; write docxy check --json",
        ),
        (
            &["check", "--via-ca", "x"],
            "--via: it is needed too; see docxy --help",
        ),
        (&["check", "--via", "x"], "--via: \"x\": "),
        (&["check", "--via", "http://u:s3cret@a.test"], "--via: "),
    ];
    for (args, said) in table {
        let (code, lines) = ended(args);
        assert_eq!(code, Some(2), "{args:?}: {lines:?}");
        assert_eq!(lines.len(), 1, "{args:?}: {lines:?}");
        let expected = format!("docxy: {said}");
        assert!(lines[0].starts_with(&expected), "{args:?}: {lines:?}");
        assert!(!lines[0].contains("s3cret"), "{args:?}: {lines:?}");
    }
}

#[test]
fn what_is_wrong_with_a_variable_is_said_of_it() {
    let table: [(&[&str], &str, &[u8], &str); 12] = [
        (&[], "DOCXY_LISTEN", b"x", "DOCXY_LISTEN: \"x\": "),
        (
            &["--listen", "y"],
            "DOCXY_LISTEN",
            b"x",
            "--listen: \"y\": ",
        ),
        (
            &["config"],
            "DOCXY_PUBLIC_URL",
            b"ftp://a.test",
            "DOCXY_PUBLIC_URL: ",
        ),
        (
            &[],
            "DOCXY_DRAIN",
            b"5",
            "DOCXY_DRAIN: \"5\": it is no duration",
        ),
        (
            &["--drain", "6"],
            "DOCXY_DRAIN",
            b"5",
            "--drain: \"6\": it is no duration",
        ),
        (
            &[],
            "DOCXY_CATALOG",
            b"x",
            "DOCXY_CATALOG: \"x\": it is neither true nor false",
        ),
        (
            &[],
            "DOCXY_ALLOW",
            b"\xff",
            "DOCXY_ALLOW: it is not UTF-8; write it anew",
        ),
        (
            &["--allow", "x"],
            "DOCXY_DRAIN",
            b"\xff",
            "DOCXY_DRAIN: it is not UTF-8; write it anew",
        ),
        (
            &["check"],
            "DOCXY_VIA",
            b"\xff",
            "DOCXY_VIA: it is not UTF-8; write it anew",
        ),
        (
            &["check"],
            "DOCXY_JSON",
            b"x",
            "DOCXY_JSON: \"x\": it is neither true nor false",
        ),
        (
            &["check"],
            "DOCXY_VIA_CA",
            b"x",
            "--via: it is needed too; see docxy --help",
        ),
        (
            &[],
            "DOCXY_UPSTREAM_PROXY",
            b"http://u:s3cret\xff@a",
            "DOCXY_UPSTREAM_PROXY: it is not",
        ),
    ];
    for (args, variable, value, said) in table {
        let mut command = command(args);
        command.env(variable, OsStr::from_bytes(value));
        let (status, lines) = Docxy::spawn(&mut command).wait();
        assert_eq!(status.code(), Some(2), "{variable}: {lines:?}");
        assert_eq!(lines.len(), 1, "{variable}: {lines:?}");
        let expected = format!("docxy: {said}");
        assert!(lines[0].starts_with(&expected), "{variable}: {lines:?}");
        assert!(!lines[0].contains("s3cret"), "{variable}: {lines:?}");
    }
    for (typed, said) in [
        (&[&b"--allow"[..], b"\xff"][..], "--allow: it is not UTF-8"),
        (
            &[b"--tls-cert", b"\xff", b"--allow=\xff"],
            "--allow: it is not UTF-8",
        ),
        (&[b"check", b"\xff"], "\"\\xFF\": it is not UTF-8"),
    ] {
        let mut command = command(&[]);
        command.args(typed.iter().map(|word| OsStr::from_bytes(word)));
        let (status, lines) = Docxy::spawn(&mut command).wait();
        assert_eq!(status.code(), Some(2), "{typed:?}: {lines:?}");
        assert_eq!(lines.len(), 1, "{typed:?}: {lines:?}");
        assert!(
            lines[0].starts_with(&format!("docxy: {said}")),
            "{typed:?}: {lines:?}"
        );
    }
}

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
fn an_address_that_is_given_twice_is_docxys_own() {
    // An address that no other test has.
    let free = TcpListener::bind("127.77.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    for flag in ["--listen", "--admin"] {
        let (code, lines) = ended(&["--listen", &address, flag, &address]);
        assert_eq!(code, Some(1), "{lines:?}");
        let said = format!("docxy: cannot listen on {address}: docxy listens there already");
        assert!(lines.len() == 1 && lines[0].starts_with(&said), "{lines:?}");
    }
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

#[test]
fn a_path_that_no_file_can_name_is_not_printed() {
    let cert = OsStr::from_bytes(b"\xff");
    let mut config = command(&["--tls-key", "k", "--tls-cert"]);
    let output = config.arg(cert).arg("config").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("docxy: --tls-cert: \"\\xFF\" is not UTF-8"),
        "{said}"
    );
}

#[test]
fn a_variable_that_nobody_reads_is_pointed_out() {
    let said = |args: &[&str]| {
        let mut command = command(args);
        command.env("DOCXY_ALLOW_CLEINT", "10.0.0.0/8");
        Docxy::spawn(&mut command).wait().1
    };
    let lines = said(&["config"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["DOCXY_ALLOW_CLEINT", "did you mean DOCXY_ALLOW_CLIENT?"] {
        assert!(lines[0].contains(part), "{lines:?}");
    }
    let lines = said(&["health", "http://127.0.0.1:1"]);
    assert!(
        lines.len() == 1 && lines[0].contains("does not answer"),
        "{lines:?}"
    );
}
