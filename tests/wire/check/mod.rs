//! `docxy check`: how it tells what it has found. For each thing that can be wrong the step, the reason and what to do, by
//! what is asked: the [`connection`], the [`tokens`], an [`image`], and a docxy that runs, as its clients do ([`via`]).

mod connection;
mod image;
mod stand;
mod tokens;
mod via;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::stand::{NAME, named, start};
use crate::wire::{Answer, Gate, Server};
use stand::stand;

/// What `docxy ARGS` with `--json` at its end has said.
struct Said {
    code: Option<i32>,
    document: Value,
    stderr: String,
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    let output = command.args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn check(args: &[&str]) -> Said {
    let (code, stdout, stderr) = run(&[args, &["--json"]].concat());
    let document = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    Said {
        code,
        document,
        stderr,
    }
}

/// Checks one upstream.
fn check_one(upstream: &str, flags: &[&str], image: &[&str]) -> Said {
    check(&[&["--upstream", upstream], flags, &["check"], image].concat())
}

impl Said {
    fn steps(&self) -> &[Value] {
        self.document["checked"][0]["steps"].as_array().unwrap()
    }

    fn names(&self) -> Vec<&str> {
        let steps = self.steps().iter();
        steps.map(|step| step["step"].as_str().unwrap()).collect()
    }

    fn step(&self, name: &str) -> &Value {
        let step = self.steps().iter().find(|step| step["step"] == name);
        step.unwrap_or_else(|| panic!("no {name} in {}", self.document))
    }

    /// Asserts that this step, the last one, has failed for this reason with this advice.
    fn assert_failed(&self, name: &str, reason: &str, advice: &str) {
        let last = self.steps().last().unwrap();
        assert_eq!(last["step"], name, "{}", self.document);
        assert_eq!(last["ok"], false, "{last}");
        let says = |key: &str, part: &str| {
            let text = last[key].as_str().unwrap();
            assert!(text.contains(part) && !text.contains('\n'), "{key}: {text}");
        };
        says("text", reason);
        says("advice", advice);
        assert_eq!((self.code, &self.document["ok"]), (Some(1), &false.into()));
        assert!(!self.stderr.is_empty());
    }
}

#[test]
fn the_document_has_the_same_keys_always() {
    let nobody = format!("{NAME}=http://127.0.0.1:1");
    let stand = stand();
    let well = check_one(&named(NAME, &stand.registry), &[], &[]);
    for said in [well, check_one(&nobody, &[], &[])] {
        let keys = |value: &Value| {
            let object = value.as_object().unwrap();
            object.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(keys(&said.document), ["checked", "ok"]);
        assert_eq!(
            keys(&said.document["checked"][0]),
            ["name", "ok", "steps", "url"]
        );
        assert_eq!(said.document["checked"][0]["name"], NAME);
        for step in said.steps() {
            assert_eq!(keys(step), ["advice", "facts", "ms", "ok", "step", "text"]);
            assert_eq!(step["advice"].is_null(), step["ok"] == true, "{step}");
            assert!(step["ms"].is_u64() && step["text"].is_string(), "{step}");
        }
    }
}

#[test]
fn the_same_is_told_in_lines() {
    let stand = stand();
    let upstream = named(NAME, &stand.registry);
    let (code, stdout, stderr) = run(&["--upstream", &upstream, "check", "a/b:gone"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        stderr,
        "docxy: one step has failed; what to do is in its line\n"
    );
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], format!("{NAME} at {}", stand.registry.url()));
    assert!(lines[1].starts_with("  dns       ok "), "{stdout}");
    let last = lines.last().unwrap();
    assert!(last.starts_with("  manifest  FAILED "), "{stdout}");
    assert!(
        last.contains("a/b:gone: 404, \"manifest unknown\"; reg.test has no such thing"),
        "{stdout}"
    );
}

#[test]
fn bad_usage_is_2() {
    for args in [
        &["check", "A B"][..],
        &["check", "--via", "nonsense"],
        &["check", "--via-ca", "/x"],
        &["check", "a", "b"],
    ] {
        assert_eq!(run(args).0, Some(2), "{args:?}");
    }
}

#[test]
fn upstreams_are_asked_side_by_side_and_told_in_order() {
    let gate = Gate::new();
    let opens = gate.clone();
    let slow = Server::start(move |_| {
        gate.wait();
        Answer::ok("{}")
    });
    let quick = Server::start(move |_| {
        opens.open();
        Answer::ok("{}")
    });
    let (one, two) = (named("one.test", &slow), named("two.test", &quick));
    let said = check(&["--upstream", &one, "--upstream", &two, "check"]);
    let names = said.document["checked"].as_array().unwrap().iter();
    let names: Vec<&Value> = names.map(|checked| &checked["name"]).collect();
    assert_eq!(
        (said.code, names),
        (Some(0), vec![&"one.test".into(), &"two.test".into()])
    );
}

#[test]
fn nothing_is_bound_or_written() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let registry = Server::start(|_| Answer::ok("{}"));
    let docxy = start(&["--upstream", &named(NAME, &registry)]);
    let (listen, state_dir) = (format!("https://{}", docxy.addr()), state.to_str().unwrap());
    let flags = ["--listen", &listen, "--state-dir", state_dir];
    let said = check_one(&named(NAME, &registry), &flags, &[]);
    assert_eq!(said.code, Some(0), "{}", said.document);
    assert!(!Path::new(&state).exists());
}
