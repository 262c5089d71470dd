//! What is printed: the steps of the pull, who spoke with whom, and what was checked.

use std::sync::Arc;

use crate::http::Answer;
use crate::image::short;
use crate::origins::{Event, Journal};

/// Where the second column begins: what docxy and the origins say to each other.
const INNER: &str = "             ";

/// Tells a pull as it happens, and counts what was wrong.
pub struct Story {
    journal: Arc<Journal>,
    told: Vec<Event>,
    steps: usize,
    right: usize,
    wrong: usize,
}

impl Story {
    pub fn new(journal: Arc<Journal>) -> Story {
        Story {
            journal,
            told: Vec::new(),
            steps: 0,
            right: 0,
            wrong: 0,
        }
    }

    pub fn title(&self, text: &str) {
        println!("{text}\n");
    }

    /// Who takes part: name, address, role.
    pub fn cast(&self, parts: &[(&str, &str, &str)]) {
        for (name, address, role) in parts {
            println!("  {name:<9} {address:<16} {role}");
        }
    }

    pub fn step(&mut self, text: &str) {
        self.steps += 1;
        println!("\n{}. {text}", self.steps);
    }

    /// Another line of the step's text.
    pub fn more(&self, text: &str) {
        println!("   {text}");
    }

    /// The client's request, what docxy did for it meanwhile, and its answer.
    pub fn exchange(&mut self, method: &str, url: &str, authorized: bool, answer: &Answer) {
        println!();
        say("  client --> docxy     ", method, url, authorized);
        for event in self.journal.since(self.told.len()) {
            let (origin, status) = (event.origin, event.status);
            say(
                &format!("{INNER}docxy --> {origin:<9}"),
                &event.method,
                &event.target,
                event.authorized,
            );
            println!("{INNER}docxy <-- {origin:<9} {status}");
            point(event.pointer.as_deref());
            self.told.push(event);
        }
        println!(
            "  client <-- docxy      {}{}",
            answer.status,
            outline(answer)
        );
        let challenge = answer.field("www-authenticate");
        point(
            challenge
                .map(|value| format!("www-authenticate: {value}"))
                .as_deref(),
        );
    }

    /// How many of the requests that an origin has seen so far are such.
    pub fn told(&self, origin: &str, is_such: impl Fn(&Event) -> bool) -> usize {
        let seen = self.told.iter().filter(|event| event.origin == origin);
        seen.filter(|event| is_such(event)).count()
    }

    pub fn check(&mut self, what: &str, is_right: bool) {
        let verdict = if is_right { "ok   " } else { "WRONG" };
        *(if is_right {
            &mut self.right
        } else {
            &mut self.wrong
        }) += 1;
        println!("  {verdict} {what}");
    }

    /// The last line; returns how many checks were wrong.
    pub fn finish(&self) -> usize {
        println!("\n{} checks right, {} wrong.", self.right, self.wrong);
        self.wrong
    }
}

fn say(who: &str, method: &str, url: &str, authorized: bool) {
    let token = if authorized { "  [with token]" } else { "" };
    println!("{who} {method} {}{token}", short(url));
}

fn point(pointer: Option<&str>) {
    if let Some(pointer) = pointer {
        println!("{INNER}    {}", short(pointer));
    }
}

/// What an engine reads in an answer.
fn outline(answer: &Answer) -> String {
    let mut parts = String::new();
    if let Some(kind) = answer.field("content-type") {
        parts += &format!("  {kind}");
    }
    if !answer.body.is_empty() {
        parts += &format!(", {} bytes", answer.body.len());
    }
    if let Some(digest) = answer.field("docker-content-digest") {
        parts += &format!(", {}", short(digest));
    }
    parts
}
