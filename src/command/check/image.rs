//! An image, as a client that pulls it meets it: manifest, config, and the first bytes of each layer.

use std::fmt;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::advice::{self, Trouble};
use super::door::{Door, Got, How, Part};
use super::report::{Ended, Failure, Notes};
use crate::http::fields::Fields;
use crate::http::uri::Origin;
use crate::registry::manifest::{Descriptor, Entry, Manifest, Platform};
use crate::registry::range::total_of_content_range;
use crate::registry::reference::Reference;
use crate::upstream::reply::Reply;

/// The longest manifest and the longest config that are read; registries take manifests of up to 4 MiB.
const MAX_READ: usize = 4 * 1024 * 1024;

/// The longest answer in which words are looked for.
const MAX_WORDS: usize = 64 * 1024;

/// Longer words of a registry's tell nobody more.
const MAX_SHOWN: usize = 200;

/// Asks for an image, part by part. Only the manifests are read as a whole: at Docker Hub that is one pull.
pub(super) async fn check(door: &Door<'_>, image: &Reference, notes: &Notes) -> Result<(), Ended> {
    let asking = Asking { door, image, notes };
    let version = asking.resolve().await?;
    let mut manifest = asking.manifest(&version).await?;
    if let Manifest::Index(entries) = &manifest {
        let digest = asking.choose(entries)?;
        manifest = asking.manifest(&digest).await?;
    }
    let Manifest::Image { config, layers } = manifest else {
        let what = "the index leads to another index".to_owned();
        return Err(asking.odd("manifest", what));
    };
    let size = Bytes(layers.iter().map(|layer| layer.size).sum());
    let text = format!("layers: {}, {size}", layers.len());
    let facts = json!({ "layers": layers.len(), "size": size.0 });
    notes.ok("image", text, facts);
    asking.config(&config).await?;
    let mut outcome = Ok(());
    for (at, layer) in layers.iter().enumerate() {
        // One that fails says nothing of the next, which may lie elsewhere.
        outcome = outcome.and(asking.layer(layer, (at + 1, layers.len())).await);
    }
    outcome
}

struct Asking<'a> {
    door: &'a Door<'a>,
    image: &'a Reference,
    notes: &'a Notes,
}

