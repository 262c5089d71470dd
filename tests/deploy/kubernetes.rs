//! The Kubernetes manifests: docxy starts with their arguments and answers their probes, ports and grace periods agree.

use std::path::Path;

use yaml_rust2::Yaml;

use super::docxy::Docxy;
use super::flags::seconds;
use super::wire::tls::Identity;
use super::wire::{Ask, Client};
use super::{text, yaml};

const NODES: &str = "deploy/kubernetes/nodes.yaml";
const REPLICAS: &str = "deploy/kubernetes/replicas.yaml";

fn of_kind(path: &str, kind: &str) -> Yaml {
    let documents = yaml(path);
    let found = documents
        .iter()
        .find(|document| document["kind"].as_str() == Some(kind));
    found
        .unwrap_or_else(|| panic!("no {kind} in {path}"))
        .clone()
}

/// The pod and its one container.
fn pod(path: &str, kind: &str) -> (Yaml, Yaml) {
    let pod = of_kind(path, kind)["spec"]["template"]["spec"].clone();
    let containers = pod["containers"].as_vec().unwrap();
    assert_eq!(containers.len(), 1);
    let container = containers[0].clone();
    (pod, container)
}

/// The value of `--name=` in the container's arguments.
fn argument(container: &Yaml, name: &str) -> String {
    let start = format!("--{name}=");
    let args = container["args"].as_vec().unwrap();
    let found = args
        .iter()
        .filter_map(|arg| arg.as_str().unwrap().strip_prefix(&start));
    let found: Vec<&str> = found.collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0].to_owned()
}

/// docxy with the container's own arguments, but for the port and the directory of the certificate.
fn start(container: &Yaml, directory: &Path) -> Docxy {
    let args: Vec<String> = container["args"]
        .as_vec()
        .unwrap()
        .iter()
        .map(|arg| arg.as_str().unwrap())
        .map(|arg| match arg.strip_prefix("--listen=") {
            Some(listen) => format!("--listen={}", listen.replace(":5000", "127.0.0.1:0")),
            None if arg.starts_with("--admin=") => "--admin=127.0.0.1:0".to_owned(),
            None => arg.replace("=/tls/", &format!("={}/", directory.display())),
        })
        .collect();
    Docxy::start(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn docxy_starts_with_their_arguments_and_answers_their_probes() {
    for (path, kind) in [(NODES, "DaemonSet"), (REPLICAS, "Deployment")] {
        let (_, container) = pod(path, kind);
        let directory = tempfile::tempdir().unwrap();
        let identity = Identity::new();
        let (cert, key) = identity.write(directory.path());
        std::fs::rename(cert, directory.path().join("tls.crt")).unwrap();
        std::fs::rename(key, directory.path().join("tls.key")).unwrap();
        let docxy = start(&container, directory.path());
        for probe in ["livenessProbe", "readinessProbe"] {
            let get = &container[probe]["httpGet"];
            let mut client = match get["scheme"].as_str() {
                Some("HTTPS") => Client::connect_tls(docxy.addr(), identity.client(&[])),
                _ => Client::connect(docxy.addr()),
            };
            let answer = client.ask(&Ask::get(get["path"].as_str().unwrap()));
            assert_eq!(answer.status(), 200, "{probe} in {path}");
            assert_eq!(get["port"].as_str(), container["ports"][0]["name"].as_str());
        }
    }
}

#[test]
fn ports_agree() {
    for (path, kind) in [(NODES, "DaemonSet"), (REPLICAS, "Deployment")] {
        let (_, container) = pod(path, kind);
        let port = container["ports"][0]["containerPort"].as_i64().unwrap();
        let listen = argument(&container, "listen");
        assert!(listen.ends_with(&format!(":{port}")), "{listen} in {path}");
    }
    let service = of_kind(REPLICAS, "Service");
    assert_eq!(
        service["spec"]["ports"][0]["targetPort"].as_str(),
        Some("registry")
    );
}

#[test]
fn prometheus_is_told_where_the_metrics_are() {
    let template = &of_kind(REPLICAS, "Deployment")["spec"]["template"];
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/scrape"].as_str(), Some("true"));
    let (_, container) = pod(REPLICAS, "Deployment");
    let port = &container["ports"][1];
    assert_eq!(port["name"].as_str(), Some("metrics"));
    let number = port["containerPort"].as_i64().unwrap().to_string();
    assert_eq!(annotations["prometheus.io/port"].as_str(), Some(&*number));
    assert_eq!(argument(&container, "admin"), format!(":{number}"));
    let service = of_kind(REPLICAS, "Service");
    assert_eq!(service["spec"]["ports"].as_vec().map(Vec::len), Some(1));
}

#[test]
fn a_stop_may_take_as_long_as_the_drain() {
    for (path, kind) in [(NODES, "DaemonSet"), (REPLICAS, "Deployment")] {
        let (pod, container) = pod(path, kind);
        let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
        let sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64();
        let drain = seconds(&argument(&container, "drain"));
        let needed = i64::try_from(drain).unwrap() + sleep.unwrap_or(0);
        assert!(grace > needed, "{grace} s in {path}, {needed} s needed");
    }
    let (_, replica) = pod(REPLICAS, "Deployment");
    let sleep = &replica["lifecycle"]["preStop"]["sleep"]["seconds"];
    assert_eq!(sleep.as_i64(), Some(5));
}

#[test]
fn nodes_reach_their_own_docxy_and_nobody_else_does() {
    let (_, container) = pod(NODES, "DaemonSet");
    let port = &container["ports"][0];
    let (ip, number) = (port["hostIP"].as_str().unwrap(), port["hostPort"].as_i64());
    assert_eq!(ip, "127.0.0.1");
    let url = format!("http://{ip}:{}", number.unwrap());
    assert_eq!(argument(&container, "public-url"), url);
    let policy = &of_kind(NODES, "NetworkPolicy")["spec"];
    let labels = &of_kind(NODES, "DaemonSet")["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&policy["podSelector"]["matchLabels"], labels);
    assert_eq!(policy["ingress"].as_vec().map(Vec::len), Some(0));
    let hosts = text("deploy/kubernetes/hosts.toml");
    assert!(hosts.contains(&format!("server = \"{url}\"")), "{hosts}");
    assert!(hosts.contains(&format!("[host.\"{url}\"]")), "{hosts}");
}

#[test]
fn one_of_two_replicas_always_runs() {
    let deployment = of_kind(REPLICAS, "Deployment");
    assert_eq!(deployment["spec"]["replicas"].as_i64(), Some(2));
    let budget = of_kind(REPLICAS, "PodDisruptionBudget");
    assert_eq!(budget["spec"]["minAvailable"].as_i64(), Some(1));
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&budget["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&of_kind(REPLICAS, "Service")["spec"]["selector"], labels);
}

#[test]
fn the_certificate_comes_from_a_secret() {
    let (pod, container) = pod(REPLICAS, "Deployment");
    let mount = &container["volumeMounts"][0];
    let (name, at) = (&mount["name"], mount["mountPath"].as_str().unwrap());
    assert_eq!(&pod["volumes"][0]["name"], name);
    assert!(pod["volumes"][0]["secret"]["secretName"].as_str().is_some());
    assert_eq!(argument(&container, "tls-cert"), format!("{at}/tls.crt"));
    assert_eq!(argument(&container, "tls-key"), format!("{at}/tls.key"));
}
