//! The methods that docxy serves, and where.

/// What a content or ping request may be.
pub(super) const READING: &str = "GET, HEAD";

/// What a token request may be: engines with credentials send a form.
pub(super) const ASKING_FOR_A_TOKEN: &str = "GET, HEAD, POST";

/// The methods that docxy serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// RFC 9110 §9.3.1.
    Get,
    /// RFC 9110 §9.3.2.
    Head,
    /// RFC 9110 §9.3.3; for tokens only.
    Post,
}

impl Method {
    /// The method of a request line, which is told apart by case (RFC 9110 §9.1); `None` for all that docxy does not serve.
    pub fn parse(bytes: &[u8]) -> Option<Method> {
        match bytes {
            b"GET" => Some(Method::Get),
            b"HEAD" => Some(Method::Head),
            b"POST" => Some(Method::Post),
            _ => None,
        }
    }

    /// The method as a request line has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
        }
    }
}
