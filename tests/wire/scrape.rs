//! What `/metrics` says, read as strictly as the exposition format has it (version 0.0.4).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::docxy::Docxy;
use crate::wire::{Ask, client};

/// All series of a scrape with their values. A series is its name, and its labels in alphabetical order.
#[derive(Debug)]
pub struct Scrape {
    series: BTreeMap<String, f64>,
}

/// Where docxy serves its operator.
pub fn admin(docxy: &Docxy) -> SocketAddr {
    let line = docxy.wait_for_line("metrics at http://");
    let (_, rest) = line.split_once("http://").unwrap();
    let (address, _) = rest.split_once('/').unwrap();
    address.parse().unwrap()
}

/// Scrapes docxy.
pub fn scrape(docxy: &Docxy) -> Scrape {
    let response = client::ask(admin(docxy), &Ask::get("/metrics")).complete();
    assert_eq!(response.status(), 200, "{}", response.text());
    let content_type = response.head.one("content-type");
    assert_eq!(
        content_type,
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    Scrape::read(&response.text()).unwrap_or_else(|why| panic!("{why}"))
}

impl Scrape {
    /// The value of a series; 0 if it is not shown.
    pub fn value(&self, series: &str) -> f64 {
        self.get(series).unwrap_or_default()
    }

    /// The value of a series that is shown.
    pub fn get(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    /// The names and labels of all series.
    pub fn names(&self) -> BTreeSet<&str> {
        self.series.keys().map(String::as_str).collect()
    }

    /// Each series of a family whose value has changed since an earlier scrape, and by how much.
    pub fn changes(&self, before: &Scrape, family: &str) -> BTreeMap<&str, f64> {
        let of_family = |name: &str| {
            let rest = name.strip_prefix(family);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        };
        let change = |(name, value): (&'_ String, &f64)| value - before.value(name);
        let all = self.series.iter().filter(|(name, _)| of_family(name));
        all.map(|pair| (pair.0.as_str(), change(pair)))
            .filter(|(_, change)| *change != 0.0)
            .collect()
    }

    /// Reads a text, or says what is wrong with it.
    pub fn read(text: &str) -> Result<Scrape, String> {
        let mut reader = Reader::default();
        if !text.ends_with('\n') {
            return Err("it does not end with a line feed".to_owned());
        }
        for line in text.lines() {
            reader.line(line).map_err(|why| format!("{why}: {line}"))?;
        }
        reader.check_histograms()?;
        Ok(Scrape {
            series: reader.series,
        })
    }
}

#[derive(Default)]
struct Reader {
    series: BTreeMap<String, f64>,
    /// By name: all families so far.
    kinds: BTreeMap<String, String>,
    helped: BTreeSet<String>,
    /// The family to which the next samples belong.
    family: String,
    /// By the series without `le`: bounds and counts in the order in which they came.
    buckets: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("no text")?;
            check(is_name(name) && !help.is_empty(), "malformed HELP")?;
            return check(self.helped.insert(name.to_owned()), "a second HELP");
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            check(
                is_name(name) && self.helped.contains(name),
                "no HELP before",
            )?;
            let is_kind = matches!(kind, "counter" | "gauge" | "histogram");
            check(is_kind, "unknown type")?;
            check(
                (kind == "counter") == name.ends_with("_total"),
                "only counters are totals",
            )?;
            name.clone_into(&mut self.family);
            let is_new = self.kinds.insert(name.to_owned(), kind.to_owned());
            return check(is_new.is_none(), "a family in two places");
        }
        check(!line.starts_with('#') && !line.is_empty(), "neither")?;
        self.sample(line)
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let (series, value) = line.rsplit_once(' ').ok_or("no value")?;
        let value: f64 = value.parse().map_err(|_| "no number")?;
        let (name, mut labels) = split(series)?;
        let suffix = name.strip_prefix(&*self.family).ok_or("another family")?;
        let kind = self.kinds.get(&self.family).ok_or("no TYPE before")?;
        let is_of_kind = match suffix {
            "" => kind != "histogram",
            "_sum" | "_count" | "_bucket" => kind == "histogram",
            _ => false,
        };
        check(is_of_kind, "no sample of this type")?;
        let le = labels.remove("le");
        check(le.is_some() == (suffix == "_bucket"), "le out of place")?;
        if let Some(le) = le {
            let bound = if le == "+Inf" {
                f64::INFINITY
            } else {
                le.parse().map_err(|_| "le")?
            };
            let of = written(&self.family, &labels);
            self.buckets.entry(of).or_default().push((bound, value));
            return Ok(());
        }
        let is_new = self.series.insert(written(name, &labels), value);
        check(is_new.is_none(), "the same series again")
    }

    /// Buckets grow in order up to infinity, where they hold all that were counted.
    fn check_histograms(&self) -> Result<(), String> {
        for (of, buckets) in &self.buckets {
            let grow = buckets
                .windows(2)
                .all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1);
            let (name, labels) = of.split_once('{').map_or((&**of, ""), |both| both);
            let with = |suffix: &str| match labels {
                "" => format!("{name}{suffix}"),
                labels => format!("{name}{suffix}{{{labels}"),
            };
            let count = self.series.get(&with("_count"));
            let is_whole = buckets.last() == count.map(|&count| (f64::INFINITY, count)).as_ref();
            let has_sum = self.series.contains_key(&with("_sum"));
            check(grow && is_whole && has_sum, &format!("{of} {buckets:?}"))?;
        }
        Ok(())
    }
}

