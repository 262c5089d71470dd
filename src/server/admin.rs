//! The operator's own listener (`--admin`): what has been counted, and whether docxy is well. It has places and a thread of its
//! own, so that it answers when all of the clients' are taken, and so that nobody waits for who asks there.

use std::io;
use std::net::TcpListener as Bound;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::limits::admission::{Admission, Limits};
use crate::log::Log;
use crate::proxy::Entrance;
use crate::proxy::current::Current;
use crate::stop::Stop;

use super::acceptor::Acceptor;
use super::worker::Worker;

/// Connections at a time. A scraper has one; the rest is for the second one, for probes and for a look by hand.
const CONNECTIONS: usize = 16;

/// The listener, and who serves it.
#[derive(Debug)]
pub struct Admin {
    bound: Vec<Bound>,
    worker: Arc<[Worker]>,
    admission: Arc<Admission>,
}

impl Admin {
    /// Begins to serve what is current, at these sockets.
    pub fn start(bound: Vec<Bound>, current: &Arc<Current>, stop: Stop) -> io::Result<Admin> {
        let worker = Worker::start("docxy-admin", Arc::clone(current), stop)?;
        let limits = Limits {
            connections: CONNECTIONS,
            of_one_client: None,
        };
        Ok(Admin {
            bound,
            worker: Arc::new([worker]),
            admission: Arc::new(Admission::new(limits)),
        })
    }

    /// What accepts its connections, and the listeners. A stop does not wait for them: they hold what nobody listens to.
    pub(super) fn acceptors(self, log: Log) -> io::Result<Vec<(Acceptor, TcpListener)>> {
        let (working, _) = mpsc::channel(1);
        let acceptor = |tcp| {
            let acceptor = Acceptor {
                tls: None,
                proxy_protocol: false,
                entrance: Entrance::Admin,
                workers: Arc::clone(&self.worker),
                admission: Arc::clone(&self.admission),
                log,
                working: working.clone(),
            };
            Ok((acceptor, TcpListener::from_std(tcp)?))
        };
        self.bound.into_iter().map(acceptor).collect()
    }
}
