//! The pull: what an engine asks, step by step, and what is checked at each.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;

use crate::Outcome;
use crate::client::{Client, realm_and_service};
use crate::http::Answer;
use crate::image::{MADE_UP, RECORDED, digest, short};
use crate::origins::{Journal, Origins, SERVICE, TOKEN};
use crate::story::Story;

const REPOSITORY: &str = "library/hello-world";

/// One pull and what is told of it.
pub struct Pull {
    pub story: Story,
    client: Client,
    origins: Origins,
    docxy: String,
}

impl Pull {
    pub fn new(origins: Origins, journal: Arc<Journal>, docxy: SocketAddr) -> Pull {
        Pull {
            story: Story::new(journal),
            client: Client::new(docxy),
            origins,
            docxy: docxy.to_string(),
        }
    }

    /// Who takes part.
    pub fn introduce(&mut self) {
        let Origins {
            registry,
            auth,
            cdn,
        } = self.origins;
        self.story.title("A pull of hello-world through docxy");
        self.story.cast(&[
            ("client", "this program", "knows the address of docxy only"),
            ("docxy", &self.docxy, "the program of this repository"),
            (
                "registry",
                &registry.to_string(),
                "stands for registry-1.docker.io; wants a token",
            ),
            (
                "auth",
                &auth.to_string(),
                "stands for auth.docker.io; gives tokens",
            ),
            (
                "cdn",
                &cdn.to_string(),
                "stands for the CDN; has the blobs, at signed URLs",
            ),
        ]);
    }

    /// `/v2/` and the token.
    pub fn log_in(&mut self) -> Outcome<String> {
        self.story
            .step("The engine asks what the registry wants; docxy puts itself in the realm.");
        let answer = self.ask("GET", "/v2/", None)?;
        let challenge = answer
            .field("www-authenticate")
            .ok_or("no challenge came")?
            .to_owned();
        let (realm, service) = realm_and_service(&challenge).ok_or("the challenge has no realm")?;
        let announced = format!("http://{}", self.docxy);
        self.story
            .check("the status 401 has passed", answer.status == 401);
        self.story.check(
            "the realm points at docxy now",
            realm.starts_with(&announced),
        );
        self.story
            .check("the service is the registry's", service == SERVICE);

        self.story
            .step("The engine asks that realm for a token; docxy asks the token server.");
        let url = format!("{realm}?service={service}&scope=repository%3A{REPOSITORY}%3Apull");
        let answer = self.ask("GET", &url, None)?;
        let body: Value = serde_json::from_slice(&answer.body)?;
        let token = body["token"].as_str().ok_or("no token came")?.to_owned();
        self.story.check("the token has come", token == TOKEN);
        Ok(token)
    }

    /// Tag, index, manifest and configuration as recorded.
    pub fn recorded_image(&mut self, token: &str) -> Outcome<()> {
        self.story
            .step("What is hello-world:latest? A HEAD stays a HEAD: a GET would cost pull quota.");
        let answer = self.ask("HEAD", &manifest("latest"), Some(token))?;
        let index = answer
            .field("docker-content-digest")
            .ok_or("no digest came")?
            .to_owned();
        self.story.check(
            "it is the digest that Docker Hub announced",
            index == RECORDED,
        );

        self.story
            .step("The index, and in it the manifest for linux/amd64.");
        let index = self.verified(&manifest(&index), &index, token)?;
        let chosen = amd64(&index).ok_or("no manifest for linux/amd64")?;
        let recorded = self.verified(&manifest(&chosen), &chosen, token)?;

        self.story
            .step("The image's configuration, a blob: docxy follows the redirect to the CDN.");
        let config = text(&recorded["config"]["digest"])?;
        self.blob(&config, token)?;
        Ok(())
    }

    /// The recorded layer is missing, so another one shows the way of layers.
    pub fn made_up_layer(&mut self, token: &str) -> Outcome<()> {
        self.story.step(
            "A layer. The recorded one (2479 bytes) is not in the recording, so here comes a",
        );
        self.story.more(
            "made-up one under a tag and a manifest of its own. The short name gets its library/.",
        );
        let answer = self.ask(
            "GET",
            &format!("/v2/hello-world/manifests/{MADE_UP}"),
            Some(token),
        )?;
        let made_up: Value = serde_json::from_slice(&answer.body)?;
        self.story.check(
            "the manifest's bytes match the announced digest",
            answer.field("docker-content-digest") == Some(&*digest(&answer.body)),
        );
        let layer = text(&made_up["layers"][0]["digest"])?;
        self.blob(&layer, token)
    }

    /// Whom the client has asked, and how docxy ended.
    pub fn look_back(&mut self, drained: bool) {
        self.story.step("Looking back.");
        let hosts = self.client.hosts();
        self.story.check(
            &format!(
                "{} requests of the client, all of them to docxy",
                self.client.requests()
            ),
            hosts.len() == 1 && hosts.contains(&self.docxy),
        );
        self.story
            .check("docxy stopped with nothing left running", drained);
    }

    /// A blob by way of the CDN.
    fn blob(&mut self, wanted: &str, token: &str) -> Outcome<()> {
        let seen = self.story.told("cdn", |_| true);
        let path = format!("/v2/{REPOSITORY}/blobs/{wanted}");
        let answer = self.ask("GET", &path, Some(token))?;
        self.check_bytes(&answer, wanted);
        let asked = self.story.told("cdn", |_| true) - seen;
        let leaks = self.story.told("cdn", |event| event.authorized);
        self.story.check(
            "docxy went to the CDN, and the client saw no redirect",
            asked == 1 && answer.status == 200 && answer.field("location").is_none(),
        );
        self.story
            .check("docxy kept the token from the CDN", leaks == 0);
        Ok(())
    }

    /// Asks for JSON and checks that its bytes are those of the digest.
    fn verified(&mut self, path: &str, wanted: &str, token: &str) -> Outcome<Value> {
        let answer = self.ask("GET", path, Some(token))?;
        self.check_bytes(&answer, wanted);
        Ok(serde_json::from_slice(&answer.body)?)
    }

    fn check_bytes(&mut self, answer: &Answer, wanted: &str) {
        let found = digest(&answer.body);
        let size = answer.body.len();
        self.story.check(
            &format!("{size} bytes, and their SHA-256 is {}", short(&found)),
            answer.status == 200 && found == wanted,
        );
    }

    fn ask(&mut self, method: &str, url: &str, token: Option<&str>) -> Outcome<Answer> {
        let answer = self.client.ask(method, url, token)?;
        self.story.exchange(method, url, token.is_some(), &answer);
        Ok(answer)
    }
}

fn manifest(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

fn amd64(index: &Value) -> Option<String> {
    let manifests = index["manifests"].as_array()?;
    let found = manifests.iter().find(|entry| {
        entry["platform"]["os"] == "linux" && entry["platform"]["architecture"] == "amd64"
    });
    text(&found?["digest"]).ok()
}

fn text(value: &Value) -> Outcome<String> {
    Ok(value.as_str().ok_or("a digest is missing")?.to_owned())
}
