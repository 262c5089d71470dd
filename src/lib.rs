//! docxy, a pull proxy for container registries.
pub mod http;
pub mod registry;
