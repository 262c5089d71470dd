//! docxy, a pull proxy for container registries: engines reach docxy, docxy reaches the registries. It stores nothing.

pub mod relay;
pub mod upstream;

pub mod dial;
pub mod pool;
pub mod resolve;
pub mod tls;

pub mod body;
pub mod conn;
pub mod stream;
pub mod timeouts;

pub mod http;
pub mod registry;
