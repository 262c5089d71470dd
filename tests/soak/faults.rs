//! Which request meets which fault. From a gentle repository a pull has to succeed whatever happens, so that nothing happens
//! there that no proxy could hide: two faults in a row without a byte between them, or an error of the registry itself.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

use crate::wire::dice::Dice;

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The body ends after so many thousandths: by FIN.
    Cut(usize),
    /// The same by RST.
    Reset(usize),
    /// The same by silence.
    Stall(usize),
    /// It comes in small pieces.
    Slow,
    /// It comes in chunks.
    Chunked,
    /// The connection is closed after it, unannounced.
    CloseAfter,
    /// What nobody has asked for comes behind it, if it is small.
    Surplus,
    /// There is no answer.
    HangUp,
    /// The status, and for some a `Retry-After`.
    Status(&'static str),
    /// The registry has forgotten the token.
    Unauthorized,
    /// Another part comes than was asked for.
    WrongPart,
    /// The whole comes instead of a part.
    Whole,
    /// The whole is said to be longer than it is.
    Longer,
    /// The length is no number.
    NoLength,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The registry for a manifest.
    Manifest,
    /// The registry for a blob.
    Blob,
    /// The CDN for a blob.
    Cdn,
}

/// A request as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) asked: Asked,
    pub(crate) is_head: bool,
    pub(crate) repository: &'a str,
    pub(crate) digest: &'a str,
    /// Whether a part is asked for, which gentle clients leave to docxy.
    pub(crate) has_range: bool,
    /// Whether the connection has carried another request.
    pub(crate) is_reused: bool,
}

/// Chooses faults.
#[derive(Default)]
pub(crate) struct Faults {
    /// What has met a fault and got no byte since.
    struck: Mutex<HashSet<String>>,
    /// How often each fault was chosen.
    chosen: Mutex<BTreeMap<&'static str, usize>>,
}

const BAD_MOMENTS: [&str; 4] = [
    "502 Bad Gateway",
    "503 Service Unavailable",
    "429 Too Many Requests",
    "403 Forbidden",
];

impl Faults {
    /// The fault that this request meets.
    pub(crate) fn choose(&self, situation: &Situation<'_>, dice: &mut Dice) -> Option<Fault> {
        let fault = self.chance(situation, dice)?;
        *self.chosen.lock().unwrap().entry(name(fault)).or_default() += 1;
        Some(fault)
    }

    /// How often which fault was met.
    pub(crate) fn report(&self) -> String {
        let chosen = self.chosen.lock().unwrap();
        let counts: Vec<_> = chosen
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        counts.join(", ")
    }

    fn chance(&self, situation: &Situation<'_>, dice: &mut Dice) -> Option<Fault> {
        if situation.repository.starts_with("rough") {
            return dice.is_below(20).then(|| rough(dice));
        }
        let key = format!("{}@{}", situation.repository, situation.digest);
        let fault = dice.is_below(40).then(|| gentle(situation, dice))?;
        let mut struck = self.struck.lock().unwrap();
        match fault {
            Some(fault) if brings_nothing(fault) => struck.insert(key).then_some(fault),
            fault => fault,
        }
    }

    /// Notes that bytes of this blob are on their way.
    pub(crate) fn progress(&self, situation: &Situation<'_>) {
        let key = format!("{}@{}", situation.repository, situation.digest);
        self.struck.lock().unwrap().remove(&key);
    }
}

/// What the report calls it.
fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Cut(_) => "cut",
        Fault::Reset(_) => "reset",
        Fault::Stall(_) => "stall",
        Fault::Slow => "slow",
        Fault::Chunked => "chunked",
        Fault::CloseAfter => "closed after",
        Fault::Surplus => "surplus",
        Fault::HangUp => "no answer",
        Fault::Status(status) => status,
        Fault::Unauthorized => "401",
        Fault::WrongPart => "wrong range",
        Fault::Whole => "range ignored",
        Fault::Longer => "length too long",
        Fault::NoLength => "length malformed",
    }
}

/// Whether docxy has one try less after it. What was sent before a reset may be lost with it.
pub(crate) fn brings_nothing(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::Reset(_)
            | Fault::HangUp
            | Fault::Status(_)
            | Fault::Unauthorized
            | Fault::WrongPart
            | Fault::Cut(0)
            | Fault::Stall(0)
    )
}

/// A fault that docxy hides.
fn gentle(situation: &Situation<'_>, dice: &mut Dice) -> Option<Fault> {
    let place = dice.throw(1000);
    let cdn = situation.asked == Asked::Cdn;
    let has_body = situation.asked != Asked::Manifest && !situation.is_head;
    Some(match dice.throw(40) {
        0..=9 if has_body => Fault::Cut(place),
        10..=13 if has_body => Fault::Reset(place),
        14 if has_body => Fault::Stall(place),
        15..=16 if has_body => Fault::Slow,
        17..=18 if !situation.has_range && !situation.is_head => Fault::Chunked,
        19..=22 => Fault::CloseAfter,
        23..=24 if !situation.is_head => Fault::Surplus,
        25..=27 if situation.is_reused => Fault::HangUp,
        28..=33 if cdn && has_body => Fault::Status(dice.pick(&BAD_MOMENTS)),
        34 if situation.has_range && !cdn => Fault::Unauthorized,
        35 if situation.has_range => Fault::WrongPart,
        36..=37 if situation.has_range => Fault::Whole,
        _ => return None,
    })
}

/// Any fault at all.
fn rough(dice: &mut Dice) -> Fault {
    let place = dice.throw(1000);
    match dice.throw(15) {
        0 => Fault::Cut(place),
        1 => Fault::Reset(place),
        2 => Fault::Stall(place),
        3 => Fault::Slow,
        4 => Fault::Chunked,
        5 => Fault::CloseAfter,
        6 => Fault::Surplus,
        7 => Fault::HangUp,
        8 => Fault::Status(dice.pick(&BAD_MOMENTS)),
        9 => Fault::Status("500 Internal Server Error"),
        10 => Fault::Unauthorized,
        11 => Fault::WrongPart,
        12 => Fault::Whole,
        13 => Fault::Longer,
        _ => Fault::NoLength,
    }
}
