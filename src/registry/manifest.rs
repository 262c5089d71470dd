//! What manifests hold: the images of an index by platform, and an image's config and layers (OCI image specification 1.1,
//! Docker image manifest version 2, schema 2).

use core::fmt;

use serde_json::Value;

use super::name;

/// What a client that pulls takes, most wanted first.
pub const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// An image for each of several platforms.
    Index(Vec<Entry>),
    /// One image.
    Image {
        /// Its config.
        config: Descriptor,
        /// Its layers, the lowest first.
        layers: Vec<Descriptor>,
    },
}

/// What is somewhere else, by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its digest, which is one.
    pub digest: String,
    /// Its length in bytes.
    pub size: u64,
}

/// An image of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its manifest.
    pub manifest: Descriptor,
    /// What it is for.
    pub platform: Option<Platform>,
}

/// What an image is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// Such as `linux`.
    pub os: String,
    /// As Go names it, such as `amd64`.
    pub architecture: String,
    /// Such as `v7`.
    pub variant: Option<String>,
}

/// Why what came is no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoManifest;

impl fmt::Display for NoManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is neither an index nor the manifest of an image")
    }
}

impl Manifest {
    /// Reads one. Whatever digests are in it are of the grammar.
    pub fn parse(body: &[u8]) -> Result<Manifest, NoManifest> {
        let document: Value = serde_json::from_slice(body).map_err(|_| NoManifest)?;
        Manifest::read(&document).ok_or(NoManifest)
    }

    fn read(document: &Value) -> Option<Manifest> {
        if let Some(entries) = document.get("manifests") {
            let entries = entries.as_array()?.iter().map(Entry::read);
            return Some(Manifest::Index(entries.collect::<Option<_>>()?));
        }
        let config = Descriptor::read(document.get("config")?)?;
        let layers = match document.get("layers") {
            Some(layers) => layers
                .as_array()?
                .iter()
                .map(Descriptor::read)
                .collect::<Option<_>>()?,
            None => Vec::new(),
        };
        Some(Manifest::Image { config, layers })
    }
}

impl Descriptor {
    fn read(value: &Value) -> Option<Descriptor> {
        let digest = text(value, "digest").filter(|digest| name::is_digest(digest))?;
        let size = value.get("size")?.as_u64()?;
        Some(Descriptor { digest, size })
    }
}

impl Entry {
    fn read(value: &Value) -> Option<Entry> {
        Some(Entry {
            manifest: Descriptor::read(value)?,
            // Some builders write `null`: whatever is no platform is none.
            platform: value.get("platform").and_then(Platform::read),
        })
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    Some(value.get(key)?.as_str()?.to_owned())
}

impl Platform {
    fn read(value: &Value) -> Option<Platform> {
        Some(Platform {
            os: text(value, "os")?,
            architecture: text(value, "architecture")?,
            variant: text(value, "variant"),
        })
    }

    /// That of this machine; images are for Linux.
    pub fn of_this_machine() -> Platform {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "x86" => ("386", None),
            "powerpc64" => ("ppc64le", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }

    /// The image of an index for this platform: of its own variant, else of none, else of any.
    pub fn choose<'a>(&self, entries: &'a [Entry]) -> Option<&'a Entry> {
        let fitness = |entry: &&Entry| {
            let platform = entry.platform.as_ref()?;
            let fits = platform.os == self.os && platform.architecture == self.architecture;
            fits.then_some(match &platform.variant {
                variant if *variant == self.variant => 0,
                None => 1,
                Some(_) => 2,
            })
        };
        let fitting = entries.iter().filter(|entry| fitness(entry).is_some());
        fitting.min_by_key(fitness)
    }

    /// Whether it is a platform at all: attestations lie beside the images of an index as `unknown/unknown`.
    pub fn is_known(&self) -> bool {
        self.os != "unknown"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(of: u8) -> String {
        format!("sha256:{}", format!("{of:02x}").repeat(32))
    }

    fn entry(of: u8, os: &str, architecture: &str, variant: Option<&str>) -> Entry {
        Entry {
            manifest: Descriptor {
                digest: digest(of),
                size: 1,
            },
            platform: Some(Platform {
                os: os.to_owned(),
                architecture: architecture.to_owned(),
                variant: variant.map(str::to_owned),
            }),
        }
    }

    #[test]
    fn images_and_indexes_are_told_apart() {
        let (one, two) = (digest(1), digest(2));
        let image = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{one}","size":7}},"layers":[{{"digest":"{two}","size":8,"x":1}}]}}"#
        );
        let Ok(Manifest::Image { config, layers }) = Manifest::parse(image.as_bytes()) else {
            panic!("an image");
        };
        assert_eq!((config.digest, config.size), (one.clone(), 7));
        assert_eq!(layers[0].digest, two);
        let index = format!(
            r#"{{"manifests":[{{"digest":"{one}","size":3,"platform":{{"os":"linux","architecture":"arm","variant":"v6"}}}},{{"digest":"{two}","size":4}}]}}"#
        );
        let Ok(Manifest::Index(entries)) = Manifest::parse(index.as_bytes()) else {
            panic!("an index");
        };
        let shown = entries[0].platform.as_ref().unwrap().to_string();
        assert_eq!(
            (shown.as_str(), &entries[1].platform),
            ("linux/arm/v6", &None)
        );
        for platform in [
            "null",
            "{}",
            r#""linux""#,
            r#"{"os":"linux","architecture":null}"#,
        ] {
            let index = format!(
                r#"{{"manifests":[{{"digest":"{one}","size":3,"platform":{platform}}},{{"digest":"{two}","size":4,"platform":{{"os":"linux","architecture":"amd64","variant":null}}}}]}}"#
            );
            let Ok(Manifest::Index(entries)) = Manifest::parse(index.as_bytes()) else {
                panic!("an index, whatever {platform} is");
            };
            assert_eq!(entries[0].platform, None, "{platform}");
            let shown = entries[1].platform.as_ref().unwrap().to_string();
            assert_eq!(shown, "linux/amd64");
        }
        for other in [
            "",
            "{}",
            "[]",
            r#"{"schemaVersion":1,"fsLayers":[]}"#,
            r#"{"config":{"digest":"sha256:1","size":1}}"#,
            r#"{"manifests":[{"digest":"../x","size":1}]}"#,
        ] {
            assert_eq!(
                Manifest::parse(other.as_bytes()),
                Err(NoManifest),
                "{other}"
            );
        }
    }

    #[test]
    fn the_platform_is_chosen_as_engines_do() {
        let entries = [
            entry(0, "unknown", "unknown", None),
            entry(1, "linux", "arm", Some("v6")),
            entry(2, "linux", "arm", Some("v7")),
            entry(3, "linux", "arm64", None),
            entry(4, "windows", "amd64", None),
        ];
        for (architecture, variant, expected) in [
            ("arm", Some("v7"), Some(2)),
            ("arm", Some("v5"), Some(1)),
            ("arm64", Some("v8"), Some(3)),
            ("amd64", None, None),
        ] {
            let platform = Platform {
                os: "linux".to_owned(),
                architecture: architecture.to_owned(),
                variant: variant.map(str::to_owned),
            };
            let chosen = platform
                .choose(&entries)
                .map(|entry| &entry.manifest.digest);
            assert_eq!(chosen, expected.map(digest).as_ref(), "{platform}");
        }
    }
}
