//! The engines: each pulls an image through a door and compares what it got with the origin.

pub(crate) mod containerd;
pub(crate) mod docker;
pub(crate) mod podman;
pub(crate) mod skopeo;

use super::door::Door;
use super::image::{Image, digest_of};

/// A user and a password.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
}

/// One pull: through which door, of what, as whom, and the image that has to arrive.
#[derive(Clone, Copy)]
pub(crate) struct Pull<'a> {
    pub(crate) door: &'a Door,
    pub(crate) repository: &'a str,
    pub(crate) login: Option<Login<'a>>,
    pub(crate) image: &'a Image,
}

impl<'a> Pull<'a> {
    /// An anonymous pull.
    pub(crate) fn new(door: &'a Door, repository: &'a str, image: &'a Image) -> Pull<'a> {
        Pull {
            door,
            repository,
            login: None,
            image,
        }
    }

    /// The same pull with credentials.
    pub(crate) fn with_login(self, login: Login<'a>) -> Pull<'a> {
        Pull {
            login: Some(login),
            ..self
        }
    }

    /// `HOST:PORT/REPOSITORY:latest`.
    pub(crate) fn reference(&self) -> String {
        format!("{}/{}:latest", self.door.authority, self.repository)
    }
}

impl Login<'_> {
    /// `USER:PASSWORD`.
    pub(crate) fn pair(&self) -> String {
        format!("{}:{}", self.user, self.password)
    }
}

/// Compares one blob, byte for byte, with the origin's.
fn assert_same_blob(image: &Image, digest: &str, bytes: &[u8]) {
    assert_eq!(digest_of(bytes), *digest, "the digest of what arrived");
    assert!(
        image.blob(digest) == bytes,
        "{digest} differs from the origin's bytes"
    );
}
