//! Files in PEM (RFC 7468), read whole, with what is wrong said of the flag that named them.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use memchr::memmem;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;
use crate::permissions::{self, Unfit};

/// The largest PEM file that is read: four times the bundle of all public roots.
const PEM_LIMIT: u64 = 1024 * 1024;

/// What editors on Windows may write before anything else; a parser takes it for a part of the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How a certificate begins.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// A PEM file and the flag that named it, for messages.
#[derive(Clone, Copy, Debug)]
pub struct PemFile<'a> {
    /// The flag.
    pub flag: &'static str,
    /// The file.
    pub path: &'a Path,
}

impl PemFile<'_> {
    pub(super) fn certificates(self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let file = File::open(self.path).map_err(|error| self.fault(Unfit::Unreadable(error)))?;
        let pem = self.read(file)?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let found = found.map_err(|error| self.damaged(flaw(&error)))?;
        // The parser skips what does not begin a line, and a root less would be noticed by those alone who need it.
        let begun = memmem::find_iter(&pem, CERTIFICATE).count();
        if begun > found.len() {
            let what = "something stands before -----BEGIN CERTIFICATE----- in its line";
            return Err(self.damaged(what));
        }
        if found.is_empty() {
            return Err(
                self.fault("holds no certificate; it should be a PEM file with CERTIFICATE in it")
            );
        }
        Ok(found)
    }

    /// One that others can write is refused, as every secret is.
    pub(super) fn private_key(self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let file = permissions::open(self.path).map_err(|why| self.fault(why))?;
        let pem = self.read(file)?;
        PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
            _ if is_encrypted(&pem) => self.fault(format_args!(
                "is encrypted, and nobody is there to ask for its passphrase; decrypt it: openssl pkey -in {} -out FILE",
                self.path.display()
            )),
            pem::Error::NoItemsFound => {
                self.fault("holds no private key; it should be a PEM file with PRIVATE KEY in it")
            }
            error => self.damaged(flaw(&error)),
        })
    }

    fn read(self, file: File) -> Result<Vec<u8>, TlsError> {
        let mut pem = Vec::new();
        file.take(PEM_LIMIT + 1)
            .read_to_end(&mut pem)
            .map_err(|error| self.fault(Unfit::Unreadable(error)))?;
        if pem.len() as u64 > PEM_LIMIT {
            return Err(self.fault("is larger than 1 MiB; name a PEM file"));
        }
        if pem.starts_with(BYTE_ORDER_MARK) {
            pem.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(pem)
    }

    fn damaged(self, what: &str) -> TlsError {
        self.fault(format_args!(
            "is damaged PEM: {what}; write the file anew, as a whole"
        ))
    }

    pub(super) fn fault(self, what: impl fmt::Display) -> TlsError {
        TlsError(format!("--{}: {} {what}", self.flag, self.path.display()))
    }
}

/// What is wrong with a file. Its contents are not shown: they may be a key.
fn flaw(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section in it has no end",
        pem::Error::Base64Decode(_) => "a section in it is not base64",
        _ => "it has a line that begins no section",
    }
}

/// By PKCS #8 (RFC 7468 §11) or, as OpenSSL did it before, by a field of the PEM section (RFC 1421 §4.6.1.1).
fn is_encrypted(pem: &[u8]) -> bool {
    let signs: [&[u8]; 2] = [
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
        b"Proc-Type: 4,ENCRYPTED",
    ];
    signs
        .iter()
        .any(|sign| memchr::memmem::find(pem, sign).is_some())
}
