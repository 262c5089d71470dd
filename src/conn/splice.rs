//! Moves bytes from one socket to another within the kernel, through a pipe: no copy to user space (splice(2)).

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::retry_on_intr;
use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// What a pipe has room for at first, which is all that a slow client makes it hold. It is also what the kernel gives.
const SMALL: usize = 64 * 1024;

/// Where a pipe stops growing: as far as the kernel lets it by default (pipe(7)). Each step saves wake-ups and turns.
const LARGE: usize = 1024 * 1024;

/// A pipe, and how much there is in it. It grows while both of its ends keep up.
#[derive(Debug)]
pub struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    room: usize,
    held: usize,
}

impl Pipe {
    /// An empty pipe; none where descriptors or the user's share of pipe memory have run out (pipe(7)).
    pub fn new() -> Option<Pipe> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // Beyond its share a user gets pipes of a page or two, which are slower than a buffer.
        let room = fcntl_getpipe_size(&writer).ok()?;
        (room >= SMALL).then_some(Pipe {
            reader,
            writer,
            room,
            held: 0,
        })
    }

    /// How many bytes there are in it.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Waits for bytes from `socket` and takes up to `limit` of them; 0 is the end. The pipe has to be empty: of one that is
    /// full the kernel says the same as of a socket that has nothing.
    pub async fn fill(&mut self, socket: &TcpStream, limit: usize) -> io::Result<usize> {
        debug_assert_eq!(self.held, 0);
        let taken = socket.async_io(Interest::READABLE, || {
            let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
            Ok(retry_on_intr(|| {
                splice(socket, None, &self.writer, None, limit, flags)
            })?)
        });
        self.held = taken.await?;
        Ok(self.held)
    }

    /// Waits until `socket` takes some of what there is, and says how much it took.
    pub async fn drain(&mut self, socket: &TcpStream) -> io::Result<usize> {
        let sent = socket.async_io(Interest::WRITABLE, || {
            let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
            Ok(retry_on_intr(|| {
                splice(&self.reader, None, socket, None, self.held, flags)
            })?)
        });
        let sent = sent.await?;
        let keeps_up = sent == self.held;
        self.held -= sent;
        if keeps_up && self.was_full(sent) {
            self.grow();
        }
        Ok(sent)
    }

    /// Whether so many bytes may have left no room: one that came in packets fills a page for each.
    fn was_full(&self, bytes: usize) -> bool {
        bytes >= self.room / 4
    }

    fn grow(&mut self) {
        if self.room < LARGE
            && let Ok(room) = fcntl_setpipe_size(&self.writer, self.room * 4)
        {
            self.room = room;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn connected() -> (TcpStream, TcpStream) {
        over(&TcpListener::bind("127.0.0.1:0").await.unwrap()).await
    }

    async fn over(listener: &TcpListener) -> (TcpStream, TcpStream) {
        let near = TcpStream::connect(listener.local_addr().unwrap());
        let (near, accepted) = tokio::join!(near, listener.accept());
        (near.unwrap(), accepted.unwrap().0)
    }

    /// A connection on which little is under way.
    async fn narrow() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let least = 1;
        SockRef::from(&listener)
            .set_recv_buffer_size(least)
            .unwrap();
        let (near, far) = over(&listener).await;
        SockRef::from(&near).set_send_buffer_size(least).unwrap();
        (near, far)
    }

    #[tokio::test]
    async fn no_more_is_taken_than_the_limit() {
        let (mut upstream, from) = connected().await;
        let (to, mut client) = connected().await;
        let mut pipe = Pipe::new().unwrap();
        upstream.write_all(b"bodynext").await.unwrap();
        assert_eq!(pipe.fill(&from, 4).await.unwrap(), 4);
        assert_eq!((pipe.drain(&to).await.unwrap(), pipe.held()), (4, 0));
        drop((upstream, to));
        let mut passed = String::new();
        client.read_to_string(&mut passed).await.unwrap();
        assert_eq!(passed, "body");
        assert_eq!(pipe.fill(&from, 100).await.unwrap(), 4, "the rest is there");
        pipe.held = 0;
        let mut left = Pipe::new().unwrap();
        assert_eq!(left.fill(&from, 100).await.unwrap(), 0, "the end");
    }

    /// A pipe that has been filled once and drained once.
    async fn drained_once(to: &TcpStream) -> Pipe {
        let (mut upstream, from) = connected().await;
        upstream.write_all(&[7; SMALL]).await.unwrap();
        let mut pipe = Pipe::new().unwrap();
        let filled = pipe.fill(&from, SMALL).await.unwrap();
        assert!(filled >= SMALL / 4, "{filled}");
        assert!(pipe.drain(to).await.unwrap() > 0);
        pipe
    }

    #[tokio::test]
    async fn a_pipe_grows_where_all_of_it_is_taken_at_once() {
        let ((wide, _one), (narrow, _other)) = (connected().await, narrow().await);
        let pipe = drained_once(&wide).await;
        assert_eq!((pipe.held(), pipe.room), (0, 4 * SMALL));
        let pipe = drained_once(&narrow).await;
        assert!(pipe.held() > 0);
        assert_eq!(pipe.room, SMALL);
    }
}
