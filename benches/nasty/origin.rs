//! A registry in memory: manifests, and blobs that do not end within any measurement.

use std::io;
use std::net::SocketAddr;
use std::thread;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;

/// A manifest's bytes.
pub const MANIFEST: usize = 2048;

/// A blob's.
const BLOB: u64 = 1 << 40;

/// Serves on a free port of loopback, from a thread that ends with the process.
pub fn start() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // What it can send ahead is no cost of docxy's.
    let sent_ahead = SockRef::from(&listener).set_send_buffer_size(64 * 1024);
    sent_ahead.unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp));
            }
        });
    });
    address
}

async fn serve(mut tcp: TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let manifest = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {MANIFEST}\r\n\r\n{}",
        "m".repeat(MANIFEST)
    );
    let mut head = Vec::new();
    loop {
        if tcp.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
        if head.ends_with(b"\r\n\r\n") {
            if head.windows(7).any(|part| part == b"/blobs/") {
                return send_blob(&mut tcp).await;
            }
            tcp.write_all(manifest.as_bytes()).await?;
            head.clear();
        }
    }
}

async fn send_blob(tcp: &mut TcpStream) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BLOB}\r\n\r\n");
    tcp.write_all(head.as_bytes()).await?;
    let zeros = vec![0; 64 * 1024];
    loop {
        tcp.write_all(&zeros).await?;
        tokio::task::yield_now().await;
    }
}
