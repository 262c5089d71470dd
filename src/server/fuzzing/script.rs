//! Peers that do what a script says: bytes, pauses and ends, in an order of the fuzzer's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::conn::memory::Memory;

/// Bytes that are no bytes of a script but what it does. Those of messages that cannot stand in a script this way are
/// refused in any head, so little is lost.
const PAUSE: u8 = 0x1f;
const AWAIT: u8 = 0x1d;
const END: u8 = 0x1c;
const STAY: u8 = 0x1b;
const MARK: u8 = 0x1a;
const RESET: u8 = 0x19;

/// What every mark begins with; an input that holds it itself is not tried.
pub(super) const MARK_START: &[u8] = b"zq";

/// A mark: what it begins with, whose it is, the script and the place in it.
pub(super) const MARK_LENGTH: usize = 8;

/// How long a script waits for its peer. Longer than docxy waits for anything.
const PATIENCE: Duration = Duration::from_secs(100);

/// How long a pause takes: all that is under way comes to rest meanwhile.
const SHORT: Duration = Duration::from_millis(1);

/// One of the two kinds of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Upstream,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    /// Lets all else come to rest.
    Pause,
    /// Waits for a request, or for more of the answers.
    Await,
    /// Sends nothing more.
    End,
    /// Does not close.
    Stay,
    /// Breaks the connection behind what has been sent.
    Reset,
}

/// What is left of a connection when its script has come to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// All of it: docxy may go on.
    #[default]
    Open,
    /// Nothing, and in order.
    Closed,
    /// Nothing, and it broke.
    Reset,
}

/// What a peer does.
#[derive(Clone, Debug)]
pub(super) struct Script {
    role: Role,
    steps: Vec<Step>,
    /// All the bytes that it sends.
    pub(super) bytes: Vec<u8>,
}

impl Script {
    /// Reads a script; its marks have its number, below 10, in them.
    pub(super) fn read(role: Role, number: usize, text: &[u8]) -> Script {
        let mut script = Script {
            role,
            steps: Vec::new(),
            bytes: Vec::new(),
        };
        // An upstream that speaks first has to begin with a pause.
        if role == Role::Upstream && text.first() != Some(&PAUSE) {
            script.steps.push(Step::Await);
        }
        let (mut sent, mut marks) = (Vec::new(), 0);
        for &byte in text {
            let step = match byte {
                MARK => {
                    let letter = if role == Role::Client { 'c' } else { 'u' };
                    sent.extend_from_slice(
                        format!("zq{letter}{number}{:03}q", marks % 1000).as_bytes(),
                    );
                    marks += 1;
                    continue;
                }
                PAUSE => Step::Pause,
                AWAIT => Step::Await,
                END => Step::End,
                STAY => Step::Stay,
                RESET => Step::Reset,
                byte => {
                    sent.push(byte);
                    continue;
                }
            };
            script.send(&mut sent);
            script.steps.push(step);
        }
        script.send(&mut sent);
        script
    }

    fn send(&mut self, bytes: &mut Vec<u8>) {
        if !bytes.is_empty() {
            self.bytes.extend_from_slice(bytes);
            self.steps.push(Step::Send(core::mem::take(bytes)));
        }
    }
}

/// What went over a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// What came from docxy.
    pub(super) received: Vec<u8>,
    /// How many bytes the script has sent.
    pub(super) sent: usize,
    /// As many of them had been sent when all was last at rest.
    settled: usize,
    /// Each time that something came: how much there was then, and what had been sent and had settled before.
    pub(super) arrivals: Vec<Arrival>,
    /// How the script has ended.
    pub(super) end: End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) received: usize,
    pub(super) sent: usize,
    pub(super) settled: usize,
}

/// A record that a peer writes and others read.
pub(super) type Shared = Arc<Mutex<Record>>;

pub(super) fn with<T>(record: &Shared, act: impl FnOnce(&mut Record) -> T) -> T {
    act(&mut record.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Plays a script on a connection until both sides are done.
pub(super) async fn play(script: Script, connection: Memory, record: Shared) {
    let reset = connection.breaker();
    let (reader, writer) = split(connection);
    let (progress, seen) = watch::channel(0);
    let listening = tokio::spawn(listen(reader, Arc::clone(&record), progress));
    let end = speak(&script, writer, &record, seen).await;
    if end == End::Open || (end == End::Closed && script.role == Role::Client) {
        // Whatever docxy still says is heard.
        let _ = timeout(PATIENCE * 3, listening).await;
        return;
    }
    with(&record, |record| record.end = end);
    if end == End::Reset {
        reset();
    }
    listening.abort();
    let _ = listening.await;
}

async fn listen(mut reader: ReadHalf<Memory>, record: Shared, progress: watch::Sender<usize>) {
    let mut buffer = [0; 4096];
    while let Ok(count) = reader.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let heads = with(&record, |record| {
            record.received.extend_from_slice(&buffer[..count]);
            record.arrivals.push(Arrival {
                received: record.received.len(),
                sent: record.sent,
                settled: record.settled,
            });
            memmem::find_iter(&record.received, b"\r\n\r\n").count()
        });
        progress.send_replace(heads);
    }
}

/// Says what the script says, and how it ends. The connection is left to whoever listens.
async fn speak(
    script: &Script,
    mut writer: WriteHalf<Memory>,
    record: &Shared,
    mut seen: watch::Receiver<usize>,
) -> End {
    let mut awaited = 0;
    for step in &script.steps {
        match step {
            Step::Send(bytes) => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let written = timeout(PATIENCE, writer.write(rest)).await;
                    // A peer that does not read any more is not written to.
                    let Ok(Ok(count)) = written else {
                        return End::Closed;
                    };
                    with(record, |record| record.sent += count);
                    rest = &rest[count..];
                }
            }
            Step::Pause => {
                sleep(SHORT).await;
                with(record, |record| record.settled = record.sent);
            }
            Step::Await => {
                awaited += 1;
                let enough = seen.wait_for(|&heads| heads >= awaited);
                let _ = timeout(PATIENCE, enough).await;
            }
            Step::End => {
                let _ = writer.shutdown().await;
            }
            Step::Stay => return End::Open,
            Step::Reset => return End::Reset,
        }
    }
    End::Closed
}
