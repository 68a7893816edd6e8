//! What was measured: the one thing that tables, goals and plots read.

use serde::{Deserialize, Deserializer, Serialize};

/// Instructions per request, by callgrind.
pub(crate) const INSTRUCTIONS: &str = "instructions";
/// Requests a second on one core at saturation.
pub(crate) const RATE: &str = "rate";
/// The part of its core that a contender used meanwhile. Where that is not all of it, the rate is reckoned from the time.
pub(crate) const BUSY: &str = "busy";
/// Processor time per request at saturation, kernel included.
pub(crate) const CPU: &str = "cpu";
/// Portcullis' rate over a contender's, in the same rounds.
pub(crate) const RATE_RATIO: &str = "rate of portcullis over";
/// Processor time per request at a fixed rate.
pub(crate) const PACED_CPU: &str = "paced cpu";
/// The median time to an answer at a fixed rate.
pub(crate) const P50: &str = "p50";
/// The 95th percentile of it.
pub(crate) const P95: &str = "p95";
/// Portcullis' p50 over a contender's, in the same rounds.
pub(crate) const P50_RATIO: &str = "p50 of portcullis over";
/// The same of the p95.
pub(crate) const P95_RATIO: &str = "p95 of portcullis over";
/// What the full policy adds to the p95 of the same executable without one, in the same rounds.
pub(crate) const P95_ADDED: &str = "p95 added";
/// New TLS handshakes a second on one core; scenarios [`FULL`] and [`RESUMED`].
pub(crate) const HANDSHAKES: &str = "handshakes";
/// What the client saw of it: less, where the client is slower than the server.
pub(crate) const HANDSHAKES_SEEN: &str = "handshakes seen";
/// Processor time of a handshake.
pub(crate) const HANDSHAKE_CPU: &str = "handshake cpu";
/// Instructions of a handshake, by callgrind.
pub(crate) const HANDSHAKE_INSTRUCTIONS: &str = "handshake instructions";
/// The part of the handshakes that were made by ticket.
pub(crate) const TICKETS: &str = "tickets taken";
/// The median delay of a server-sent event; scenario [`EVENTS`].
pub(crate) const EVENT_P50: &str = "event p50";
/// The 95th percentile of it.
pub(crate) const EVENT_P95: &str = "event p95";
/// Memory of its own (PSS); scenarios [`IDLE`] and [`CONNECTIONS`].
pub(crate) const MEMORY: &str = "memory";
/// From the start of the process to the first answer; scenario [`COLD`].
pub(crate) const START: &str = "start";
/// Instructions per request with much configured or counted, over those with little; scenarios [`ROUTES`], [`RULES`] and [`KEYS`].
pub(crate) const SCALE: &str = "scale";
/// The same in processor time.
pub(crate) const SCALE_CPU: &str = "scale cpu";

/// A handshake with certificates and keys.
pub(crate) const FULL: &str = "full";
/// A handshake by a ticket.
pub(crate) const RESUMED: &str = "resumed";
/// Events through the whole policy.
pub(crate) const EVENTS: &str = "events";
/// No connection yet.
pub(crate) const IDLE: &str = "idle";
/// What 1,000 idle TLS connections take in addition.
pub(crate) const CONNECTIONS: &str = "1,000 connections";
/// Nothing of it is running yet.
pub(crate) const COLD: &str = "cold";
/// 10,000 routes over 10.
pub(crate) const ROUTES: &str = "10,000 routes";
/// 1,000 rules over 10.
pub(crate) const RULES: &str = "1,000 rules";
/// A million counters over 10.
pub(crate) const KEYS: &str = "1,000,000 keys";
/// All three together.
pub(crate) const ALL: &str = "routes, rules and keys";

/// A name that lives as long as the program: with an alias, serde does not take it for a part of the text it reads.
type Name = &'static str;

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What was measured: a name of this file.
    #[serde(deserialize_with = "kept")]
    pub(crate) measure: Name,
    /// With which requests.
    pub(crate) scenario: String,
    /// Of whom.
    pub(crate) contender: String,
    /// `instructions`, `µs`, `/s`, `MB`, `ms`, `%` or `×`.
    #[serde(deserialize_with = "kept")]
    pub(crate) unit: Name,
    /// The median over the rounds, where there are any.
    pub(crate) value: f64,
    /// Its quartiles over the rounds.
    pub(crate) spread: Option<(f64, f64)>,
}

/// The names of a file that is read once live as long as the program.
fn kept<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    String::deserialize(from).map(|text| &*text.leak())
}

impl Figure {
    /// A value that was measured once.
    pub(crate) fn single(
        measure: &'static str,
        scenario: &str,
        contender: &str,
        unit: &'static str,
        value: f64,
    ) -> Self {
        Self {
            measure,
            scenario: scenario.to_owned(),
            contender: contender.to_owned(),
            unit,
            value,
            spread: None,
        }
    }

    /// The median of what the rounds gave, with the quartiles; none of no rounds.
    pub(crate) fn median(
        measure: &'static str,
        scenario: &str,
        contender: &str,
        unit: &'static str,
        mut rounds: Vec<f64>,
    ) -> Option<Self> {
        rounds.sort_by(f64::total_cmp);
        let at = |quarter: usize| rounds.get((rounds.len().checked_sub(1)? * quarter + 2) / 4).copied();
        let (value, spread) = (at(2)?, at(1).zip(at(3)));
        Some(Self { spread, ..Self::single(measure, scenario, contender, unit, value) })
    }
}

/// The value of one figure.
pub(crate) fn find(figures: &[Figure], measure: &str, scenario: &str, contender: &str) -> Option<f64> {
    let same =
        |one: &&Figure| one.measure == measure && one.scenario == scenario && one.contender == contender;
    figures.iter().find(same).map(|one| one.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_has_its_quartiles_and_survives_the_file() {
        let figure = Figure::median(P95, "full-rs256", "nginx", "µs", vec![5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!((figure.value, figure.spread), (3.0, Some((2.0, 4.0))));
        assert_eq!(Figure::median(P95, "", "", "µs", Vec::new()), None);
        let text = serde_json::to_string(&figure).unwrap();
        assert_eq!(serde_json::from_str::<Figure>(&text).unwrap(), figure);
        assert_eq!(find(&[figure], P95, "full-rs256", "nginx"), Some(3.0));
    }
}
