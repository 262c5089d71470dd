//! Sockets that systemd opened and passed on (sd_listen_fds(3)): they outlive docxy, so that a restart refuses nobody.

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::SockRef;

/// The listening sockets that were passed and not yet taken.
#[derive(Debug, Default)]
pub struct Passed {
    sockets: Vec<(SocketAddr, TcpListener)>,
}

impl Passed {
    /// Takes what was passed out of the environment, and says what of it is no listening TCP socket. To be called before
    /// any thread is started, since it unsets `LISTEN_FDS` and `LISTEN_PID`.
    pub fn from_environment() -> (Passed, Vec<String>) {
        let mut listed = ListenFd::from_env();
        let (mut passed, mut faults) = (Passed::default(), Vec::new());
        for index in 0..listed.len() {
            let taken = listed
                .take_tcp_listener(index)
                .and_then(|tcp| tcp.map(listening).transpose());
            match taken {
                Ok(socket) => passed.sockets.extend(socket),
                Err(error) => faults.push(format!(
                    "socket {index} of those that were passed cannot be used: {error}; docxy takes listening TCP sockets \
                     (ListenStream=ADDR:PORT, Accept=no)"
                )),
            }
        }
        (passed, faults)
    }

    /// Closes those that nobody will take, and returns their addresses.
    pub fn close_unless(&mut self, is_wanted: impl Fn(SocketAddr) -> bool) -> Vec<SocketAddr> {
        let unwanted = self
            .sockets
            .extract_if(.., |(address, _)| !is_wanted(*address));
        unwanted.map(|(address, _)| address).collect()
    }

    /// The socket that listens on this address, if one was passed.
    pub fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let is_there = |(other, _): &(SocketAddr, TcpListener)| *other == address;
        let index = self.sockets.iter().position(is_there)?;
        Some(self.sockets.remove(index).1)
    }
}

fn listening(tcp: TcpListener) -> io::Result<(SocketAddr, TcpListener)> {
    if !SockRef::from(&tcp).is_listener()? {
        return Err(io::Error::other("it does not listen"));
    }
    tcp.set_nonblocking(true)?;
    Ok((tcp.local_addr()?, tcp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(count: usize) -> (Passed, Vec<SocketAddr>) {
        let sockets: Vec<_> = (0..count)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .map(|tcp| listening(tcp).unwrap())
            .collect();
        let addresses = sockets.iter().map(|(address, _)| *address).collect();
        (Passed { sockets }, addresses)
    }

    #[test]
    fn a_socket_is_taken_once_by_its_address() {
        let (mut passed, addresses) = passed(2);
        let taken = passed.take(addresses[1]).unwrap();
        assert_eq!(taken.local_addr().unwrap(), addresses[1]);
        assert!(passed.take(addresses[1]).is_none());
        assert!(passed.take(addresses[0]).is_some());
    }

    #[test]
    fn what_nobody_wants_is_closed_and_named() {
        let (mut passed, addresses) = passed(2);
        let closed = passed.close_unless(|address| address == addresses[0]);
        assert_eq!(closed, [addresses[1]]);
        assert!(passed.take(addresses[1]).is_none() && passed.take(addresses[0]).is_some());
        TcpListener::bind(addresses[1]).unwrap();
    }

    #[test]
    fn a_socket_that_does_not_listen_is_no_listener() {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        assert!(listening(socket.unwrap().into()).is_err());
    }
}
