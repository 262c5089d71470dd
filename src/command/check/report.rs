//! What a check finds, step by step: as lines for people, or as one JSON document.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What is checked, step by step in order: an upstream, or a docxy from a client's side.
#[derive(Debug)]
pub(super) struct Checked {
    /// What it is called.
    pub(super) name: String,
    /// Where it is, if that is known.
    pub(super) url: Option<String>,
    /// Whether all its steps are.
    ok: bool,
    steps: Vec<Step>,
    coming: UnboundedReceiver<Step>,
}

/// A step.
#[derive(Debug)]
pub(super) struct Step {
    step: &'static str,
    ok: bool,
    ms: u64,
    /// What was found, or what happened to what.
    text: String,
    /// What to do; for a step that has failed.
    advice: Option<String>,
    /// The same facts as in the text, by name.
    facts: Value,
}

/// Why a step has failed, and what to do.
#[derive(Debug)]
pub(super) struct Failure {
    /// What happened to what.
    pub(super) what: String,
    /// What to do.
    pub(super) advice: String,
}

/// A check that cannot go on; why has been noted.
#[derive(Debug)]
pub(super) struct Ended;

/// Where the steps of one check are noted.
#[derive(Debug)]
pub(super) struct Notes {
    steps: UnboundedSender<Step>,
    /// When the last step ended.
    since: Mutex<Instant>,
}

impl Checked {
    /// One that has not begun.
    pub(super) fn new(name: String, url: Option<String>) -> (Checked, Notes) {
        let (steps, coming) = unbounded_channel();
        let checked = Checked {
            name,
            url,
            ok: true,
            steps: Vec::new(),
            coming,
        };
        let since = Mutex::new(Instant::now());
        (checked, Notes { steps, since })
    }

    /// Waits for its end; each step is told to `each` as it comes.
    pub(super) async fn finish(
        mut self,
        mut each: impl FnMut(&Step) -> io::Result<()>,
    ) -> io::Result<Checked> {
        while let Some(step) = self.coming.recv().await {
            each(&step)?;
            self.ok &= step.ok;
            self.steps.push(step);
        }
        Ok(self)
    }

    fn document(&self) -> Value {
        let steps: Vec<Value> = self.steps.iter().map(Step::document).collect();
        json!({ "name": self.name, "url": self.url, "ok": self.ok, "steps": steps })
    }

    /// How many of its steps have failed.
    pub(super) fn failed(&self) -> usize {
        self.steps.iter().filter(|step| !step.ok).count()
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Some(url) => write!(f, "{} at {url}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.ok { "ok" } else { "FAILED" };
        let (step, ms, text) = (self.step, self.ms, &self.text);
        write!(f, "  {step:<9} {mark:<6} {ms:>6} ms  {text}")?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl Step {
    fn document(&self) -> Value {
        json!({
            "step": self.step,
            "ok": self.ok,
            "ms": self.ms,
            "text": self.text,
            "advice": self.advice,
            "facts": self.facts,
        })
    }
}

impl Notes {
    /// A step that is well, since the last one.
    pub(super) fn ok(&self, step: &'static str, text: impl fmt::Display, facts: Value) {
        let took = self.lap();
        self.ok_in(step, took, text, facts);
    }

    /// A step that is well and took so long.
    pub(super) fn ok_in(
        &self,
        step: &'static str,
        took: Duration,
        text: impl fmt::Display,
        facts: Value,
    ) {
        self.lap();
        self.note(Step {
            step,
            ok: true,
            ms: millis(took),
            text: text.to_string(),
            advice: None,
            facts,
        });
    }

    /// A step that has failed, since the last one. Returns what ends the check.
    pub(super) fn failed(&self, step: &'static str, failure: Failure, facts: Value) -> Ended {
        let ms = millis(self.lap());
        self.note(Step {
            step,
            ok: false,
            ms,
            text: failure.what,
            advice: Some(failure.advice),
            facts,
        });
        Ended
    }

    fn note(&self, mut step: Step) {
        if step.facts.is_null() {
            step.facts = json!({});
        }
        // Where nobody listens any more there is nobody to tell.
        let _ = self.steps.send(step);
    }

    fn lap(&self) -> Duration {
        let now = Instant::now();
        let mut since = self.since();
        let took = now.duration_since(*since);
        *since = now;
        took
    }

    fn since(&self) -> MutexGuard<'_, Instant> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Prints what is checked as it goes, one after another, and says how many steps have failed.
pub(super) async fn print(checks: Vec<Checked>) -> io::Result<usize> {
    let mut failed = 0;
    for checked in checks {
        say(format_args!("{checked}"))?;
        let finished = checked.finish(|step| say(format_args!("{step}"))).await?;
        failed += finished.failed();
    }
    Ok(failed)
}

fn say(line: fmt::Arguments<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Prints all of it as one JSON document, and says how many steps have failed.
pub(super) async fn print_json(checks: Vec<Checked>) -> io::Result<usize> {
    let mut done = Vec::new();
    for checked in checks {
        done.push(checked.finish(|_| Ok(())).await?);
    }
    let failed = done.iter().map(Checked::failed).sum();
    let done: Vec<Value> = done.iter().map(Checked::document).collect();
    let document = json!({ "ok": failed == 0, "checked": done });
    say(format_args!("{document}"))?;
    Ok(failed)
}
