//! How fresh an identity's fetched keys are.

use metrics::{Counter, Gauge};

use super::{Metric, Registry};

/// How a fetch of an identity's keys ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// With other keys than before, or the first.
    Ok,
    /// With the keys that there were.
    Unchanged,
    /// Without keys: there was no answer, or it was none to go by. Those that there were stay in use.
    Failed,
}

impl Refresh {
    const ALL: [Refresh; 3] = [Refresh::Ok, Refresh::Unchanged, Refresh::Failed];

    /// The name in the label.
    pub const fn name(self) -> &'static str {
        match self {
            Refresh::Ok => "ok",
            Refresh::Unchanged => "unchanged",
            Refresh::Failed => "failed",
        }
    }
}

/// The series of one identity. All exist from the start, so that a first failure shows as a step.
#[derive(Debug)]
pub struct KeyMetrics {
    refreshes: [Counter; Refresh::ALL.len()],
    age: Gauge,
}

impl KeyMetrics {
    /// Resolves the handles of an identity.
    pub fn new(registry: &Registry, identity: &str) -> Self {
        let refreshes = Refresh::ALL.map(|outcome| {
            let counter =
                registry.counter(Metric::JwksRefresh, &[("identity", identity), ("outcome", outcome.name())]);
            counter.increment(0);
            counter
        });
        let metrics = Self { refreshes, age: registry.gauge(Metric::JwksAge, &[("identity", identity)]) };
        metrics.tell_age(None);
        metrics
    }

    /// Counts a fetch.
    pub fn record(&self, outcome: Refresh) {
        if let Some(counter) = self.refreshes.get(outcome as usize) {
            counter.increment(1);
        }
    }

    /// Tells how many seconds ago the keys were last confirmed; NaN while there are none.
    pub fn tell_age(&self, seconds: Option<i64>) {
        #[expect(clippy::cast_precision_loss, reason = "exact for every age in the next 200 million years")]
        self.age.set(seconds.map_or(f64::NAN, |seconds| seconds as f64));
    }
}
