//! What was found: medians, what they are beside each other, and whether goals were met.

use crate::cases::Case;
use crate::figure::{Figure, Goal};
use crate::proxies::{Kind, Proxy};
use crate::rounds::Outcome;

/// What CPU time may be of the relay's.
const OF_RELAY: f64 = 1.15;

/// Everything that a run has found.
pub(crate) struct Results {
    /// The columns.
    pub(crate) proxies: Vec<Proxy>,
    /// The lines, in the order of the cases.
    pub(crate) lines: Vec<Line>,
    /// Why figures are missing: case, proxy and reason.
    pub(crate) failures: Vec<String>,
}

/// One figure of one case.
pub(crate) struct Line {
    /// The case's name.
    pub(crate) case: String,
    /// What was measured.
    pub(crate) figure: Figure,
    /// What docxy wants to reach.
    pub(crate) goal: Option<Goal>,
    /// The rounds of each proxy, sorted; none where the case is not for it or has failed.
    pub(crate) rounds: Vec<Vec<f64>>,
    /// Which proxies have failed.
    pub(crate) failed: Vec<bool>,
}

impl Results {
    /// For these proxies.
    pub(crate) fn new(proxies: &[Proxy]) -> Results {
        Results {
            proxies: proxies.to_vec(),
            lines: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Takes what a case has shown.
    pub(crate) fn add(&mut self, case: &Case, outcomes: &[Option<Outcome>]) {
        for (proxy, outcome) in self.proxies.iter().zip(outcomes) {
            if let Some(Err(error)) = outcome {
                self.failures
                    .push(format!("{}: {}: {error}", case.name, proxy.name));
            }
        }
        for (index, quantity) in case.quantities.iter().enumerate() {
            self.lines.push(Line {
                case: case.name.clone(),
                figure: quantity.figure,
                goal: quantity.goal.clone(),
                failed: outcomes
                    .iter()
                    .map(|outcome| matches!(outcome, Some(Err(_))))
                    .collect(),
                rounds: outcomes
                    .iter()
                    .map(|outcome| figures(outcome.as_ref(), index))
                    .collect(),
            });
        }
    }

    /// The column of a kind of proxy.
    pub(crate) fn column(&self, kind: &Kind) -> Option<usize> {
        self.proxies.iter().position(|proxy| proxy.kind == *kind)
    }

    /// Whether the proxy in this column has reached the line's goal: no answer where there is none, or nothing to compare with.
    pub(crate) fn is_met(&self, line: &Line, column: usize) -> Option<bool> {
        let own = line.median(column)?;
        let nginx = || line.median(self.column(&Kind::Nginx)?);
        let other = |name: &str| {
            let mut lines = self.lines.iter();
            lines
                .find(|other| other.case == name && other.figure == line.figure)?
                .median(column)
        };
        Some(match line.goal.as_ref()? {
            Goal::OfNginx(most) => own <= most * nginx()?,
            Goal::OverNginx(least) => own >= least * nginx()?,
            Goal::AtMost(most) => own <= *most,
            Goal::OfCase(most, name) => own <= most * other(name)?,
            Goal::Flat(most, name) => own <= most * other(name)? && own >= other(name)? / most,
        })
    }

    /// Whether CPU time in this column is below that of nginx and HAProxy, and near that of the relay.
    pub(crate) fn is_ahead(&self, line: &Line, column: usize) -> Option<bool> {
        if !matches!(line.figure, Figure::CpuPerRequest | Figure::CpuPerGb) {
            return None;
        }
        let own = line.median(column)?;
        let limits = [
            (Kind::Nginx, 1.0),
            (Kind::Haproxy, 1.0),
            (Kind::Relay, OF_RELAY),
        ];
        let mut others = limits
            .iter()
            .filter_map(|(kind, most)| Some(most * line.median(self.column(kind)?)?));
        Some(others.all(|limit| own <= limit))
    }
}

impl Line {
    /// The median of a proxy's rounds.
    pub(crate) fn median(&self, column: usize) -> Option<f64> {
        let rounds = &self.rounds[column];
        let middle = rounds.len() / 2;
        match rounds.len() {
            0 => None,
            count if count % 2 == 1 => Some(rounds[middle]),
            _ => Some(f64::midpoint(rounds[middle - 1], rounds[middle])),
        }
    }

    /// A proxy's median as a multiple of another's.
    pub(crate) fn ratio(&self, column: usize, to: usize) -> Option<f64> {
        let ratio = self.median(column)? / self.median(to)?;
        ratio.is_finite().then_some(ratio)
    }
}

fn figures(outcome: Option<&Outcome>, index: usize) -> Vec<f64> {
    let Some(Ok(rounds)) = outcome else {
        return Vec::new();
    };
    let mut figures: Vec<f64> = rounds.iter().map(|round| round[index]).collect();
    figures.sort_by(f64::total_cmp);
    figures
}
