//! Metrics on their way to whoever scrapes them: gathered in families, written as Prometheus' text (exposition formats,
//! version 0.0.4).

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::histogram::Durations;

/// The type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family's values are.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// They only grow.
    Counter,
    /// They come and go.
    Gauge,
    /// They are distributions.
    Histogram,
}

/// Families of metrics.
#[derive(Debug, Default)]
pub struct Families {
    all: Vec<Family>,
}

/// Metrics of one name.
#[derive(Debug)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: Type,
    samples: Vec<(Labels, Value)>,
}

type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
enum Value {
    Integer(u64),
    Decimal(f64),
    Durations(Durations),
}

impl Families {
    /// Begins a family.
    pub fn family(&mut self, name: &'static str, kind: Type, help: &'static str) -> &mut Family {
        self.all.push(Family {
            name,
            help,
            kind,
            samples: Vec::new(),
        });
        self.all.last_mut().expect("one was pushed just now")
    }

    /// The text.
    pub fn text(self) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(self));
        // A string takes all that is written.
        let _ = encode_registry(&mut text, &registry);
        text
    }
}

impl Family {
    /// Adds a number without labels.
    pub fn integer(&mut self, value: u64) {
        self.labelled([], value);
    }

    /// Adds a decimal number without labels.
    pub fn decimal(&mut self, value: f64) {
        self.samples.push((Vec::new(), Value::Decimal(value)));
    }

    /// Adds a number with labels.
    pub fn labelled<const N: usize>(&mut self, labels: [(&'static str, &str); N], value: u64) {
        self.samples.push((owned(labels), Value::Integer(value)));
    }

    /// Adds durations with labels.
    pub(super) fn durations<const N: usize>(
        &mut self,
        labels: [(&'static str, &str); N],
        durations: Durations,
    ) {
        self.samples
            .push((owned(labels), Value::Durations(durations)));
    }
}

fn owned<const N: usize>(labels: [(&'static str, &str); N]) -> Labels {
    let owned = labels.into_iter();
    owned
        .map(|(name, value)| (name, value.to_owned()))
        .collect()
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.all {
            let kind = match family.kind {
                Type::Counter => MetricType::Counter,
                Type::Gauge => MetricType::Gauge,
                Type::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for (labels, value) in &family.samples {
                if labels.is_empty() {
                    value.encode(&mut metric)?;
                } else {
                    value.encode(&mut metric.encode_family(labels)?)?;
                }
            }
        }
        Ok(())
    }
}

impl Value {
    /// Counters are written as gauges are: the encoder's counters are those of OpenMetrics, whose family's name lacks the
    /// `_total` of its values.
    fn encode(&self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Value::Integer(value) => metric.encode_gauge(value),
            Value::Decimal(value) => metric.encode_gauge(value),
            Value::Durations(durations) => {
                let (sum, count) = (durations.sum, durations.count());
                metric.encode_histogram::<NoLabelSet>(sum, count, &durations.buckets, None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_prometheus() {
        let mut families = Families::default();
        let counter = families.family("a_total", Type::Counter, "How many.");
        counter.labelled([("x", "1"), ("y", "\"\\\n")], 3);
        families.family("b", Type::Gauge, "How much.").decimal(1.5);
        let durations = Durations {
            sum: 0.25,
            buckets: vec![(0.1, 1), (f64::INFINITY, 2)],
        };
        let histogram = families.family("c_seconds", Type::Histogram, "How long.");
        histogram.durations([("x", "1")], durations);
        let expected = "# HELP a_total How many.\n\
            # TYPE a_total counter\n\
            a_total{x=\"1\",y=\"\\\"\\\\\\n\"} 3\n\
            # HELP b How much.\n\
            # TYPE b gauge\n\
            b 1.5\n\
            # HELP c_seconds How long.\n\
            # TYPE c_seconds histogram\n\
            c_seconds_sum{x=\"1\"} 0.25\n\
            c_seconds_count{x=\"1\"} 3\n\
            c_seconds_bucket{le=\"0.1\",x=\"1\"} 1\n\
            c_seconds_bucket{le=\"+Inf\",x=\"1\"} 3\n";
        assert_eq!(families.text(), expected);
    }
}