fn check(is_sound: bool, why: &str) -> Result<(), String> {
    is_sound.then_some(()).ok_or_else(|| why.to_owned())
}

fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

/// The name and the labels of a series.
fn split(series: &str) -> Result<(&str, BTreeMap<String, String>), String> {
    let mut labels = BTreeMap::new();
    let Some((name, rest)) = series.split_once('{') else {
        check(is_name(series), "malformed name")?;
        return Ok((series, labels));
    };
    check(is_name(name), "malformed name")?;
    let mut rest = rest.strip_suffix('}').ok_or("no }")?;
    loop {
        let (label, value) = rest.split_once("=\"").ok_or("no label")?;
        check(is_name(label) && !label.contains(':'), "malformed label")?;
        let (value, after) = quoted(value)?;
        let is_new = labels.insert(label.to_owned(), value);
        check(is_new.is_none(), "the same label again")?;
        if after.is_empty() {
            return Ok((name, labels));
        }
        rest = after.strip_prefix(',').ok_or("no comma")?;
    }
}

/// A value up to its closing quote, and what follows.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                _ => return Err("an escape that there is not".to_owned()),
            },
            c => value.push(c),
        }
    }
    Err("no closing quote".to_owned())
}

fn written(name: &str, labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
    match labels.as_slice() {
        [] => name.to_owned(),
        labels => format!("{name}{{{}}}", labels.join(",")),
    }
}

#[test]
fn the_reader_takes_what_is_sound_and_nothing_else() {
    let head = "# HELP a_total x\n# TYPE a_total counter\n";
    let sound = format!("{head}a_total{{y=\"\\\"\\\\\",x=\"1\"}} 2\na_total 3.5\n");
    let read = Scrape::read(&sound).unwrap();
    assert_eq!(read.value("a_total{x=\"1\",y=\"\\\"\\\\\"}"), 2.0);
    assert_eq!(read.names().len(), 2);
    let histogram = "# HELP h x\n# TYPE h histogram\n";
    for unsound in [
        "a_total 1\n".to_owned(),
        "# TYPE a_total counter\n".to_owned(),
        "# HELP a x\n# TYPE a counter\na 1\n".to_owned(),
        format!("{head}a_total 1"),
        format!("{head}a_total x\n"),
        format!("{head}b_total 1\n"),
        format!("{head}a_total 1\na_total 1\n"),
        format!("{head}a_total{{x=\"1}} 1\n"),
        format!("{head}a_total{{x=\"\\t\"}} 1\n"),
        format!("{head}a_total{{x=\"1\"y=\"2\"}} 1\n"),
        format!("{head}a_total{{}} 1\n"),
        format!("{head}# EOF\n"),
        format!("{head}{head}"),
        format!("{histogram}h 1\n"),
        format!("{histogram}h_sum 1\nh_count 2\nh_bucket{{le=\"1\"}} 2\n"),
        format!(
            "{histogram}h_sum 1\nh_count 1\nh_bucket{{le=\"1\"}} 2\nh_bucket{{le=\"+Inf\"}} 1\n"
        ),
        format!("{histogram}h_count 1\nh_bucket{{le=\"+Inf\"}} 1\n"),
    ] {
        assert!(Scrape::read(&unsound).is_err(), "{unsound}");
    }
}
