//! What the servers of an upstream answered.

use metrics::Counter;

use super::{Metric, Registry};

/// How a request to a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, with a status below 500.
    Answered,
    /// It answered with a status of 500 or above.
    ServerError,
    /// No connection.
    Unreachable,
    /// It took too long.
    Timeout,
    /// The connection broke, or what came was no HTTP.
    Broken,
}

impl Outcome {
    const ALL: [Outcome; 5] =
        [Outcome::Answered, Outcome::ServerError, Outcome::Unreachable, Outcome::Timeout, Outcome::Broken];

    /// The outcome of an answer with this status.
    pub const fn of_status(status: u16) -> Self {
        if status < 500 { Outcome::Answered } else { Outcome::ServerError }
    }

    /// The name in the label.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::ServerError => "server_error",
            Outcome::Unreachable => "unreachable",
            Outcome::Timeout => "timeout",
            Outcome::Broken => "broken",
        }
    }
}

/// The series of one server. All exist from the start, so that a first failure shows as a step.
#[derive(Debug)]
pub struct UpstreamMetrics {
    requests: [Counter; Outcome::ALL.len()],
}

impl UpstreamMetrics {
    /// Resolves the handles of a server as the configuration names it.
    pub fn new(registry: &Registry, upstream: &str, server: &str) -> Self {
        let requests = Outcome::ALL.map(|outcome| {
            let labels = [("upstream", upstream), ("server", server), ("outcome", outcome.name())];
            registry.counter(Metric::UpstreamRequests, &labels)
        });
        Self { requests }
    }

    /// Counts a request to the server.
    pub fn record(&self, outcome: Outcome) {
        if let Some(counter) = self.requests.get(outcome as usize) {
            counter.increment(1);
        }
    }
}
