//! The same requests through nginx and HAProxy, plain and as their packages set them up: where docxy forwards what one of
//! them does not, the table says why.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::case::Request;
use crate::programs::{Running, begin};
use crate::stand::{Way, report, send, side_by_side, tag, tagged};
use crate::wire::{Client, Head};

/// An origin that takes whatever comes: one head on each connection, kept as it is.
struct Origin {
    addr: SocketAddr,
    heads: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Origin {
    fn start() -> Origin {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&heads);
        std::thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                let record = Arc::clone(&record);
                std::thread::spawn(move || serve(tcp, &record));
            }
        });
        Origin { addr, heads }
    }

    fn has_seen(&self, tag: &str) -> bool {
        let is_there = |head: &Vec<u8>| head.windows(tag.len()).any(|four| four == tag.as_bytes());
        self.heads.lock().unwrap().iter().any(is_there)
    }
}

fn serve(mut tcp: TcpStream, heads: &Mutex<Vec<Vec<u8>>>) {
    let (mut head, mut buffer) = (Vec::new(), [0; 64 * 1024]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match tcp.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => head.extend_from_slice(&buffer[..count]),
        }
    }
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n";
    let body = if head.starts_with(b"HEAD ") { "" } else { "x" };
    heads.lock().unwrap().push(head);
    let _ = tcp.write_all(format!("{answer}{body}").as_bytes());
    // A body that still comes must not make the kernel reset the answer away.
    while tcp.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

/// A reverse proxy that somebody else has written.
struct Peer {
    name: &'static str,
    addr: SocketAddr,
    origin: Origin,
    _running: Running,
}

impl Peer {
    /// A program with this configuration, in which `LISTEN`, `ORIGIN` and `DIRECTORY` are replaced.
    fn start(dir: &Path, name: &'static str, args: &[&str], config: &str) -> Peer {
        let origin = Origin::start();
        // Free a moment ago; neither program can choose one itself and say which.
        let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .unwrap();
        let config = config
            .replace("LISTEN", &addr.to_string())
            .replace("ORIGIN", &origin.addr.to_string())
            .replace("DIRECTORY", dir.to_str().unwrap());
        let file = dir.join(name);
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(name);
        let mut running = Running::start(dir, name, command.args(args).arg(file));
        let is_up = running.wait_until(|_| TcpStream::connect(addr).is_ok());
        assert!(is_up, "{name} does not start:\n{}", running.log());
        Peer {
            name,
            addr,
            origin,
            _running: running,
        }
    }

    fn nginx(dir: &Path) -> Peer {
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path DIRECTORY/{kind};\n"))
            .concat();
        let config = format!(
            "user root;\ndaemon off;\npid DIRECTORY/nginx.pid;\nerror_log stderr;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}server {{\nlisten LISTEN;\n\
             location / {{\nproxy_pass http://ORIGIN;\nproxy_http_version 1.1;\n}}\n}}\n}}\n"
        );
        Peer::start(dir, "nginx", &["-e", "stderr", "-c"], &config)
    }

    fn haproxy(dir: &Path) -> Peer {
        let config = "defaults\nmode http\ntimeout connect 5s\ntimeout client 20s\ntimeout server 20s\n\
                      listen front\nbind LISTEN\nserver origin ORIGIN\n";
        Peer::start(dir, "haproxy", &["-db", "-f"], config)
    }

    /// Whether it forwards what docxy forwards, as far as its first answer shows.
    fn forwards(&self, tag: &str, row: &Request) -> bool {
        let mut wire = Client::connect(self.addr).into_wire();
        send(&mut wire, &tagged(&row.bytes, tag), Way::Whole);
        while wire
            .head()
            .is_ok_and(|raw| Head::parse(&raw).status() < 200)
        {}
        self.origin.has_seen(tag)
    }
}

#[test]
fn where_docxy_is_laxer_the_table_says_why() {
    let Some(_turn) = begin(&["nginx", "haproxy"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let peers = [Peer::nginx(dir.path()), Peer::haproxy(dir.path())];
    let rows: Vec<Request> = crate::requests::all()
        .into_iter()
        .filter(|row| !row.forwarded.is_empty())
        .collect();
    assert!(rows.len() > 100, "{} rows to compare", rows.len());
    let wrong = Mutex::new(Vec::new());
    side_by_side(
        &rows,
        |row| row.name.to_owned(),
        |number, row| {
            let stricter: Vec<_> = peers
                .iter()
                .filter(|peer| !peer.forwards(&tag(number), row))
                .map(|peer| peer.name)
                .collect();
            let shown = row.bytes[..row.bytes.len().min(120)].escape_ascii();
            match (stricter.is_empty(), row.laxer) {
                (false, None) => wrong
                    .lock()
                    .unwrap()
                    .push(format!("{}: {stricter:?} refuse {shown}", row.name)),
                (true, Some(why)) => wrong
                    .lock()
                    .unwrap()
                    .push(format!("{}: nobody is stricter: {why}", row.name)),
                _ => {}
            }
            Ok(())
        },
    );
    report(&wrong.into_inner().unwrap(), rows.len());
}
