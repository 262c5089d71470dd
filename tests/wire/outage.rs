//! An upstream that is down costs one request its tries; the others are told at once, and other upstreams notice nothing.

use crate::docxy::Docxy;
use crate::doorway::Doorway;
use crate::stand::{MANIFEST, get, own_error, start};
use crate::wire::tls::Identity;
use crate::wire::{Answer, Response, Server};

struct Stand {
    door: Doorway,
    _down: Server,
    _up: Server,
    docxy: Docxy,
    _directory: tempfile::TempDir,
}

/// Two upstreams, of which the default one is behind a door that is shut.
fn stand() -> Stand {
    let identity = Identity::new();
    let directory = tempfile::tempdir().unwrap();
    let (roots, _) = identity.write(directory.path());
    // Each answer takes a connection of its own.
    let down = Server::start_tls(identity.server(), |_| {
        let fields = [("Connection", "close")];
        Answer::new("200 OK", &fields, "again").close()
    });
    let up = Server::start(|_| Answer::ok("hello"));
    let door = Doorway::before(down.addr(), usize::MAX);
    let (shut, open) = (
        format!("down.test={}", door.url()),
        format!("up.test={}", up.url()),
    );
    let roots = ["--upstream-ca", roots.to_str().unwrap()];
    let docxy = start(&[&["--upstream", &shut, "--upstream", &open], &roots[..]].concat());
    Stand {
        door,
        _down: down,
        _up: up,
        docxy,
        _directory: directory,
    }
}

/// Whether docxy has answered from memory.
fn is_remembered(response: &Response) -> bool {
    response.text().contains("a moment ago")
}

#[test]
fn a_failure_is_remembered_by_all_workers_and_for_its_upstream_alone() {
    let stand = stand();
    let first = get(&stand.docxy, MANIFEST);
    assert_eq!(
        (first.status(), stand.door.knocks()),
        (502, 3),
        "three tries"
    );
    // More clients at once than there are workers.
    let answers: Vec<Response> = (0..8).map(|_| get(&stand.docxy, MANIFEST)).collect();
    let remembered: Vec<_> = answers
        .iter()
        .filter(|answer| is_remembered(answer))
        .collect();
    assert!(stand.door.knocks() <= 4, "at most one who has to find out");
    assert!(remembered.len() >= 7, "{answers:#?}");
    for answer in remembered {
        own_error(answer, 503);
        assert!(
            answer
                .head
                .one("retry-after")
                .unwrap()
                .parse::<u32>()
                .is_ok()
        );
        assert!(answer.text().contains("no TLS"), "{}", answer.text());
    }
    assert_eq!(
        get(&stand.docxy, "/v2/up.test/a/b/manifests/latest").text(),
        "hello"
    );
}

#[test]
fn one_request_finds_out_whether_it_is_over() {
    let stand = stand();
    assert_eq!(get(&stand.docxy, MANIFEST).status(), 502);
    for finding_out in 1..=2 {
        let answer = std::iter::repeat_with(|| get(&stand.docxy, MANIFEST))
            .find(|answer| !is_remembered(answer))
            .unwrap();
        assert_eq!(answer.status(), 502);
        assert_eq!(stand.door.knocks(), 3 + finding_out, "one try");
    }
    stand.door.open();
    let answer = std::iter::repeat_with(|| get(&stand.docxy, MANIFEST))
        .find(|answer| !is_remembered(answer))
        .unwrap();
    assert_eq!(answer.text(), "again");
    let next = get(&stand.docxy, MANIFEST);
    assert_eq!(next.text(), "again", "the failure is forgotten");
}
