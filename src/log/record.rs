//! One line of the access log.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

/// What stands in text for what there is not.
const NOTHING: &str = "-";

/// What the access log says of a request, in this order.
#[derive(Debug)]
pub struct Record<'a> {
    /// Who asked.
    pub client: IpAddr,
    /// The method; `-` where there was none.
    pub method: &'a str,
    /// The path without its query; `-` where there was none.
    pub path: &'a str,
    /// The status that the client got.
    pub status: u16,
    /// Bytes of the body that have passed.
    pub bytes: u64,
    /// From the whole request head to the last byte of the answer.
    pub duration: Duration,
    /// The name of the upstream; `-` where none was asked.
    pub upstream: &'a str,
    /// The status of its last answer.
    pub upstream_status: Option<u16>,
    /// Whether the connection to it had been used before.
    pub reused: bool,
    /// How often the request was sent again.
    pub retries: u32,
    /// Redirects followed.
    pub hops: usize,
    /// How often a body went on after it had broken off.
    pub resumes: u32,
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "client={} method={} target={}",
            self.client,
            Value(self.method),
            Value(self.path)
        )?;
        write!(
            f,
            " status={} bytes={} duration_ms={}",
            self.status,
            self.bytes,
            self.duration.as_millis()
        )?;
        write!(f, " upstream={} upstream_status=", Value(self.upstream))?;
        match self.upstream_status {
            Some(status) => write!(f, "{status}")?,
            None => f.write_str(NOTHING)?,
        }
        write!(
            f,
            " reused={} retries={} hops={} resumes={}",
            self.reused, self.retries, self.hops, self.resumes
        )
    }
}

/// Text of a request: what could be taken for another field or another line is quoted.
struct Value<'a>(&'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = !self.0.is_empty()
            && self
                .0
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'='));
        if plain {
            f.write_str(self.0)
        } else {
            write!(f, "{:?}", self.0)
        }
    }
}

/// A record in JSON: the names are those of the text, and what there is not is null.
#[derive(Serialize)]
pub(super) struct Fields<'a> {
    time: &'a str,
    client: IpAddr,
    method: Option<&'a str>,
    target: Option<&'a str>,
    status: u16,
    bytes: u64,
    duration_ms: u128,
    upstream: Option<&'a str>,
    upstream_status: Option<u16>,
    reused: bool,
    retries: u32,
    hops: usize,
    resumes: u32,
}

impl<'a> Fields<'a> {
    pub(super) fn of(record: &Record<'a>, time: &'a str) -> Fields<'a> {
        let some = |text: &'a str| (text != NOTHING).then_some(text);
        Fields {
            time,
            client: record.client,
            method: some(record.method),
            target: some(record.path),
            status: record.status,
            bytes: record.bytes,
            duration_ms: record.duration.as_millis(),
            upstream: some(record.upstream),
            upstream_status: record.upstream_status,
            reused: record.reused,
            retries: record.retries,
            hops: record.hops,
            resumes: record.resumes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record<'static> {
        Record {
            client: "192.0.2.7".parse().unwrap(),
            method: "GET",
            path: "/v2/library/alpine/manifests/latest",
            status: 200,
            bytes: 528,
            duration: Duration::from_millis(12),
            upstream: "docker.io",
            upstream_status: Some(200),
            reused: true,
            retries: 0,
            hops: 1,
            resumes: 0,
        }
    }

    #[test]
    fn a_record_has_its_fields_in_order() {
        let mut record = record();
        assert_eq!(
            record.to_string(),
            "client=192.0.2.7 method=GET target=/v2/library/alpine/manifests/latest status=200 bytes=528 duration_ms=12 \
             upstream=docker.io upstream_status=200 reused=true retries=0 hops=1 resumes=0"
        );
        record.upstream_status = None;
        record.path = "/a b\n\"status=1";
        assert_eq!(
            record.to_string(),
            "client=192.0.2.7 method=GET target=\"/a b\\n\\\"status=1\" status=200 bytes=528 duration_ms=12 \
             upstream=docker.io upstream_status=- reused=true retries=0 hops=1 resumes=0"
        );
    }

    #[test]
    fn in_json_it_has_the_same_ones() {
        let json = |record: &Record<'_>| serde_json::to_string(&Fields::of(record, "now")).unwrap();
        assert_eq!(
            json(&record()),
            "{\"time\":\"now\",\"client\":\"192.0.2.7\",\"method\":\"GET\",\"target\":\"/v2/library/alpine/manifests/latest\",\
             \"status\":200,\"bytes\":528,\"duration_ms\":12,\"upstream\":\"docker.io\",\"upstream_status\":200,\
             \"reused\":true,\"retries\":0,\"hops\":1,\"resumes\":0}"
        );
        let refused = Record {
            method: "-",
            path: "-",
            upstream: "-",
            upstream_status: None,
            ..record()
        };
        let nulls = json(&refused).matches("null").count();
        assert_eq!(nulls, 4, "{}", json(&refused));
        let odd: String = (0..=0x2029).filter_map(char::from_u32).collect();
        let written = json(&Record {
            path: &odd,
            ..record()
        });
        assert!(!written.contains(['\n', '\r', '\0', '\u{1b}']));
        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["target"], odd);
    }
}
