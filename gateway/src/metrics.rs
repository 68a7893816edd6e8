//! Every metric, by name, and the registry behind `/metrics`.
//!
//! No global recorder: a registry is a value, so that two snapshots, or two tests, never meet in one. Handles
//! are resolved when a configuration loads and kept, since a look-up by labels costs twenty times the count itself.
//! A handle that is resolved again after a reload goes on counting where the old one was.
//! Label values come from the configuration or from fixed sets, never from a request.

mod histogram;
mod keys;
mod route;
mod state;
mod upstream;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use histogram::Histogram;
pub use keys::{KeyMetrics, Refresh};
pub use route::{Decision, NO_ROUTE, RouteMetrics};
pub use state::StateMetrics;
pub use upstream::{Outcome, UpstreamMetrics};

const METADATA: Metadata<'static> = Metadata::new("portcullis", Level::INFO, None);

/// What kind of series a metric has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets of seconds.
    Histogram,
}

macro_rules! metrics {
    ($($variant:ident = $kind:ident $name:literal, $help:literal;)*) => {
        /// Every metric. The names are a contract with dashboards and alerts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Metric { $(#[doc = $help] $variant,)* }

        impl Metric {
            /// Every metric, in the order of the reference.
            pub const ALL: &'static [Metric] = &[$(Metric::$variant,)*];

            /// The name in the exposition.
            pub const fn name(self) -> &'static str {
                match self { $(Metric::$variant => $name,)* }
            }

            /// The `# TYPE` of the exposition.
            pub const fn kind(self) -> Kind {
                match self { $(Metric::$variant => Kind::$kind,)* }
            }

            /// The `# HELP` of the exposition.
            pub const fn help(self) -> &'static str {
                match self { $(Metric::$variant => $help,)* }
            }
        }
    };
}

metrics! {
    Requests = Counter "portcullis_requests_total", "Requests that were answered, by route, method, status and decision.";
    RequestDuration = Histogram "portcullis_request_duration_seconds", "Time from a request's first byte to the answer's last.";
    GatewayDuration = Histogram "portcullis_gateway_duration_seconds", "The part of a request's time that was the gateway's own.";
    GateDuration = Histogram "portcullis_gate_duration_seconds", "The time that a gate took, by policy.";
    Refusals = Counter "portcullis_refusals_total", "Requests that were refused, by route and code.";
    UpstreamRequests = Counter "portcullis_upstream_requests_total", "Requests that were sent to a server of an upstream, by outcome.";
    Connections = Gauge "portcullis_connections", "Open client connections, by listener.";
    InFlight = Gauge "portcullis_in_flight", "Requests in progress, streams included, by route.";
    JwksRefresh = Counter "portcullis_jwks_refresh_total", "Fetches of an identity's keys, by outcome.";
    JwksAge = Gauge "portcullis_jwks_age_seconds", "Since an identity's fetched keys were last confirmed; NaN without keys.";
    Webhooks = Counter "portcullis_webhooks_total", "Deliveries of webhooks, by what became of them.";
    ConfigReloads = Counter "portcullis_config_reloads_total", "Attempts to load a changed configuration, by outcome.";
    ConfigInfo = Gauge "portcullis_config_info", "1 for the configuration in force, 0 for earlier ones.";
    CertificateExpiry = Gauge "portcullis_certificate_expiry_seconds", "When a host's certificate ends, in seconds since 1970.";
    StateErrors = Counter "portcullis_state_errors_total", "Failures of where counters are kept, by store.";
    StateEvicted = Counter "portcullis_state_evicted_total", "Counters that were forgotten early, so that others had room.";
    StateNoRoom = Counter "portcullis_state_no_room_total", "Requests that were refused, and notes that were lost, since no counter could be forgotten for theirs.";
    AccessLogDropped = Counter "portcullis_access_log_dropped_total", "Access log lines that were lost.";
    BuildInfo = Gauge "portcullis_build_info", "Always 1; the version is the label.";
}

/// How an attempt to load a changed configuration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It is in force now.
    Applied,
    /// It has problems; the old one stays in force.
    Rejected,
}

