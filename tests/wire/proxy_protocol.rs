//! The PROXY protocol on listeners that are marked for it: required there, before TLS, and unknown everywhere else.

use std::net::TcpStream;

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, named, refused, start};
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Closing, Server};

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

/// From 192.0.2.2, with an extension behind the addresses.
fn v2_inet() -> Vec<u8> {
    v2(
        0x21,
        0x11,
        &[
            192, 0, 2, 2, 198, 51, 100, 1, 0x12, 0x67, 1, 0xbb, 0x04, 0, 1, 0,
        ],
    )
}

/// docxy with one marked plain listener.
fn marked(args: &[&str]) -> Docxy {
    let upstream = ["--upstream", "reg.test=http://127.0.0.1:9"];
    let listen = ["--listen", "proxy+http://127.0.0.1:0"];
    Docxy::start(&[&listen, &upstream, args].concat())
}

#[test]
fn a_header_says_who_asks() {
    let docxy = marked(&[]);
    assert!(
        docxy
            .wait_for_line("listening on ")
            .contains("proxy+http://127.0.0.1:")
    );
    let headers: [(Vec<u8>, &str); 7] = [
        (V1.to_vec(), "192.0.2.1"),
        (
            b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec(),
            "2001:db8::1",
        ),
        (v2_inet(), "192.0.2.2"),
        // These name nobody, and the connection stays the balancer's.
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(0x20, 0x00, &[]), "127.0.0.1"),
        (v2(0x21, 0x00, &[1, 0, 1, 0]), "127.0.0.1"),
        (v2(0x21, 0x31, &[b'/'; 216]), "127.0.0.1"),
    ];
    let mut lines = 0;
    for (header, client) in headers {
        let request = Ask::get("/health").bytes();
        // Together with a request, alone, and byte by byte.
        for way in 0..3 {
            let mut balancer = Client::connect(docxy.addr());
            match way {
                0 => balancer.send([&header[..], &request].concat()),
                1 => {
                    balancer.send(&header);
                    balancer.send(&request);
                }
                _ => balancer.send_bytewise(&[&header[..], &request].concat()),
            }
            assert_eq!(balancer.receive("GET").status(), 200);
            // Nothing of the connection is lost behind the first request.
            assert_eq!(balancer.ask(&Ask::get("/ready")).status(), 200);
            lines += 2;
            let line = docxy.wait_for_lines(" client=", lines).pop().unwrap();
            assert!(line.contains(&format!(" client={client} ")), "{line}");
        }
    }
}

#[test]
fn the_header_comes_before_tls() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let (cert, key) = identity.write(directory.path());
    let registry = Server::start(|_| Answer::ok("manifest"));
    let upstream = named("reg.test", &registry);
    let docxy = Docxy::start(&[
        "--listen",
        "proxy+https://127.0.0.1:0",
        "--upstream",
        &upstream,
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ]);
    for (header, client) in [(V1.to_vec(), "192.0.2.1"), (v2_inet(), "192.0.2.2")] {
        let mut tcp = TcpStream::connect(docxy.addr()).unwrap();
        std::io::Write::write_all(&mut tcp, &header).unwrap();
        let mut balancer = Client::over_tls(tcp, identity.client(&[]));
        assert_eq!(
            balancer.ask(&Ask::get(MANIFEST)).complete().text(),
            "manifest"
        );
        docxy.wait_for_line(&format!(" client={client} "));
    }
}

#[test]
fn without_a_valid_header_the_connection_is_closed() {
    let docxy = marked(&[]);
    let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
    let cases = [
        Ask::get("/health").bytes(),
        b"PROXY TCP4 192.0.2.1 198.51.100.1 4711\r\n".to_vec(),
        long,
        v2(0x22, 0x11, &[]),
        v2(0x21, 0x11, &[0; 5000]),
        crate::tls_listener::CLIENT_HELLO.to_vec(),
    ];
    for (at, bytes) in cases.iter().enumerate() {
        let mut client = Client::connect(docxy.addr());
        client.send(bytes);
        let (answer, closing) = client.drain();
        assert!(
            answer.is_empty() && closing != Closing::Silence,
            "{bytes:?}"
        );
        let line = docxy.wait_for_lines("PROXY header", at + 1).pop().unwrap();
        assert!(
            line.contains("a connection from 127.0.0.1 is closed: "),
            "{line}"
        );
    }
    // A balancer that only looks whether the port is open is nothing to speak of.
    drop(TcpStream::connect(docxy.addr()).unwrap());
    assert!(docxy.log().iter().all(|line| !line.contains(" client=")));
}

