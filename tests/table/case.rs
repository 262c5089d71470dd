//! The rows of the tables: bytes, and what has to become of them. Data only, so that others can read the tables too.

/// Stands in a row's bytes for a tag of four letters, another one each time the row is run, by which what reaches the
/// upstream is told to be the row's.
pub const TAG: &str = "CASE";

/// What becomes of the connection of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It stays, and the next request on it is answered as itself.
    Open,
    /// docxy closes it.
    Closed,
    /// The message never ends, and the client says that it sends no more: docxy closes without a word.
    Unfinished,
}

/// A request as it has to reach the upstream. `Host` and `Via` are docxy's and the same for all.
#[derive(Clone, Debug)]
pub struct Forwarded {
    /// The request line without its version.
    pub line: String,
    /// The field lines between `Host` and `Via`.
    pub fields: Vec<u8>,
    /// The field lines after `Via`, and the body.
    pub rest: Vec<u8>,
}

/// What a client sends on one connection, in one piece or in many.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is special about it.
    pub name: &'static str,
    /// Every byte.
    pub bytes: Vec<u8>,
    /// The status of each answer, in order.
    pub statuses: Vec<u16>,
    /// What follows them.
    pub after: After,
    /// What reaches the upstream, in order.
    pub forwarded: Vec<Forwarded>,
    /// Why docxy takes it although nginx or HAProxy does not.
    pub laxer: Option<&'static str>,
}

/// A request that is refused: this status, the connection closed, nothing forwarded.
pub fn refused(status: u16, name: &'static str, bytes: impl Into<Vec<u8>>) -> Request {
    Request {
        name,
        bytes: bytes.into(),
        statuses: vec![status],
        after: After::Closed,
        forwarded: Vec::new(),
        laxer: None,
    }
}

/// A request that docxy answers itself without a doubt about where the next one begins: the connection stays.
pub fn answered(status: u16, name: &'static str, bytes: impl Into<Vec<u8>>) -> Request {
    Request {
        after: After::Open,
        ..refused(status, name, bytes)
    }
}

/// A request that never ends.
pub fn unfinished(name: &'static str, bytes: impl Into<Vec<u8>>) -> Request {
    Request {
        statuses: Vec::new(),
        after: After::Unfinished,
        ..refused(0, name, bytes)
    }
}

/// A GET of the usual manifest that is forwarded with these field lines, and answered 200.
pub fn passed(
    name: &'static str,
    bytes: impl Into<Vec<u8>>,
    fields: impl Into<Vec<u8>>,
) -> Request {
    Request {
        statuses: Vec::new(),
        after: After::Open,
        ..refused(0, name, bytes)
    }
    .and("GET /v2/a/manifests/CASE", fields)
}

impl Request {
    /// Then another one reaches the upstream.
    pub fn and(mut self, line: &str, fields: impl Into<Vec<u8>>) -> Request {
        self.statuses.push(200);
        self.forwarded.push(Forwarded {
            line: line.to_owned(),
            fields: fields.into(),
            rest: Vec::new(),
        });
        self
    }

    /// The first that reaches the upstream has another request line.
    pub fn line(mut self, line: &str) -> Request {
        self.forwarded[0].line = line.to_owned();
        self
    }

    /// The first that reaches the upstream has a body, with its length.
    pub fn form(mut self, body: &str) -> Request {
        self.forwarded[0].rest = format!("Content-Length: {}\r\n\r\n{body}", body.len()).into();
        self
    }

    /// The client sees these statuses, interim ones too.
    pub fn statuses(mut self, statuses: &[u16]) -> Request {
        self.statuses = statuses.to_vec();
        self
    }

    /// docxy closes the connection after the last answer.
    pub fn closing(mut self) -> Request {
        self.after = After::Closed;
        self
    }

    /// Why docxy takes it although nginx or HAProxy does not.
    pub fn laxer(mut self, why: &'static str) -> Request {
        self.laxer = Some(why);
        self
    }
}

/// A GET of the usual manifest from its second field line on.
pub fn get(rest: &str) -> Vec<u8> {
    format!("GET /v2/a/manifests/CASE HTTP/1.1\r\nHost: h\r\n{rest}").into_bytes()
}

/// A POST to the token endpoint from its second field line on.
pub fn post(rest: &str) -> Vec<u8> {
    format!("POST /token?CASE HTTP/1.1\r\nHost: h\r\n{rest}").into_bytes()
}

/// A token request in chunks, of which this is the body.
pub fn chunked_post(body: &str) -> Vec<u8> {
    post(&format!("Transfer-Encoding: chunked\r\n\r\n{body}"))
}

/// How an upstream goes on after its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It waits for another request.
    Waits,
    /// It closes in order.
    Closes,
    /// It resets the connection.
    Resets,
}

/// What the client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// GET in HTTP/1.0.
    Get10,
}

/// What reaches the client.
#[derive(Clone, Debug)]
pub enum Arrives {
    /// This head (status line and field lines; a `Date` that docxy added is left out) and this body.
    Whole(Vec<u8>, Vec<u8>),
    /// docxy's own 502, since the head is malformed.
    BadGateway,
    /// docxy's own 502, or a body that is visibly cut: nothing but a beginning of these bytes.
    Broken(Vec<u8>),
}

/// What an upstream answers, in one piece or in many.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What is special about it.
    pub name: &'static str,
    /// Every byte.
    pub bytes: Vec<u8>,
    /// What it does after them.
    pub then: Then,
    /// What had been asked.
    pub asked: Asked,
    /// What the client gets.
    pub arrives: Arrives,
    /// Whether docxy may send another request over the same connection.
    pub reusable: bool,
}

/// An answer that is malformed in its head.
pub fn bad(name: &'static str, bytes: impl Into<Vec<u8>>) -> Answer {
    Answer {
        name,
        bytes: bytes.into(),
        then: Then::Waits,
        asked: Asked::Get,
        arrives: Arrives::BadGateway,
        reusable: false,
    }
}

/// An answer whose body is malformed or cut after these bytes.
pub fn broken(name: &'static str, bytes: impl Into<Vec<u8>>, begun: &str) -> Answer {
    Answer {
        arrives: Arrives::Broken(begun.into()),
        ..bad(name, bytes)
    }
}

/// An answer that passes.
pub fn whole(
    name: &'static str,
    bytes: impl Into<Vec<u8>>,
    head: impl Into<Vec<u8>>,
    body: &str,
) -> Answer {
    Answer {
        arrives: Arrives::Whole(head.into(), body.into()),
        reusable: true,
        ..bad(name, bytes)
    }
}

impl Answer {
    /// What had been asked.
    pub fn to(mut self, asked: Asked) -> Answer {
        self.asked = asked;
        self
    }

    /// Then the upstream closes.
    pub fn closes(mut self) -> Answer {
        self.then = Then::Closes;
        self.reusable = false;
        self
    }

    /// Then the upstream resets the connection.
    pub fn resets(mut self) -> Answer {
        self.then = Then::Resets;
        self.reusable = false;
        self
    }

    /// The upstream would go on, but docxy may not.
    pub fn spent(mut self) -> Answer {
        self.reusable = false;
        self
    }
}