impl Asking<'_> {
    /// The digest behind the tag, by a HEAD.
    async fn resolve(&self) -> Result<String, Ended> {
        let part = Part::Manifest(&self.image.version);
        let mut got = self.ask("manifest", part, How::Head).await?;
        if got.reply.head.status != 200 {
            // What is wrong is in the body of an answer to GET, where a HEAD has none.
            self.door.done_with(got.reply);
            got = self.ask("manifest", part, How::Whole).await?;
        }
        let reply = self.good("manifest", got.reply, &[200]).await?;
        let fields = &reply.head.fields;
        let digest = text(fields, "docker-content-digest");
        let (kind, remaining) = (
            text(fields, "content-type"),
            text(fields, "ratelimit-remaining"),
        );
        let (limit, version) = (text(fields, "ratelimit-limit"), &self.image.version);
        self.door.done_with(reply);
        let shown = format_args!(
            "{version} is {}, {}",
            digest.as_deref().unwrap_or("without a digest"),
            kind.as_deref().unwrap_or("of no type")
        );
        let facts = json!({ "status": 200, "digest": digest, "media_type": kind });
        self.notes.ok("manifest", shown, facts);
        if let Some(remaining) = remaining {
            self.quota(&remaining, limit.as_deref());
        }
        let is_sound = |digest: &String| crate::registry::name::is_digest(digest);
        Ok(digest.filter(is_sound).unwrap_or_else(|| version.clone()))
    }

    /// What the registry says of the pulls that are left.
    fn quota(&self, remaining: &str, limit: Option<&str>) {
        let number = |value: &str| value.split(';').next()?.trim().parse::<u64>().ok();
        let window = |value: &str| value.split_once(";w=")?.1.trim().parse::<u64>().ok();
        let Some(left) = number(remaining) else {
            return;
        };
        let (limit, window) = (limit.and_then(number), window(remaining));
        let of = limit.map_or_else(String::new, |limit| format!(" of {limit}"));
        let per = window.map_or_else(String::new, |seconds| {
            let window = std::time::Duration::from_secs(seconds);
            format!(" in {}", humantime::format_duration(window))
        });
        let facts = json!({ "remaining": left, "limit": limit, "window_s": window });
        let text = format_args!("{left}{of} pulls left{per}");
        self.notes.ok("quota", text, facts);
    }

    async fn manifest(&self, version: &str) -> Result<Manifest, Ended> {
        let part = Part::Manifest(version);
        let body = self.whole("manifest", part, version).await?.0;
        Manifest::parse(&body).map_err(|why| self.odd("manifest", why.to_string()))
    }

    /// The image of an index for this machine, or else the first.
    fn choose(&self, entries: &[Entry]) -> Result<String, Ended> {
        let here = Platform::of_this_machine();
        let is_image = |entry: &&Entry| entry.platform.as_ref().is_none_or(Platform::is_known);
        let images = entries.iter().filter(is_image);
        let (count, first) = (images.clone().count(), images.clone().next());
        let own = here.choose(entries);
        let Some(chosen) = own.or(first) else {
            return Err(self.odd("platform", "the index has no image".to_owned()));
        };
        let named = chosen.platform.as_ref().map(Platform::to_string);
        let (platform, digest) = (named.as_deref().unwrap_or("any"), &chosen.manifest.digest);
        let missing = match own {
            Some(_) => String::new(),
            None => format!(", since none is for this machine ({here})"),
        };
        let text = format_args!("{platform} of {count}{missing}: {digest}");
        let facts = json!({ "platform": platform, "of": count, "digest": digest });
        self.notes.ok("platform", text, facts);
        Ok(digest.clone())
    }

    async fn config(&self, config: &Descriptor) -> Result<(), Ended> {
        let part = Part::Blob(&config.digest);
        let (body, from) = self.whole("config", part, &config.digest).await?;
        let size = Bytes(body.len() as u64);
        let text = format_args!("{size} from {from}");
        let facts = json!({ "digest": config.digest, "size": size.0, "from": from.to_string() });
        self.notes.ok("config", text, facts);
        Ok(())
    }

    /// The first bytes of a layer, and whether the rest is as long as it should be.
    async fn layer(&self, layer: &Descriptor, (at, of): (usize, usize)) -> Result<(), Ended> {
        let part = Part::Blob(&layer.digest);
        let got = self.ask("layer", part, How::Beginning).await?;
        let empty = got.reply.head.status == 416 && layer.size == 0;
        if empty {
            self.door.done_with(got.reply);
        } else {
            let mut reply = self.good("layer", got.reply, &[200, 206]).await?;
            let range = reply.head.fields.first("content-range");
            let total = range.and_then(total_of_content_range);
            if total.is_some_and(|total| total != layer.size) {
                let what = format!("{} is not as long as its manifest says", layer.digest);
                return Err(self.odd("layer", what));
            }
            if let Err(error) = reply.next().await {
                return Err(self.odd("layer", format!("{}: {error}", layer.digest)));
            }
        }
        let (from, size) = (got.from, Bytes(layer.size));
        let text = format_args!("{at} of {of}, {size} from {from}");
        let facts = json!({
            "index": at, "digest": layer.digest, "size": size.0, "from": from.to_string(),
        });
        self.notes.ok("layer", text, facts);
        Ok(())
    }

    /// A manifest or blob as a whole, checked by its digest, and who has given it.
    async fn whole(
        &self,
        step: &'static str,
        part: Part<'_>,
        version: &str,
    ) -> Result<(Vec<u8>, Origin), Ended> {
        let got = self.ask(step, part, How::Whole).await?;
        let reply = self.good(step, got.reply, &[200]).await?;
        let body = match reply.collect(MAX_READ).await {
            Ok(Some(body)) => body,
            Ok(None) => return Err(self.odd(step, format!("{version} is longer than 4 MiB"))),
            Err(error) => return Err(self.odd(step, format!("{version}: {error}"))),
        };
        if !is_it(&body, version) {
            let what = format!("what came from {} is not {version}", got.from);
            return Err(self.odd(step, what));
        }
        Ok((body, got.from))
    }

    async fn ask(&self, step: &'static str, part: Part<'_>, how: How) -> Result<Got, Ended> {
        let asked = self.door.ask(self.image, part, how).await;
        asked.map_err(|trouble| self.trouble(step, &trouble))
    }

    fn trouble(&self, step: &'static str, trouble: &Trouble) -> Ended {
        let failure = trouble.failure(self.door.side());
        self.notes.failed(step, failure, Value::Null)
    }

    /// The answer, if its status is one of those that are good.
    async fn good(
        &self,
        step: &'static str,
        reply: Box<Reply>,
        good: &[u16],
    ) -> Result<Box<Reply>, Ended> {
        let status = reply.head.status;
        if good.contains(&status) {
            return Ok(reply);
        }
        let wait = text(&reply.head.fields, "retry-after");
        let advice = advice::of_status(
            status,
            self.door.side(),
            self.door.has_account(),
            wait.as_deref(),
        );
        let what = match words(reply).await {
            Some(words) => format!("{}: {status}, {words:?}", self.image),
            None => format!("{}: {status}", self.image),
        };
        let facts = json!({ "status": status, "retry_after": wait });
        Err(self.notes.failed(step, Failure { what, advice }, facts))
    }

    /// What no registry should do.
    fn odd(&self, step: &'static str, what: String) -> Ended {
        let advice =
            "check again; if it stays so, something between changes it, or the registry has it so"
                .to_owned();
        self.notes
            .failed(step, Failure { what, advice }, Value::Null)
    }
}

/// A field that may be shown: in ASCII, and not for long.
pub(super) fn text(fields: &Fields, name: &str) -> Option<String> {
    let value = fields.text(name)?;
    let is_plain = value.len() <= MAX_SHOWN && value.bytes().all(|b| matches!(b, b' '..=b'~'));
    is_plain.then(|| value.to_owned())
}

/// What an answer says is wrong (OCI distribution specification, "Error Codes").
pub(super) async fn words(reply: Box<Reply>) -> Option<String> {
    let body = reply.collect(MAX_WORDS).await.ok()??;
    let body: Value = serde_json::from_slice(&body).ok()?;
    let first = body.get("errors")?.get(0)?;
    let words = first.get("message").filter(|words| words.is_string());
    let words = words.or_else(|| first.get("code"))?.as_str()?;
    Some(words.chars().take(MAX_SHOWN).collect())
}

/// Whether this is what a digest stands for; what is under another name, or by another algorithm, is not looked at.
fn is_it(body: &[u8], version: &str) -> bool {
    let Some(expected) = version.strip_prefix("sha256:") else {
        return true;
    };
    let found = digest(&SHA256, body);
    let found = found.as_ref().iter().map(|byte| format!("{byte:02x}"));
    found.collect::<String>() == expected
}

/// A length, for people.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0..1_000 => write!(f, "{} B", self.0),
            1_000..1_000_000 => write!(f, "{:.1} kB", bytes / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{:.1} MB", bytes / 1e6),
            _ => write!(f, "{:.1} GB", bytes / 1e9),
        }
    }
}
