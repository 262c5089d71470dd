use core::net::IpAddr;

use bytes::Bytes;

use super::super::forwarded::{Forwarded, ForwardedError, read};
use super::super::head::RequestHead;
use super::super::uri::Authority;

/// Field lines of a request that came from a trusted proxy: what a client has put in front of what that proxy wrote
/// changes nothing.
pub fn forwarded(data: &[u8]) {
    let Some(said) = said(data) else { return };
    let Ok(known) = said else { return };
    if let Some(host) = &known.host {
        assert_eq!(
            Authority::parse(host.to_string().as_bytes()).as_ref(),
            Ok(host)
        );
    }
    let Some(client) = known.client else { return };
    assert_eq!(client, client.to_canonical());
    if is_trusted(client) {
        return;
    }
    let claims = claims(data);
    let said = self::said(&[claims.as_bytes(), data].concat());
    // With more fields than a head may have there is nothing to compare.
    if let Some(said) = said {
        assert_eq!(said, Ok(known), "after {claims:?}");
    }
}

/// What a client could write to be taken for another, in the fields that the proxies in front use.
fn claims(data: &[u8]) -> String {
    let head = head(data).expect("it has been parsed before");
    let mut claims = String::new();
    if head.fields.elements("x-forwarded-for").next().is_some() {
        claims.push_str("X-Forwarded-For: 198.51.100.66\r\n");
    }
    if head.fields.elements("x-forwarded-proto").next().is_some() {
        claims.push_str("X-Forwarded-Proto: ftp\r\n");
    }
    if head.fields.elements("x-forwarded-host").next().is_some() {
        claims.push_str("X-Forwarded-Host: e/vil\r\n");
    }
    if head
        .fields
        .all("forwarded")
        .any(|line| line.contains(&b'='))
    {
        claims.push_str("Forwarded: for=198.51.100.66;proto=ftp;host=\"e/vil\"\r\n");
    }
    claims
}

fn said(lines: &[u8]) -> Option<Result<Forwarded, ForwardedError>> {
    Some(read(&head(lines)?.fields, is_trusted))
}

fn head(lines: &[u8]) -> Option<RequestHead> {
    let head = [b"GET / HTTP/1.1\r\n", lines, b"\r\n"].concat();
    RequestHead::parse(Bytes::from(head)).ok()
}

fn is_trusted(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] == 10,
        IpAddr::V6(v6) => v6.segments()[0] == 0xfd00,
    }
}
