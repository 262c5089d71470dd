//! Whether answers are of one object: parts of two make no body (RFC 9110 §8.8, §15.3.7.3).

use crate::http::head::ResponseHead;
use crate::http::uri::Origin;

use super::range::Mismatch;

/// As many origins as tags are kept of for one body; it hardly ever comes from more than two.
const MAX_ORIGINS: usize = 4;

/// The field with the digest of the object, which is the same wherever it is had (OCI distribution specification).
const DIGEST: &str = "docker-content-digest";

/// What the answers from which one body comes have said of its object.
#[derive(Clone, Debug, Default)]
pub struct Validators {
    digest: Option<Vec<u8>>,
    /// The strong tag at each origin: another one may have another tag for the same bytes.
    tags: Vec<(Origin, Vec<u8>)>,
}

impl Validators {
    /// Keeps what an answer of `origin` says that none before it has said.
    pub fn keep(&mut self, head: &ResponseHead, origin: &Origin) {
        if self.digest.is_none() {
            self.digest = head.fields.first(DIGEST).map(<[u8]>::to_vec);
        }
        let has_room = self.tags.len() < MAX_ORIGINS && self.tag(origin).is_none();
        if let (true, Some(tag)) = (has_room, strong_tags(head).next()) {
            self.tags.push((origin.clone(), tag.to_vec()));
        }
    }

    /// Whether an answer of `origin` may go on with the body; one that says nothing may.
    pub fn admit(&self, head: &ResponseHead, origin: &Origin) -> Result<(), Mismatch> {
        if let Some(digest) = &self.digest
            && head.fields.all(DIGEST).any(|other| other != digest)
        {
            return Err(Mismatch::Digest);
        }
        if let Some(tag) = self.tag(origin)
            && strong_tags(head).any(|other| other != tag)
        {
            return Err(Mismatch::Tag);
        }
        Ok(())
    }

    fn tag(&self, origin: &Origin) -> Option<&[u8]> {
        let kept = self.tags.iter().find(|(other, _)| other == origin);
        kept.map(|(_, tag)| &**tag)
    }
}

/// The entity tags that stand for the very bytes.
fn strong_tags(head: &ResponseHead) -> impl Iterator<Item = &[u8]> {
    let tags = head.fields.all("etag");
    tags.filter(|tag| !tag.is_empty() && !tag.starts_with(b"W/"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::http::uri::Target;

    fn head(lines: &str) -> ResponseHead {
        ResponseHead::parse(Bytes::from(format!("HTTP/1.1 200 OK\r\n{lines}\r\n"))).unwrap()
    }

    fn origin(url: &str) -> Origin {
        Target::parse(url.as_bytes()).unwrap().origin
    }

    #[test]
    fn one_object_goes_on_wherever_it_is_had() {
        let (here, there) = (origin("https://r.test/"), origin("https://cdn.test/"));
        let (one, two, weak) = ("ETag: \"1\"\r\n", "ETag: \"2\"\r\n", "ETag: W/\"1\"\r\n");
        let (a, b) = (
            "Docker-Content-Digest: sha256:a\r\n",
            "Docker-Content-Digest: sha256:b\r\n",
        );
        let table = [
            ("", one, &here, Ok(())),
            (one, "", &here, Ok(())),
            (one, one, &here, Ok(())),
            (one, two, &here, Err(Mismatch::Tag)),
            (one, two, &there, Ok(())),
            (one, weak, &here, Ok(())),
            (weak, two, &here, Ok(())),
            (a, "", &here, Ok(())),
            (a, a, &there, Ok(())),
            (a, b, &here, Err(Mismatch::Digest)),
            (a, b, &there, Err(Mismatch::Digest)),
            ("", b, &here, Ok(())),
        ];
        for (first, next, asked, expected) in table {
            let mut validators = Validators::default();
            validators.keep(&head(first), &here);
            let found = validators.admit(&head(next), asked);
            assert_eq!(found, expected, "{first}{next}{asked}");
        }
    }

    #[test]
    fn a_field_that_is_repeated_has_to_say_the_same() {
        let here = origin("https://r.test/");
        let mut validators = Validators::default();
        validators.keep(
            &head("ETag: \"1\"\r\nDocker-Content-Digest: sha256:a\r\n"),
            &here,
        );
        for (next, expected) in [
            ("ETag: \"1\"\r\nETag: \"1\"\r\n", Ok(())),
            ("ETag: \"1\"\r\nETag: \"2\"\r\n", Err(Mismatch::Tag)),
            (
                "Docker-Content-Digest: sha256:a\r\nDocker-Content-Digest: sha256:b\r\n",
                Err(Mismatch::Digest),
            ),
        ] {
            assert_eq!(validators.admit(&head(next), &here), expected, "{next}");
        }
    }

    #[test]
    fn what_a_later_answer_adds_counts_for_those_behind_it() {
        let origins: Vec<_> = (0..9)
            .map(|n| origin(&format!("https://cdn{n}.test/")))
            .collect();
        let mut validators = Validators::default();
        validators.keep(&head(""), &origins[0]);
        for origin in &origins {
            validators.keep(&head("ETag: \"1\"\r\n"), origin);
        }
        validators.keep(&head("Docker-Content-Digest: sha256:a\r\n"), &origins[1]);
        let other = head("ETag: \"2\"\r\n");
        for origin in &origins[..MAX_ORIGINS] {
            assert_eq!(validators.admit(&other, origin), Err(Mismatch::Tag));
        }
        assert_eq!(validators.tags.len(), MAX_ORIGINS);
        let other = head("Docker-Content-Digest: sha256:b\r\n");
        assert_eq!(validators.admit(&other, &origins[8]), Err(Mismatch::Digest));
    }
}
