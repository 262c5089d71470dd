//! The seeds of the fuzz targets, tried with every `cargo test`.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use crate::{config, http, registry, server};

/// What a target in `fuzz/` calls; it panics if what must hold does not.
type Body = fn(&[u8]);

const TARGETS: [(&str, Body); 14] = [
    ("request_head", http::fuzzing::request_head),
    ("response_head", http::fuzzing::response_head),
    ("chunks", http::fuzzing::chunks),
    ("forwarded", http::fuzzing::forwarded),
    ("proxy_protocol", http::fuzzing::proxy_protocol),
    ("route", registry::fuzzing::route),
    ("token", registry::fuzzing::token),
    ("challenge", registry::fuzzing::challenge),
    ("redirect", registry::fuzzing::redirect),
    ("links", registry::fuzzing::links),
    ("range", registry::fuzzing::range),
    ("rewrite", registry::fuzzing::rewrite),
    ("configuration", config::fuzzing::configuration),
    ("proxy", server::fuzzing::proxy),
];

fn names_in(directory: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn seeds_hold() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (target, body) in TARGETS {
        let directory = seeds.join(target);
        let names = names_in(&directory);
        assert!(!names.is_empty(), "{target} has no seeds");
        for name in names {
            let data = fs::read(directory.join(&name)).unwrap();
            let held = panic::catch_unwind(AssertUnwindSafe(|| body(&data)));
            assert!(held.is_ok(), "{target}/{name}: {}", data.escape_ascii());
        }
    }
}

#[test]
fn all_targets_are_here() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let mut here: Vec<String> = TARGETS.map(|(name, _)| name.to_owned()).into();
    here.sort();
    assert_eq!(names_in(&fuzz.join("seeds")), here);
    let files = here
        .iter()
        .map(|name| format!("{name}.rs"))
        .collect::<Vec<_>>();
    assert_eq!(names_in(&fuzz.join("targets")), files);
}
