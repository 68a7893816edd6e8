//! What belongs to one webhook rather than to its provider: its address, its settings, how patient it is.

use std::collections::BTreeMap;

use super::Scheme;
use crate::moment::Moment;
use crate::problem::{Place, Problem};
use crate::secret::Secret;
use crate::units::Time;

/// The setting that arms handshakes which nobody signs.
const ARMED: &str = "handshake_armed";

/// A webhook's own terms as they were read.
#[derive(Default)]
pub struct RawTerms<'a> {
    /// The webhook's name: what it remembers is kept apart from what others do.
    pub name: &'a str,
    /// Its external address without the path of the request, such as `https://hooks.example.com`.
    pub base_url: Option<&'a str>,
    /// How old and how early a message may be, instead of what the scheme says.
    pub tolerance: Option<Time>,
    /// What the scheme reads as `config:NAME`.
    pub settings: BTreeMap<String, Secret>,
}

/// A webhook's own terms.
pub struct Terms {
    name: String,
    base_url: Option<String>,
    tolerance_ms: Option<i64>,
    settings: BTreeMap<String, Secret>,
    armed: Armed,
}

/// Until when a handshake that nobody signs is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Armed {
    Never,
    Always,
    Until(Moment),
}

impl Terms {
    /// Compiles them for a scheme; `at` is the webhook.
    ///
    /// # Errors
    /// When the address is none, a setting is needed and not there, or is there and nothing reads it.
    pub fn compile(scheme: &Scheme, raw: RawTerms<'_>, at: &Place) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let base_url = raw.base_url.and_then(base).map(str::to_owned);
        if raw.base_url.is_some() && base_url.is_none() {
            problems.push(at.key("base_url").problem("`base_url` is not the address of a server").remedy(
                "write scheme and host as the provider calls them, such as `https://hooks.example.com`",
            ));
        }
        if raw.tolerance.is_some() && !scheme.has_tolerance() {
            problems.push(
                at.key("tolerance")
                    .itself()
                    .problem("the scheme has no signed timestamp, so there is nothing to tolerate")
                    .remedy("remove the key; repetitions are refused in any case"),
            );
        }
        let armed = settings(scheme, &raw.settings, at, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let tolerance_ms =
            raw.tolerance.map(|Time(time)| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        Ok(Self { name: raw.name.to_owned(), base_url, tolerance_ms, settings: raw.settings, armed })
    }

    /// The webhook's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn base_url(&self) -> Option<&str> {
        self.base_url.as_deref()
    }

    /// Past and future tolerance in milliseconds: the webhook's own instead of the scheme's.
    pub(super) fn tolerance(&self, past: Option<i64>, future: Option<i64>) -> (Option<i64>, Option<i64>) {
        match self.tolerance_ms {
            Some(own) => (Some(own), Some(own)),
            None => (past, future),
        }
    }

    /// The value of a setting. An empty one is none, so that it is equal to nothing.
    pub(super) fn setting(&self, name: &str) -> Option<&[u8]> {
        self.settings.get(name).map(Secret::expose).filter(|value| !value.is_empty())
    }

    pub(super) fn is_armed(&self, now_ms: i64) -> bool {
        match self.armed {
            Armed::Never => false,
            Armed::Always => true,
            Armed::Until(Moment(end)) => now_ms < end.saturating_mul(1000),
        }
    }
}

/// An address without its final slash.
fn base(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let clean = rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>\\".contains(&byte));
    (clean && !rest.starts_with('/') && !rest.is_empty()).then(|| text.trim_end_matches('/'))
}

fn settings(
    scheme: &Scheme,
    given: &BTreeMap<String, Secret>,
    at: &Place,
    problems: &mut Vec<Problem>,
) -> Armed {
    let at = at.key("settings");
    let known = scheme.settings();
    for name in given.keys() {
        if name == ARMED && scheme.is_armable() || known.iter().any(|known| known.name == *name) {
            continue;
        }
        problems.push(
            at.key(name)
                .itself()
                .problem(format!("the scheme does not read a setting `{name}`"))
                .remedy(listed(&known, scheme.is_armable())),
        );
    }
    for wanted in known.iter().filter(|wanted| wanted.needed) {
        if given.get(wanted.name).is_none_or(|value| value.expose().is_empty()) {
            let name = wanted.name;
            let problem = at.problem(format!("the scheme needs the setting `{name}`"));
            problems.push(problem.remedy(format!("write `settings: {{ {name}: … }}`")));
        }
    }
    let Some(armed) = given.get(ARMED) else { return Armed::Never };
    match std::str::from_utf8(armed.expose()) {
        Ok("true") => Armed::Always,
        Ok("false" | "") => Armed::Never,
        Ok(text) if text.parse::<Moment>().is_ok() => text.parse().map_or(Armed::Never, Armed::Until),
        _ => {
            problems.push(
                at.key(ARMED)
                    .problem("`handshake_armed` says neither yes or no nor until when")
                    .remedy("write the moment when it ends, such as `2027-01-15T09:30:00Z`, or `false`"),
            );
            Armed::Never
        }
    }
}

fn listed(known: &[Setting<'_>], armable: bool) -> String {
    let names: Vec<&str> = known.iter().map(|known| known.name).chain(armable.then_some(ARMED)).collect();
    if names.is_empty() {
        return "remove it; the scheme has no settings".to_owned();
    }
    format!("it reads {}", names.join(", "))
}

/// A setting that a scheme reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether nothing can be verified without it.
    pub needed: bool,
}
