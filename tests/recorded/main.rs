//! Recordings of real clients (`tests/data/clients`) played through docxy: what arrives on either side is what was
//! recorded, apart from [`changes`].
#![allow(clippy::unwrap_used, unreachable_pub)]

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../support/docxy.rs"]
mod docxy;
#[allow(dead_code, unused_imports, reason = "each test binary uses its part")]
#[path = "../support/wire/mod.rs"]
mod wire;

mod changes;
mod player;
mod recording;
mod upstream;

macro_rules! play {
    ($($name:ident: $file:literal,)*) => {
        const PLAYED: &[&str] = &[$($file),*];
        $(#[test]
        fn $name() {
            player::play(include_str!(concat!("../data/clients/", $file)));
        })*
    };
}

play! {
    containerd_2_1_cri_mirror: "containerd-2.1.9-cri-pull-mirror.txt",
    crane_token_anonymous: "crane-0.20.7-pull-token-anon.txt",
    ctr_1_6_mirror: "ctr-1.6.20-pull-mirror-hosts-toml.txt",
    ctr_1_7_token_credentials: "ctr-1.7.24-pull-token-creds.txt",
    ctr_2_1_mirror: "ctr-2.1.9-pull-mirror-hosts-toml.txt",
    ctr_2_1_open_ranges: "ctr-2.1.9-pull-multipart-range.txt",
    docker_20_mirror: "docker-20.10.24-pull-mirror.txt",
    docker_28_containerd_store_mirror: "docker-28.5.2-cs-pull-mirror.txt",
    docker_28_containerd_store_token_credentials: "docker-28.5.2-cs-pull-token-creds.txt",
    docker_28_login: "docker-28.5.2-login-token.txt",
    docker_28_mirror: "docker-28.5.2-pull-mirror.txt",
    docker_28_token_credentials: "docker-28.5.2-pull-token-creds.txt",
    oras_token_anonymous: "oras-1.2.0-pull-token-anon.txt",
    podman_4_mirror: "podman-4.3.1-pull-mirror.txt",
    podman_5_mirror: "podman-5.8.6-pull-mirror.txt",
    skopeo_1_22_token_credentials: "skopeo-1.22.0-pull-token-creds.txt",
    skopeo_1_9_list_tags: "skopeo-1.9.3-list-tags.txt",
    skopeo_1_9_token_anonymous: "skopeo-1.9.3-pull-token-anon.txt",
}

#[test]
fn every_recording_is_played() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/clients");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, PLAYED);
}
