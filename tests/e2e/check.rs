//! `docxy check` of the reference registry, with tokens and a CDN: from docxy's side, and through a docxy that runs.

use std::process::Command;

use serde_json::Value;

use super::door::two_doors;
use super::origin::{Kind, NAME, Origin};
use super::programs::begin;
use super::store::large;

/// The document of `docxy ARGS`, which has to find that all is well, and the names of its steps.
fn well(args: &[String]) -> (Value, Vec<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    let output = command.args(args).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{document:#}");
    let steps = document["checked"][0]["steps"].as_array().unwrap();
    let names = steps
        .iter()
        .map(|step| step["step"].as_str().unwrap().to_owned());
    let names = names.collect();
    (document, names)
}

#[test]
fn an_image_is_well_from_both_sides() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo"]) else {
        return;
    };
    let origin = Origin::start(Kind::World);
    let image = format!("{NAME}/lib/multi");
    let after = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    let flags = origin.docxy_args();
    let own = [flags.clone(), after(&["check", "--json", &image])].concat();
    let (document, names) = well(&own);
    let begins = [
        "dns", "connect", "tls", "v2", "token", "manifest", "platform", "image", "config",
    ];
    assert_eq!(names[..begins.len()], begins, "{document:#}");
    let steps = document["checked"][0]["steps"].as_array().unwrap();
    let fact = |name: &str, key: &str| {
        let step = steps.iter().find(|step| step["step"] == name).unwrap();
        step["facts"][key].clone()
    };
    assert_eq!(fact("manifest", "digest"), large().image.digest);
    assert_eq!(fact("config", "digest"), large().image.here.config);
    let from = format!("{}/", fact("layer", "from").as_str().unwrap());
    assert_eq!(from, origin.cdn.as_ref().unwrap().base_url());
    let layers = names.iter().filter(|name| *name == "layer").count();
    assert_eq!(layers, large().image.here.diff_ids.len());
    let doors = two_doors(&flags);
    let root = doors.tls.ca.as_ref().unwrap().join("ca.crt");
    let via = [
        "check",
        "--json",
        "--via-ca",
        root.to_str().unwrap(),
        "--via",
    ];
    let url = doors.tls.url();
    let (document, names) = well(&after(&[&via[..], &[&url, &image]].concat()));
    let begins = [
        "dns",
        "connect",
        "tls",
        "ready",
        "v2",
        "challenge",
        "token",
        "manifest",
    ];
    assert_eq!(names[..begins.len()], begins, "{document:#}");
}
