//! Plain bytes from one socket to the other: small answers by a buffer, bodies by `splice(2)` through a pipe.

use std::io;
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// An answer that fills it is a body worth a pipe.
const BUFFER_SIZE: usize = 16 * 1024;
/// Room in a pipe, and the most that one call moves.
const PIPE_SIZE: usize = 1 << 20;

/// Relays until one side ends.
pub(crate) async fn both_ways(client: &TcpStream, origin: &TcpStream) -> io::Result<()> {
    tokio::select! {
        requests = one_way(client, origin) => requests,
        answers = one_way(origin, client) => answers,
    }
}

async fn one_way(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    if copy(from, to).await? == Copied::Full {
        splice_all(from, to).await?;
    }
    Ok(())
}

/// Why a copy has ended.
#[derive(PartialEq, Eq)]
enum Copied {
    /// There is no more.
    End,
    /// There is so much that the buffer was filled.
    Full,
}

async fn copy(from: &TcpStream, to: &TcpStream) -> io::Result<Copied> {
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        from.readable().await?;
        let count = match from.try_read(&mut buffer) {
            Ok(0) => return Ok(Copied::End),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        write_all(to, &buffer[..count]).await?;
        if count == buffer.len() {
            return Ok(Copied::Full);
        }
    }
}

async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = to
            .async_io(Interest::WRITABLE, || to.try_write(bytes))
            .await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

async fn splice_all(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
    fcntl_setpipe_size(&writer, PIPE_SIZE)?;
    loop {
        let mut left = fill(from, &writer).await?;
        if left == 0 {
            return Ok(());
        }
        while left > 0 {
            left -= drain(&reader, to, left).await?;
        }
    }
}

async fn fill(from: &TcpStream, pipe: &OwnedFd) -> io::Result<usize> {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    from.async_io(Interest::READABLE, || {
        Ok(splice(from, None, pipe, None, PIPE_SIZE, flags)?)
    })
    .await
}

async fn drain(pipe: &OwnedFd, to: &TcpStream, left: usize) -> io::Result<usize> {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    to.async_io(Interest::WRITABLE, || {
        Ok(splice(pipe, None, to, None, left, flags)?)
    })
    .await
}
