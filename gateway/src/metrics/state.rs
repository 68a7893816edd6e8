//! What is told of counters and where they are kept.

use metrics::Counter;

use super::{Metric, Registry};

/// The series of the store of counters.
#[derive(Clone)]
pub struct StateMetrics {
    /// What went wrong with the files of this process.
    pub embedded_errors: Counter,
    /// What went wrong with the shared store.
    pub redis_errors: Counter,
    /// Counters that were forgotten before their time.
    pub evicted: Counter,
    /// What was refused or lost for want of room.
    pub no_room: Counter,
}

impl StateMetrics {
    /// The series, from zero.
    pub fn new(registry: &Registry) -> Self {
        let errors = |store| registry.counter(Metric::StateErrors, &[("store", store)]);
        let metrics = Self {
            embedded_errors: errors("embedded"),
            redis_errors: errors("redis"),
            evicted: registry.counter(Metric::StateEvicted, &[]),
            no_room: registry.counter(Metric::StateNoRoom, &[]),
        };
        for counter in [&metrics.embedded_errors, &metrics.redis_errors, &metrics.evicted, &metrics.no_room] {
            counter.absolute(0);
        }
        metrics
    }

    /// Series that nobody sees, for judging offline.
    pub fn unseen() -> Self {
        let noop = Counter::noop;
        Self { embedded_errors: noop(), redis_errors: noop(), evicted: noop(), no_room: noop() }
    }
}
