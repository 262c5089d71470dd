//! Registries that are known by name. What stands here is all that docxy knows of them.

/// A registry that is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Preset {
    /// What image references call it.
    pub(super) name: &'static str,
    /// Where it answers.
    pub(super) url: &'static str,
    /// Its other names, which are one with the first.
    pub(super) synonyms: &'static [&'static str],
}

/// All that are known; the order is that of `all`.
pub(super) const PRESETS: [Preset; 8] = [
    Preset {
        name: DOCKER_HUB,
        url: "https://registry-1.docker.io",
        // The one of its logins, and the one of its registry.
        synonyms: &["index.docker.io", "registry-1.docker.io"],
    },
    Preset::at("ghcr.io", "https://ghcr.io"),
    Preset::at("quay.io", "https://quay.io"),
    Preset::at("gcr.io", "https://gcr.io"),
    Preset::at("registry.k8s.io", "https://registry.k8s.io"),
    Preset::at("mcr.microsoft.com", "https://mcr.microsoft.com"),
    Preset::at("nvcr.io", "https://nvcr.io"),
    Preset::at("public.ecr.aws", "https://public.ecr.aws"),
];

/// The name of Docker Hub in image references.
pub(super) const DOCKER_HUB: &str = "docker.io";

/// Stands for every preset where one upstream is asked for.
pub(super) const ALL: &str = "all";

impl Preset {
    const fn at(name: &'static str, url: &'static str) -> Preset {
        Preset {
            name,
            url,
            synonyms: &[],
        }
    }

    /// The one that is called so, without case.
    pub(super) fn find(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.is_called(name))
    }

    fn is_called(&self, name: &str) -> bool {
        let mut names = core::iter::once(&self.name).chain(self.synonyms);
        names.any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The one name for all names of a preset; any other name as it is.
pub(super) fn canonical(name: &str) -> &str {
    Preset::find(name).map_or(name, |preset| preset.name)
}
