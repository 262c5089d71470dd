//! What testssl.sh finds wrong with a listener: nothing but what is named here.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::SystemTime;

use serde_json::Value;

use super::certificates::Authority;
use super::docxy::Docxy;
use super::programs::{begin, run};

/// What is no fault of docxy's, and why.
const EXPECTED: [(&str, &str); 4] = [
    (
        "cert_chain_of_trust",
        "the tests' own authority is in no trust store",
    ),
    (
        "cert_revocation",
        "nor has it anything to ask about revocation",
    ),
    (
        "engine_problem",
        "of the OpenSSL that testssl.sh runs: it has no GOST",
    ),
    (
        "sessionresumption_ticket",
        "its client often leaves before the ticket of TLS 1.3 has come, and then comes back with none",
    ),
];

/// What has to have been looked at and found good.
const GOOD: [&str; 21] = [
    "SSLv2",
    "SSLv3",
    "TLS1_2",
    "TLS1_3",
    "cipherlist_NULL",
    "cipherlist_aNULL",
    "cipherlist_EXPORT",
    "cipherlist_LOW",
    "cipherlist_STRONG",
    "PFS",
    "cipher_order",
    "heartbleed",
    "CCS",
    "ticketbleed",
    "ROBOT",
    "secure_renego",
    "CRIME_TLS",
    "POODLE_SSL",
    "SWEET32",
    "LUCKY13",
    "RC4",
];

/// What must not be there.
const NOT_OFFERED: [&str; 4] = [
    "TLS1",
    "TLS1_1",
    "cipherlist_3DES_IDEA",
    "cipherlist_AVERAGE",
];

/// A year from this month on: longer ones are a finding, and so is one that ends soon.
fn this_year() -> [(i32, u8); 2] {
    let now = humantime::format_rfc3339(SystemTime::now()).to_string();
    let (year, month) = (now[..4].parse().unwrap(), now[5..7].parse().unwrap());
    [(year, month), (year + 1, month)]
}

#[test]
fn testssl_finds_nothing_above_low() {
    let Some(_turn) = begin(&["testssl"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let [(from, from_month), (until, until_month)] = this_year();
    let leaf = Authority::new(dir.path(), "ca").issue_with(dir.path(), "docxy", |params| {
        params.not_before = rcgen::date_time_ymd(from, from_month, 1);
        params.not_after = rcgen::date_time_ymd(until, until_month, 1);
    });
    let [cert, key] = [&leaf.cert, &leaf.key].map(|path| path.to_str().unwrap());
    let docxy = Docxy::start(&[
        "--listen",
        "https://127.0.0.1:0",
        "--tls-cert",
        cert,
        "--tls-key",
        key,
        "--log",
        "error",
    ]);
    let report = dir.path().join("report.json");
    let said = run(Command::new("testssl")
        .args([
            "--quiet",
            "--color",
            "0",
            "--warnings",
            "off",
            "--ip",
            "one",
        ])
        // Protocols, forward secrecy, standard ciphers, preferences, the certificate, vulnerabilities.
        .args(["-p", "-f", "-s", "-P", "-S", "-U", "--jsonfile"])
        .arg(&report)
        .arg(docxy.addr().to_string()));
    let findings = read(&report, &said);
    let worse = findings.iter().filter(|(id, (severity, _))| {
        !matches!(severity.as_str(), "OK" | "INFO" | "LOW")
            && !EXPECTED.iter().any(|(expected, _)| id == expected)
    });
    let worse: Vec<_> = worse.collect();
    assert!(worse.is_empty(), "{worse:#?}");
    for id in GOOD {
        let finding = findings.get(id).map(|(severity, _)| severity.as_str());
        assert_eq!(finding, Some("OK"), "{id}: {findings:#?}");
    }
    for id in NOT_OFFERED {
        let finding = findings.get(id).map(|(_, finding)| finding.as_str());
        assert_eq!(finding, Some("not offered"), "{id}: {findings:#?}");
    }
    let log = docxy.log();
    assert!(!log.iter().any(|line| line.contains("panicked")), "{log:?}");
}

/// Severity and text of each finding by its id.
fn read(
    report: &std::path::Path,
    said: &Result<String, String>,
) -> BTreeMap<String, (String, String)> {
    let text = std::fs::read_to_string(report).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let list: Vec<Value> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    list.iter()
        .map(|finding| {
            (
                text(finding, "id"),
                (text(finding, "severity"), text(finding, "finding")),
            )
        })
        .collect()
}
