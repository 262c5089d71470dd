//! Just enough HTTP/1.1 over blocking sockets for this demonstration: one message per connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Everything is on this machine; what takes longer will never come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as one of the origins sees it.
pub struct Request {
    pub method: String,
    pub target: String,
    fields: Vec<(String, String)>,
}

/// An answer, of an origin or of docxy.
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn field(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }
}

impl Answer {
    pub fn new(status: u16, content_type: &str, body: &[u8]) -> Answer {
        let fields = vec![("content-type".to_owned(), content_type.to_owned())];
        Answer {
            status,
            fields,
            body: body.to_vec(),
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }
}

fn find<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut matching = fields.iter().filter(|(field, _)| field == name);
    matching.next().map(|(_, value)| value.as_str())
}

/// Serves on a free port of loopback until the program ends.
pub fn serve(
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || serve_one(&connection, &*answer));
        }
    });
    Ok(address)
}

/// A peer that goes away is its own affair.
fn serve_one(mut connection: &TcpStream, answer: &dyn Fn(&Request) -> Answer) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(connection);
    let (start, fields) = read_head(&mut reader)?;
    let mut words = start.split(' ').map(str::to_owned);
    let request = Request {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        fields,
    };
    let answer = answer(&request);
    let mut message = format!("HTTP/1.1 {} -\r\n", answer.status);
    for (name, value) in &answer.fields {
        message += &format!("{name}: {value}\r\n");
    }
    message += &format!(
        "content-length: {}\r\nconnection: close\r\n\r\n",
        answer.body.len()
    );
    let mut message = message.into_bytes();
    if request.method != "HEAD" {
        message.extend_from_slice(&answer.body);
    }
    connection.write_all(&message)
}

/// Asks and reads the whole answer. The body has to be as long as its head says.
pub fn ask(method: &str, host: &str, target: &str, token: Option<&str>) -> io::Result<Answer> {
    let mut connection = TcpStream::connect(host)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut request =
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    if let Some(token) = token {
        request += &format!("Authorization: Bearer {token}\r\n");
    }
    request += "User-Agent: demo\r\nAccept: */*\r\n\r\n";
    connection.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(connection);
    let (start, fields) = read_head(&mut reader)?;
    let status = start.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| malformed("no status"))?;
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    let length = find(&fields, "content-length").and_then(|value| value.parse::<usize>().ok());
    if method != "HEAD" && length != Some(body.len()) {
        return Err(malformed("the body is not as long as its head says"));
    }
    Ok(Answer {
        status,
        fields,
        body,
    })
}

type Head = (String, Vec<(String, String)>);

fn read_head(reader: &mut impl BufRead) -> io::Result<Head> {
    let start = read_line(reader)?;
    let mut fields = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok((start, fields));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("no field"))?;
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.strip_suffix("\r\n");
    Ok(line
        .ok_or_else(|| malformed("an unfinished line"))?
        .to_owned())
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
