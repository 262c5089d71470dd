//! Certificates by ACME (RFC 8555), proved by TLS-ALPN-01 (RFC 8737) on the https listeners themselves.
//!
//! [`settings`] is what was asked for, [`kept`] what is in the state directory; [`order`] gets one certificate, by way of
//! [`transport`]; [`renewal`] does so when [`schedule`] says.

pub mod kept;
pub mod order;
#[cfg(debug_assertions)]
mod provoked;
pub mod renewal;
pub mod schedule;
pub mod settings;
pub mod transport;
