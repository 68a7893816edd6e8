//! Times in buckets, counted where they are measured.
//!
//! Not the exporter's: it keeps each sample with the moment of its recording until it sorts them all some seconds later,
//! which at ten samples a request costs more than the gates whose time it is.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds, 5 µs to 60 s, in nanoseconds and as the exposition writes them in seconds: the gateway's own time lies
/// at the low end, a model's at the high one.
const BOUNDS: [(u64, &str); 22] = [
    (5_000, "0.000005"),
    (10_000, "0.00001"),
    (25_000, "0.000025"),
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
    (30_000_000_000, "30"),
    (60_000_000_000, "60"),
];

/// A histogram; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BOUNDS.len()],
    /// Above the last bound.
    beyond: AtomicU64,
    /// Nanoseconds in all: enough for 584 years.
    sum: AtomicU64,
}

impl Histogram {
    /// Counts one time.
    pub fn record(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let place = BOUNDS.partition_point(|(bound, _)| *bound < nanos);
        self.0.counts.get(place).unwrap_or(&self.0.beyond).fetch_add(1, Ordering::Relaxed);
        self.0.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Appends the series in Prometheus' text format 0.0.4: a bucket counts whatever is not above its bound, the
    /// buckets below it included. `labels` are written as they stand between the braces.
    pub(super) fn render(&self, name: &str, labels: &str, out: &mut String) {
        let mut count = 0;
        let mut bucket = |bound: &str, within: &AtomicU64| {
            count += within.load(Ordering::Relaxed);
            // Writing to a string does not fail.
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        };
        for ((_, bound), within) in BOUNDS.iter().zip(&self.0.counts) {
            bucket(bound, within);
        }
        bucket("+Inf", &self.0.beyond);
        #[expect(clippy::cast_precision_loss, reason = "a sum may lose its nanoseconds after a hundred days")]
        let sum = self.0.sum.load(Ordering::Relaxed) as f64 / 1e9;
        let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}");
    }
}

/// The labels of a series as they stand between the braces.
pub(super) fn labels(labels: &[(&'static str, &str)]) -> String {
    let label = |(name, value): &(&str, &str)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    };
    labels.iter().map(label).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_rise_and_are_written_as_they_are() {
        assert!(BOUNDS.is_sorted_by(|one, next| one.0 < next.0));
        for (nanos, text) in BOUNDS {
            let seconds: f64 = text.parse().unwrap();
            assert_eq!(Duration::from_secs_f64(seconds), Duration::from_nanos(nanos), "{text}");
        }
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_no_time_is_lost() {
        let histogram = Histogram::default();
        for nanos in [0, 5_000, 5_001, 60_000_000_000, 60_000_000_001] {
            histogram.record(Duration::from_nanos(nanos));
        }
        let mut text = String::new();
        histogram.render("t", &labels(&[("gate", "a\"\\\n")]), &mut text);
        for line in [
            r#"t_bucket{gate="a\"\\\n",le="0.000005"} 2"#,
            r#"t_bucket{gate="a\"\\\n",le="0.00001"} 3"#,
            r#"t_bucket{gate="a\"\\\n",le="60"} 4"#,
            r#"t_bucket{gate="a\"\\\n",le="+Inf"} 5"#,
            r#"t_sum{gate="a\"\\\n"} 120.000010002"#,
            r#"t_count{gate="a\"\\\n"} 5"#,
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line}\n{text}");
        }
    }
}
