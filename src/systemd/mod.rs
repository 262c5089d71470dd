//! docxy as a service: the sockets that systemd passes, and what it is told.

pub mod activation;
pub mod supervisor;
