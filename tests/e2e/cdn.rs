//! The CDN behind a redirecting registry: it serves the files of the registry's storage, with ranges.

use std::path::PathBuf;

use super::certificates::Identity;
use super::http::{Answer, HttpServer, Request};

/// A CDN over a storage directory.
pub(crate) struct Cdn {
    server: HttpServer,
}

impl Cdn {
    /// Serves the files below `root`, over TLS if there is an identity. No answer has more than `breaks_after` bytes of its
    /// body before the connection ends.
    pub(crate) fn start(root: PathBuf, tls: Option<&Identity>, breaks_after: usize) -> Cdn {
        let answer = move |request: &Request| Answer {
            breaks_after,
            ..answer(&root, request)
        };
        Cdn {
            server: HttpServer::start(tls, answer),
        }
    }

    /// What a registry puts before the storage path of a blob.
    pub(crate) fn base_url(&self) -> String {
        format!("{}/", self.server.url())
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.server.seen()
    }
}

fn answer(root: &std::path::Path, request: &Request) -> Answer {
    let path = request.path().trim_start_matches('/');
    if path.split('/').any(|part| part == "..") || !matches!(&*request.method, "GET" | "HEAD") {
        return Answer::new(400, "");
    }
    let Ok(file) = std::fs::read(root.join(path)) else {
        return Answer::new(404, "");
    };
    let answer = match request.field("range") {
        None => Answer::new(200, file),
        Some(range) => match parse_range(range, file.len()) {
            None => Answer::new(416, "").with("Content-Range", format!("bytes */{}", file.len())),
            Some((first, last)) => Answer::new(206, &file[first..=last]).with(
                "Content-Range",
                format!("bytes {first}-{last}/{}", file.len()),
            ),
        },
    };
    answer
        .with("Content-Type", "application/octet-stream")
        .with("Accept-Ranges", "bytes")
}

/// First and last byte of `bytes=A-` or `bytes=A-B`.
fn parse_range(range: &str, size: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let last = if last.is_empty() {
        size - 1
    } else {
        last.parse().ok()?
    };
    (first < size && first <= last).then_some((first, last.min(size - 1)))
}
