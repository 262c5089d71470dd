//! The small layer that changes heads on their way: `request` is what goes to an upstream, `response` what
//! comes back to the client.

mod request;
mod response;

pub use self::request::{Credentials, FIRST_BYTE, Part, Request, request_head};
pub use self::response::{Source, View, response_fields};
