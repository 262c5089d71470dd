//! A token server as registries have them: RS256 tokens with an `x5c` header, anonymous for public
//! repositories, for one user where the repository is private.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::certificates::Identity;
use super::http::{Answer, HttpServer, Request};
use super::programs::run;

/// The user who may pull everything.
pub(crate) const USER: &str = "alice";
/// That user's password.
pub(crate) const PASSWORD: &str = "s3cret";
/// What the registry calls itself in its challenge; a token for another service is refused.
pub(crate) const SERVICE: &str = "registry.test";
/// Who the registry accepts tokens from.
pub(crate) const ISSUER: &str = "tokens.test";

const REFRESH_TOKEN: &str = "refresh-alice";

/// A running token server.
pub(crate) struct TokenServer {
    server: HttpServer,
    certificate: PathBuf,
}

/// What signs the tokens.
struct Signer {
    key: RsaKeyPair,
    header: String,
}

impl TokenServer {
    /// Makes a key and a certificate in `dir` and starts to give out tokens, over TLS if there is an identity.
    pub(crate) fn start(dir: &Path, tls: Option<&Identity>) -> TokenServer {
        let (certificate, signer) = Signer::new(dir);
        let server = HttpServer::start(tls, move |request| answer(&signer, request));
        TokenServer {
            server,
            certificate,
        }
    }

    /// The realm of the registry's challenge.
    pub(crate) fn realm(&self) -> String {
        format!("{}/token", self.server.url())
    }

    /// The certificate that the registry is to trust.
    pub(crate) fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.server.seen()
    }
}

/// A request of either kind (query or form), parsed.
struct Asked {
    pairs: Vec<(String, String)>,
    user: Option<(String, String)>,
}

impl Asked {
    fn of(request: &Request) -> Asked {
        let pairs = if request.method == "POST" {
            &request.body
        } else {
            request.query()
        };
        let basic = request
            .field("authorization")
            .and_then(|value| value.strip_prefix("Basic "));
        Asked {
            pairs: parse_pairs(pairs),
            user: basic.and_then(parse_basic),
        }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn one(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// `Some(true)` with the right credentials, `Some(false)` without any, `None` with wrong ones.
    fn authenticated(&self) -> Option<bool> {
        let right = |user: &str, password: &str| user == USER && password == PASSWORD;
        let good = match (self.one("grant_type"), &self.user) {
            ("refresh_token", _) => self.one("refresh_token") == REFRESH_TOKEN,
            ("password", _) => right(self.one("username"), self.one("password")),
            (_, Some((user, password))) => right(user, password),
            (_, None) => return Some(false),
        };
        good.then_some(true)
    }
}

fn answer(signer: &Signer, request: &Request) -> Answer {
    let asked = Asked::of(request);
    if request.path() != "/token" {
        return Answer::new(404, "");
    }
    if asked.one("service") != SERVICE {
        return Answer::new(400, r#"{"details":"unknown service"}"#);
    }
    let Some(authenticated) = asked.authenticated() else {
        return Answer::new(401, r#"{"details":"incorrect username or password"}"#);
    };
    let access: Vec<Value> = asked
        .all("scope")
        .flat_map(|scopes| scopes.split(' '))
        .filter_map(|scope| granted(scope, authenticated))
        .collect();
    let token = signer.token(&access);
    let mut body = json!({ "token": token, "access_token": token, "expires_in": 300 });
    let offline = asked.one("offline_token") == "true" || asked.one("access_type") == "offline";
    if authenticated && offline {
        body["refresh_token"] = json!(REFRESH_TOKEN);
    }
    Answer::new(200, body.to_string()).with("Content-Type", "application/json")
}

/// What a scope gets: pulling, and in `private/` only with credentials.
fn granted(scope: &str, authenticated: bool) -> Option<Value> {
    let name = scope.strip_prefix("repository:")?.rsplit_once(':')?.0;
    let allowed = authenticated || !name.starts_with("private/");
    allowed.then(|| json!({ "type": "repository", "name": name, "actions": ["pull"] }))
}

impl Signer {
    fn new(dir: &Path) -> (PathBuf, Signer) {
        let (pem, der) = (dir.join("tokens.pem"), dir.join("tokens.der"));
        let certificate = dir.join("tokens.crt");
        let mut make = Command::new("openssl");
        make.args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=tokens.test",
        ]);
        run(make.arg("-keyout").arg(&pem).arg("-out").arg(&certificate)).unwrap();
        let mut convert = Command::new("openssl");
        convert.args(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"]);
        run(convert.arg("-in").arg(&pem).arg("-out").arg(&der)).unwrap();
        let key = RsaKeyPair::from_pkcs8(&std::fs::read(der).unwrap()).unwrap();
        let text = std::fs::read_to_string(&certificate).unwrap();
        let x5c: String = text
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [x5c] });
        (
            certificate,
            Signer {
                key,
                header: BASE64_URL_SAFE_NO_PAD.encode(header.to_string()),
            },
        )
    }

    fn token(&self, access: &[Value]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let claims = json!({
            "iss": ISSUER, "sub": "", "aud": SERVICE, "access": access, "jti": "1",
            "nbf": (now - Duration::from_secs(60)).as_secs(), "iat": now.as_secs(),
            "exp": (now + Duration::from_secs(300)).as_secs(),
        });
        let message = format!(
            "{}.{}",
            self.header,
            BASE64_URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

fn parse_pairs(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(key), decode(value))
    };
    text.split('&').map(pair).collect()
}

fn parse_basic(encoded: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Undoes the encoding of a form's value.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escape = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let value = escape.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = match (byte, value) {
            (b'%', Some(value)) => {
                bytes.push(value);
                &tail[2..]
            }
            _ => {
                bytes.push(if byte == b'+' { b' ' } else { byte });
                tail
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
