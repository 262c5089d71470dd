//! Slow and nasty clients. Each of a kind does the same again and again, until the crowd is dropped.

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::sleep;

const MANIFEST: &[u8] = b"GET /v2/a/manifests/latest HTTP/1.1\r\nHost: docxy.test\r\n\r\n";
const BLOB: &[u8] = b"GET /v2/blobs.test/a/blobs/sha256:feb5d9fea6a5e9606aa995e879d862b825965ba48de054caab5ef356dc6b3412 HTTP/1.1\r\n\
    Host: docxy.test\r\n\r\n";

/// A record of which a ClientHello begins and does not end.
const HALF_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// Where docxy is.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its plain listener.
    pub plain: SocketAddr,
    /// Its TLS listener.
    pub tls: SocketAddr,
}

/// Clients of one kind.
pub struct Kind {
    /// What they do.
    pub name: &'static str,
    /// How many do it.
    pub count: usize,
    act: Act,
}

#[derive(Clone, Copy)]
enum Act {
    Silence,
    SlowHead,
    SlowHandshake,
    SlowRead,
    HalfClosed,
    Reset,
    SingleBytes,
    Pipeline,
    Stall,
}

/// All kinds.
pub const KINDS: [Kind; 9] = [
    kind("silent", 1000, Act::Silence),
    kind("slow-heads", 1000, Act::SlowHead),
    kind("slow-handshakes", 1000, Act::SlowHandshake),
    kind("slow-reads", 500, Act::SlowRead),
    kind("half-closed", 500, Act::HalfClosed),
    kind("resets", 50, Act::Reset),
    kind("single-bytes", 50, Act::SingleBytes),
    kind("pipelines", 2, Act::Pipeline),
    kind("stalled-blobs", 2000, Act::Stall),
];

const fn kind(name: &'static str, count: usize, act: Act) -> Kind {
    Kind { name, count, act }
}

/// Clients that are at it.
pub struct Crowd {
    _end: oneshot::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Crowd {
    fn drop(&mut self) {
        (self._end, _) = oneshot::channel();
        self.thread.take().map(JoinHandle::join);
    }
}

impl Kind {
    /// Whether they keep a core of the machine busy, which the others lack whomever these are at.
    pub fn is_busy(&self) -> bool {
        matches!(self.act, Act::Reset | Act::SingleBytes | Act::Pipeline)
    }

    /// Lets them begin.
    pub fn start(&self, target: Target) -> Crowd {
        let (end, ended) = oneshot::channel::<()>();
        let (count, act) = (self.count, self.act);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                for _ in 0..count {
                    tokio::spawn(again_and_again(act, target));
                }
                let _ = ended.await;
            });
        });
        Crowd {
            _end: end,
            thread: Some(thread),
        }
    }
}

async fn again_and_again(act: Act, target: Target) {
    loop {
        // That docxy has ended it is what it should do.
        let _ = act.once(target).await;
        sleep(Duration::from_millis(100)).await;
    }
}

impl Act {
    async fn once(self, target: Target) -> io::Result<()> {
        match self {
            Act::Silence => wait_for_end(connect(target.plain).await?).await,
            Act::SlowHead => drip(connect(target.plain).await?, MANIFEST).await,
            Act::SlowHandshake => drip(connect(target.tls).await?, HALF_HELLO).await,
            Act::SlowRead => {
                let mut tcp = narrow(target.plain).await?;
                tcp.write_all(BLOB).await?;
                read_slowly(tcp).await
            }
            Act::HalfClosed => {
                let mut tcp = narrow(target.plain).await?;
                tcp.write_all(BLOB).await?;
                tcp.shutdown().await?;
                sleep(Duration::from_secs(3600)).await;
                Ok(())
            }
            Act::Reset => {
                let mut tcp = connect(target.plain).await?;
                tcp.write_all(BLOB).await?;
                tcp.read_exact(&mut [0; 4096]).await?;
                SockRef::from(&tcp).set_linger(Some(Duration::ZERO))
            }
            Act::SingleBytes => {
                let mut tcp = connect(target.plain).await?;
                for byte in MANIFEST {
                    tcp.write_all(&[*byte]).await?;
                    tokio::task::yield_now().await;
                }
                tcp.read_exact(&mut [0; 2048]).await.map(drop)
            }
            Act::Pipeline => pipeline(connect(target.plain).await?).await,
            Act::Stall => {
                let mut tcp = narrow(target.plain).await?;
                tcp.write_all(BLOB).await?;
                sleep(Duration::from_secs(3600)).await;
                drop(tcp);
                Ok(())
            }
        }
    }
}

async fn connect(docxy: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(docxy).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// A connection whose kernel takes little, so that docxy feels at once that nobody reads.
async fn narrow(docxy: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(16 * 1024)?;
    socket.set_nonblocking(true)?;
    tokio::net::TcpSocket::from_std_stream(socket.into())
        .connect(docxy)
        .await
}

async fn wait_for_end(mut tcp: TcpStream) -> io::Result<()> {
    tcp.read(&mut [0]).await.map(drop)
}

async fn drip(mut tcp: TcpStream, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes.iter().take(bytes.len() - 2) {
        tcp.write_all(&[*byte]).await?;
        sleep(Duration::from_millis(500)).await;
    }
    wait_for_end(tcp).await
}

async fn read_slowly(mut tcp: TcpStream) -> io::Result<()> {
    let mut piece = [0; 1024];
    while tcp.read(&mut piece).await? > 0 {
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// A thousand requests at once, and their answers.
async fn pipeline(tcp: TcpStream) -> io::Result<()> {
    let (mut answers, mut requests) = tcp.into_split();
    let sending = tokio::spawn(async move {
        let _ = requests.write_all(&MANIFEST.repeat(1000)).await;
        requests
    });
    let (mut piece, mut left) = (vec![0; 64 * 1024], 1000 * crate::origin::MANIFEST);
    while left > 0 {
        let count = answers.read(&mut piece).await?;
        if count == 0 {
            break;
        }
        left = left.saturating_sub(count);
    }
    drop(sending);
    Ok(())
}