/// Of eight connections two may be in the middle of a head.
#[test]
fn connections_that_say_nothing_push_out_nobody() {
    let docxy = marked(&["--max-connections", "8", "--workers", "1"]);
    let request = Ask::get("/health").bytes();
    let (first, rest) = request.split_at(10);
    let mut early = Client::connect(docxy.addr());
    // In one write with a whole request, so that its answer says that docxy has read the part as well.
    early.send([V1, &request, first].concat());
    assert_eq!(early.receive("GET").complete().status(), 200);
    let silent = [&b""[..], b"", V1, V1].map(|header| {
        let mut client = Client::connect(docxy.addr());
        client.send(header);
        (client, header.is_empty())
    });
    // Accepted after them, and answered.
    let mut other = Client::connect(docxy.addr());
    other.send([V1, &request].concat());
    assert_eq!(other.receive("GET").complete().status(), 200);
    early.send(rest);
    assert_eq!(early.receive("GET").complete().status(), 200);
    for (mut client, lacks_header) in silent {
        let header = if lacks_header { V1 } else { b"" };
        client.send([header, &request].concat());
        assert_eq!(client.receive("GET").complete().status(), 200);
    }
}

#[test]
fn a_list_of_trusted_proxies_says_who_may_send_headers() {
    let docxy = marked(&["--trusted-proxy", "127.0.0.2"]);
    let mut client = Client::connect(docxy.addr());
    client.send([V1, &Ask::get("/health").bytes()].concat());
    assert!(client.drain().0.is_empty());
    assert!(
        docxy
            .wait_for_line("is refused")
            .contains("--trusted-proxy")
    );

    let docxy = marked(&[
        "--trusted-proxy",
        "127.0.0.1",
        "--allow-client",
        "192.0.2.1",
    ]);
    for (header, status) in [(V1.to_vec(), 200), (v2_inet(), 403)] {
        let mut client = Client::connect(docxy.addr());
        client.send([&header[..], &Ask::get("/health").bytes()].concat());
        assert_eq!(client.receive("GET").status(), status);
    }
}

/// Behind a header the client speaks, and it is believed as little as any other.
#[test]
fn fields_count_by_the_address_in_the_header() {
    let docxy = marked(&[
        "--trusted-proxy",
        "127.0.0.1",
        "--trusted-proxy",
        "192.0.2.2",
    ]);
    let request = Ask::get("/health")
        .field("X-Forwarded-For", "203.0.113.7")
        .bytes();
    for (header, client) in [(V1.to_vec(), "192.0.2.1"), (v2_inet(), "203.0.113.7")] {
        let mut balancer = Client::connect(docxy.addr());
        balancer.send([&header[..], &request].concat());
        assert_eq!(balancer.receive("GET").status(), 200);
        docxy.wait_for_line(&format!(" client={client} "));
    }
}

/// Of whom the balancer says nothing, the trust in it says nothing either.
#[test]
fn fields_of_a_client_without_a_name_do_not_count() {
    let docxy = marked(&["--trusted-proxy", "127.0.0.1"]);
    let forged = Ask::get("/health")
        .field("X-Forwarded-For", "203.0.113.7")
        .field("Forwarded", "for=_hidden");
    let headers = [
        b"PROXY UNKNOWN\r\n".to_vec(),
        v2(0x20, 0x00, &[]),
        v2(0x21, 0x00, &[]),
        v2(0x21, 0x31, &[0; 216]),
    ];
    for (at, header) in headers.iter().enumerate() {
        let mut balancer = Client::connect(docxy.addr());
        balancer.send([&header[..], &forged.bytes()].concat());
        assert_eq!(balancer.receive("GET").status(), 200);
        let line = docxy.wait_for_lines(" client=", at + 1).pop().unwrap();
        assert!(line.contains(" client=127.0.0.1 "), "{line}");
    }
}

#[test]
fn other_listeners_know_no_header() {
    let docxy = start(&[
        "--upstream",
        "reg.test=http://127.0.0.1:9",
        "--trusted-proxy",
        "127.0.0.1",
    ]);
    // The first line of one has no version of HTTP at its end; the other begins with an empty line, and then another.
    for header in [V1, &v2_inet()] {
        let response = refused(&docxy, &[header, &Ask::get("/health").bytes()].concat());
        assert_eq!(response.status(), 400);
    }
}
