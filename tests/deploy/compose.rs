//! The compose file and the Dockerfile: they agree with each other and with docxy.

use super::flags::{DRAIN, assert_variables, seconds};
use super::{text, yaml};

#[test]
fn the_compose_file_agrees_with_docxy() {
    let compose = &yaml("deploy/compose.yaml")[0];
    let docxy = &compose["services"]["docxy"];
    let environment = docxy["environment"].as_hash().unwrap();
    assert_variables(environment.keys().map(|name| name.as_str().unwrap()));
    let grace = docxy["stop_grace_period"].as_str().unwrap();
    assert!(seconds(grace) > DRAIN, "{grace}");

    let listen = docxy["environment"]["DOCXY_LISTEN"].as_str().unwrap();
    let port = docxy["ports"][0].as_str().unwrap();
    assert!(port.ends_with(listen), "{port} leads to {listen}");
    let (host, _) = port.rsplit_once(':').unwrap();
    let url = docxy["environment"]["DOCXY_PUBLIC_URL"].as_str().unwrap();
    assert_eq!(url, format!("http://{host}"));
    for volume in docxy["volumes"].as_vec().unwrap() {
        let (name, _) = volume.as_str().unwrap().split_once(':').unwrap();
        assert!(!compose["volumes"][name].is_badvalue(), "{name}");
    }
}

#[test]
fn both_ask_for_health_in_the_same_way() {
    let docxy = &yaml("deploy/compose.yaml")[0]["services"]["docxy"];
    let asked: Vec<String> = docxy["healthcheck"]["test"]
        .as_vec()
        .unwrap()
        .iter()
        .skip(1)
        .map(|part| format!("{:?}", part.as_str().unwrap()))
        .collect();
    let dockerfile = text("deploy/Dockerfile");
    let check = format!("CMD [{}]", asked.join(", "));
    assert!(dockerfile.contains(&check), "{check}");
}

#[test]
fn the_image_is_the_binary_and_nothing_runs_as_root() {
    let dockerfile = text("deploy/Dockerfile");
    let lines: Vec<&str> = dockerfile.lines().collect();
    for line in [
        "FROM scratch",
        "USER 65532:65532",
        "STOPSIGNAL SIGTERM",
        "ENTRYPOINT [\"/docxy\"]",
    ] {
        assert!(lines.contains(&line), "{line}");
    }
    let variables = lines
        .iter()
        .filter_map(|line| line.strip_prefix("ENV "))
        .flat_map(|pairs| pairs.split(' '))
        .filter_map(|pair| pair.split_once('='));
    assert_variables(variables.map(|(name, _)| name));
}
