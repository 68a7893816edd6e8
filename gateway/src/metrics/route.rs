//! A route's counts: reached by index, without a lock, a look-up or an allocation once a series exists.

use std::sync::OnceLock;
use std::time::Duration;

use http::Method;
use metrics::{Counter, Gauge};
use rules::verdict::Code;

use super::{Counted, Histogram, Metric, Registry};

/// The `route` of requests that no route matched.
pub const NO_ROUTE: &str = "-";

const METHODS: [&str; 10] =
    ["other", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
const DECISIONS: [&str; 3] = ["allow", "refuse", "observe"];
/// Statuses below 100 and above 599 share the class 0.
const CLASSES: usize = 6;

/// What became of a request, as the access log and the metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It passed every gate.
    Allow,
    /// A gate said no.
    Refuse,
    /// A gate would have said no, but only observes.
    Observe,
}

impl Decision {
    /// The name in labels and log lines.
    pub const fn name(self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::Refuse => "refuse",
            Decision::Observe => "observe",
        }
    }
}

/// The statuses of one class, made when the first of them is counted: most classes never are.
type Statuses = OnceLock<Box<[OnceLock<Counter>]>>;

/// The series of one route.
#[derive(Debug)]
pub struct RouteMetrics {
    registry: Registry,
    route: Box<str>,
    /// Method × decision × status class.
    requests: Box<[Statuses]>,
    refusals: Box<[OnceLock<Counter>]>,
    request_duration: Histogram,
    gateway_duration: Histogram,
    in_flight: Gauge,
}

impl RouteMetrics {
    /// Resolves the route's handles; once for every load of a configuration.
    pub fn new(registry: &Registry, route: &str) -> Self {
        let labels = [("route", route)];
        Self {
            registry: registry.clone(),
            route: route.into(),
            requests: empty(METHODS.len() * DECISIONS.len() * CLASSES),
            refusals: empty(Code::ALL.len()),
            request_duration: registry.histogram(Metric::RequestDuration, &labels),
            gateway_duration: registry.histogram(Metric::GatewayDuration, &labels),
            in_flight: registry.gauge(Metric::InFlight, &labels),
        }
    }

    /// Counts a request as in progress until the value is dropped.
    pub fn enter(&self) -> Counted {
        Counted::in_gauge(&self.in_flight)
    }

    /// Counts an answered request. A status outside of 100 to 599 (0 where none was sent) counts as `other`.
    pub fn record(
        &self,
        method: &Method,
        status: u16,
        decision: Decision,
        total: Duration,
        gateway: Duration,
    ) {
        if let Some(counter) = self.requests(method, status, decision) {
            counter.increment(1);
        }
        self.request_duration.record(total);
        self.gateway_duration.record(gateway);
    }

    /// Counts a refusal.
    pub fn refuse(&self, code: Code) {
        if let Some(slot) = self.refusals.get(code as usize) {
            let labels = [("route", &*self.route), ("code", code.name())];
            slot.get_or_init(|| self.registry.counter(Metric::Refusals, &labels)).increment(1);
        }
    }

    fn requests(&self, method: &Method, status: u16, decision: Decision) -> Option<&Counter> {
        let (class, within) = match status {
            100..=599 => (usize::from(status / 100), usize::from(status % 100)),
            _ => (0, 0),
        };
        let method = method_index(method);
        let row = (method * DECISIONS.len() + decision as usize) * CLASSES + class;
        let slot = self.requests.get(row)?.get_or_init(|| empty(100)).get(within)?;
        Some(slot.get_or_init(|| {
            let status = if class == 0 { "other".to_owned() } else { status.to_string() };
            let method = METHODS.get(method).copied().unwrap_or("other");
            let labels = [
                ("route", &*self.route),
                ("method", method),
                ("status", &status),
                ("decision", decision.name()),
            ];
            self.registry.counter(Metric::Requests, &labels)
        }))
    }
}

fn empty<T>(count: usize) -> Box<[OnceLock<T>]> {
    (0..count).map(|_| OnceLock::new()).collect()
}

/// The place in [`METHODS`].
fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 1,
        Method::HEAD => 2,
        Method::POST => 3,
        Method::PUT => 4,
        Method::DELETE => 5,
        Method::CONNECT => 6,
        Method::OPTIONS => 7,
        Method::TRACE => 8,
        Method::PATCH => 9,
        _ => 0,
    }
}
