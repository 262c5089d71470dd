//! Upstreams as they are written, and the presets.

use super::super::presets::PRESETS;
use super::*;

#[test]
fn upstreams_are_read() {
    let cases = [
        ("docker.io", "docker.io", "https://registry-1.docker.io"),
        (
            "index.docker.io",
            "docker.io",
            "https://registry-1.docker.io",
        ),
        ("GHCR.io", "ghcr.io", "https://ghcr.io"),
        ("hub=docker.io", "hub", "https://registry-1.docker.io"),
        (
            "docker.io=https://mirror.gcr.io",
            "docker.io",
            "https://mirror.gcr.io",
        ),
        (
            "docker.io=mirror.gcr.io",
            "docker.io",
            "https://mirror.gcr.io",
        ),
        (
            "https://harbor.corp:8443/",
            "harbor.corp:8443",
            "https://harbor.corp:8443",
        ),
        (
            "http://127.0.0.1:5100",
            "127.0.0.1:5100",
            "http://127.0.0.1:5100",
        ),
        ("harbor.corp", "harbor.corp", "https://harbor.corp"),
        (
            "harbor.corp:5000",
            "harbor.corp:5000",
            "https://harbor.corp:5000",
        ),
        ("http://harbor.corp:80", "harbor.corp", "http://harbor.corp"),
        ("http://[::1]:5000", "[::1]:5000", "http://[::1]:5000"),
        ("My_Reg-1=https://a.test", "My_Reg-1", "https://a.test"),
    ];
    for (text, name, origin) in cases {
        let parsed = Upstream::parse(text).unwrap();
        assert_eq!(parsed.len(), 1, "{text}");
        assert_eq!(
            (
                parsed[0].name.as_str(),
                parsed[0].origin.to_string().as_str()
            ),
            (name, origin),
            "{text}"
        );
    }
}

#[test]
fn each_preset_has_its_url_and_its_names() {
    let expected = [
        (
            &["docker.io", "index.docker.io", "registry-1.docker.io"][..],
            "https://registry-1.docker.io",
        ),
        (&["ghcr.io"], "https://ghcr.io"),
        (&["quay.io"], "https://quay.io"),
        (&["gcr.io"], "https://gcr.io"),
        (&["registry.k8s.io"], "https://registry.k8s.io"),
        (&["mcr.microsoft.com"], "https://mcr.microsoft.com"),
        (&["nvcr.io"], "https://nvcr.io"),
        (&["public.ecr.aws"], "https://public.ecr.aws"),
    ];
    assert_eq!(PRESETS.len(), expected.len());
    let all = table(&["all"]).unwrap();
    for (at, (names, url)) in expected.into_iter().enumerate() {
        for name in names {
            for written in [(*name).to_owned(), name.to_ascii_uppercase()] {
                let alone = Upstream::parse(&written).unwrap();
                let [upstream] = &alone[..] else {
                    panic!("{written}: {alone:?}");
                };
                assert_eq!(upstream.name, names[0], "{written}");
                assert_eq!(upstream.origin.to_string(), url, "{written}");
                assert_eq!(upstream.is_docker_hub(), at == 0, "{written}");
                assert_eq!(found(&all, &written), Some(names[0]), "{written}");
            }
        }
        assert_eq!(all.get(all.ids().nth(at).unwrap()).name, names[0]);
    }
}

#[test]
fn all_is_every_preset_and_docker_hub_first() {
    let all = Upstream::parse("all").unwrap();
    assert_eq!(all.len(), PRESETS.len());
    assert_eq!(all[0].name, "docker.io");
    assert!(Table::new(all).is_ok());
    let ghcr_first = table(&["ghcr.io", "all"]).unwrap();
    assert_eq!(
        ghcr_first.get(ghcr_first.default_upstream()).name,
        "ghcr.io"
    );
    assert_eq!(ghcr_first.ids().count(), PRESETS.len());
}

#[test]
fn bad_upstreams_are_refused() {
    let names = [
        "=https://a.test",
        "a b=https://a.test",
        "..=https://a.test",
        "-x=https://a.test",
        "a%2f=https://b.test",
    ];
    for text in names {
        assert!(
            matches!(Upstream::parse(text), Err(TableError::Name(_))),
            "{text}"
        );
    }
    let urls = [
        "",
        "a=",
        "https://a.test/v2",
        "https://a.test/?x=y",
        "ftp://a.test",
        "https://",
        "a.test/path",
        "a..b",
        "https://a.test:0",
        "https://u:secret@a.test",
        "2130706433",
    ];
    for text in urls {
        assert!(
            matches!(Upstream::parse(text), Err(TableError::Url { .. })),
            "{text}"
        );
    }
    let message = Upstream::parse("https://u:secret@a.test")
        .unwrap_err()
        .to_string();
    assert!(!message.contains("secret"), "{message}");
    let message = Upstream::parse("u:secret@a.test").unwrap_err().to_string();
    assert!(!message.contains("secret"), "{message}");
}

#[test]
fn docker_hub_is_known_by_its_name_only() {
    let cases = [
        ("docker.io", true),
        ("Docker.IO=http://127.0.0.1:5100", true),
        ("index.docker.io=https://mirror.test", true),
        ("https://registry-1.docker.io", true),
        ("hub=https://registry-1.docker.io", false),
        ("ghcr.io", false),
    ];
    for (text, expected) in cases {
        assert_eq!(
            Upstream::parse(text).unwrap()[0].is_docker_hub(),
            expected,
            "{text}"
        );
    }
}
