//! What a client or an upstream may send, as two tables: bytes, and what has to become of them on both sides of docxy.
//! Their rows are of RFC 9112 and RFC 9110, and of the classes of bugs that proxies have had.
//!
//! Each row is run in one piece, byte by byte, and with TLS on both sides.
#![allow(clippy::unwrap_used, unreachable_pub)]

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../support/docxy.rs"]
mod docxy;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../e2e/programs.rs"]
mod programs;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../support/wire/mod.rs"]
mod wire;

mod answers;
mod answers_run;
mod case;
mod peers;
mod requests;
mod requests_run;
mod seeds;
mod stand;

use stand::Way;

#[test]
fn requests_in_one_piece() {
    requests_run::run(Way::Whole);
}

#[test]
fn requests_byte_by_byte() {
    requests_run::run(Way::Bytewise);
}

#[test]
fn requests_under_tls() {
    requests_run::run(Way::Tls);
}

#[test]
fn answers_in_one_piece() {
    answers_run::run(Way::Whole);
}

#[test]
fn answers_byte_by_byte() {
    answers_run::run(Way::Bytewise);
}

#[test]
fn answers_under_tls() {
    answers_run::run(Way::Tls);
}

#[test]
fn no_two_rows_of_a_table_have_the_same_bytes() {
    for table in [
        requests::all()
            .into_iter()
            .map(|row| row.bytes)
            .collect::<Vec<_>>(),
        answers::all()
            .into_iter()
            .map(|row| {
                [
                    format!("{:?}{:?}", row.then, row.asked).into_bytes(),
                    row.bytes,
                ]
                .concat()
            })
            .collect(),
    ] {
        let mut distinct = table.clone();
        distinct.sort();
        distinct.dedup();
        let again = |row: &&Vec<u8>| table.iter().filter(|other| other == row).count() > 1;
        assert_eq!(
            distinct.len(),
            table.len(),
            "{:?}",
            table
                .iter()
                .find(again)
                .map(|row| row.escape_ascii().to_string())
        );
    }
}