/// All series of one process. Clones share them.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// By name and labels.
    histograms: Mutex<BTreeMap<(&'static str, String), Histogram>>,
    config_in_force: Mutex<Option<Gauge>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// A registry with `portcullis_build_info` set and the reload counters at zero.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        for metric in Metric::ALL {
            let (name, help) = (metric.name().into(), metric.help().into());
            match metric.kind() {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram => {}
            }
        }
        let handle = recorder.handle();
        let inner =
            Inner { recorder, handle, histograms: Mutex::default(), config_in_force: Mutex::default() };
        let registry = Self { inner: Arc::new(inner) };
        registry.gauge(Metric::BuildInfo, &[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.config_reloads(Reload::Applied).absolute(0);
        registry.config_reloads(Reload::Rejected).absolute(0);
        registry.access_log_dropped().absolute(0);
        StateMetrics::new(&registry);
        registry
    }

    /// The exposition in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        let mut text = self.inner.handle.render();
        let histograms = self.inner.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        for metric in Metric::ALL.iter().filter(|metric| metric.kind() == Kind::Histogram) {
            let (name, help) = (metric.name(), metric.help());
            // Writing to a string does not fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
            for ((of, labels), histogram) in &*histograms {
                if *of == name {
                    histogram.render(name, labels, &mut text);
                }
            }
            text.push('\n');
        }
        text
    }

    /// How long the gates of a policy take.
    pub fn gate_duration(&self, gate: &str) -> Histogram {
        self.histogram(Metric::GateDuration, &[("gate", gate)])
    }

    /// The counter of a webhook's deliveries that ended so.
    pub fn webhooks(&self, webhook: &str, outcome: &str) -> Counter {
        self.counter(Metric::Webhooks, &[("webhook", webhook), ("outcome", outcome)])
    }

    /// The gauge of a listener's open connections; see [`Counted`].
    pub fn connections(&self, listener: &str) -> Gauge {
        self.gauge(Metric::Connections, &[("listener", listener)])
    }

    /// The counter of loads that ended so.
    pub fn config_reloads(&self, outcome: Reload) -> Counter {
        let outcome = match outcome {
            Reload::Applied => "applied",
            Reload::Rejected => "rejected",
        };
        self.counter(Metric::ConfigReloads, &[("outcome", outcome)])
    }

    /// Marks the configuration in force: the first 12 hex digits of its hash, and its release.
    pub fn set_config_info(&self, config: &str, release: &str) {
        let gauge = self.gauge(Metric::ConfigInfo, &[("config", config), ("release", release)]);
        let mut in_force = self.inner.config_in_force.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = in_force.replace(gauge.clone()) {
            earlier.set(0);
        }
        gauge.set(1);
    }

    /// Notes when the certificate that serves a host ends, in seconds since 1970.
    pub fn set_certificate_expiry(&self, host: &str, unix_seconds: i64) {
        #[expect(clippy::cast_precision_loss, reason = "exact for every date in the next 200 million years")]
        self.gauge(Metric::CertificateExpiry, &[("host", host)]).set(unix_seconds as f64);
    }

    /// The counter of lost access log lines: give it [`crate::access_log::AccessLog::dropped`] with `absolute`.
    pub fn access_log_dropped(&self) -> Counter {
        self.counter(Metric::AccessLogDropped, &[])
    }

    /// The counter of what a store could not do.
    pub fn state_errors(&self, store: &str) -> Counter {
        let counter = self.counter(Metric::StateErrors, &[("store", store)]);
        counter.increment(0);
        counter
    }

    fn counter(&self, metric: Metric, labels: &[(&'static str, &str)]) -> Counter {
        self.inner.recorder.register_counter(&key(metric, labels), &METADATA)
    }

    fn gauge(&self, metric: Metric, labels: &[(&'static str, &str)]) -> Gauge {
        self.inner.recorder.register_gauge(&key(metric, labels), &METADATA)
    }

    fn histogram(&self, metric: Metric, labels: &[(&'static str, &str)]) -> Histogram {
        let mut histograms = self.inner.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        histograms.entry((metric.name(), histogram::labels(labels))).or_default().clone()
    }
}

fn key(metric: Metric, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<_> = labels.iter().map(|&(name, value)| Label::new(name, value.to_owned())).collect();
    Key::from_parts(metric.name(), labels)
}

/// Counts one in a gauge for as long as it lives, however that ends.
#[must_use = "it counts only while it is kept"]
pub struct Counted(Gauge);

impl Counted {
    /// One more in this gauge.
    pub fn in_gauge(gauge: &Gauge) -> Self {
        gauge.increment(1);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

#[cfg(test)]
mod tests;
