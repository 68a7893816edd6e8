//! Allowances: so many in such a time.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::meter::Meter;
use crate::units::Time;
use crate::view::{Caller, Reading};

/// Units by themselves: `30/min`. A month has thirty days.
const UNITS: &[(&str, u64)] = &[
    ("s", 1),
    ("sec", 1),
    ("second", 1),
    ("m", 60),
    ("min", 60),
    ("minute", 60),
    ("h", 3600),
    ("hour", 3600),
    ("d", 86_400),
    ("day", 86_400),
    ("w", 604_800),
    ("week", 604_800),
    ("month", 2_592_000),
];
/// The most that is counted in one window.
pub(super) const MOST: u32 = 1_000_000;
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(31 * 24);

/// So many in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How many.
    pub max: u32,
    /// In which time, in milliseconds.
    pub window_ms: u64,
}

impl FromStr for Allowance {
    type Err = &'static str;

    /// `30/min`, `5/10s`, `1000/month`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str =
            "write how many in which time: `10/s`, `30/min`, `5/10s`, `20/h`, `200/d`, `1000/month`";
        let (max, window) = text.split_once('/').ok_or(FORM)?;
        let max = max.trim().parse().map_err(|_| FORM)?;
        let window = window.trim();
        let unit = UNITS.iter().find(|(name, _)| *name == window);
        let window = match unit {
            Some((_, seconds)) => Duration::from_secs(*seconds),
            None => window.parse::<Time>().map_err(|_| FORM)?.0,
        };
        if max == 0 {
            return Err("0 would refuse every request: write how many may pass");
        }
        if max > MOST {
            return Err("more than a million cannot be counted: write a shorter time");
        }
        if window < SHORTEST || window > LONGEST {
            return Err("write a time from a second to 31 days");
        }
        Ok(Self { max, window_ms: u64::try_from(window.as_millis()).map_err(|_| FORM)? })
    }
}

/// What whom is allowed.
#[derive(Clone, Debug)]
pub struct Rates {
    /// For whoever has none of the roles.
    base: Meter,
    roles: BTreeMap<String, (Allowance, Meter)>,
}

impl Rates {
    /// The same for everybody.
    pub(super) fn all(allowance: Allowance, burst: Option<u32>) -> Self {
        Self { base: meter(allowance, burst), roles: BTreeMap::new() }
    }

    /// By role. Whoever has none of them has what `anonymous` has, or else the least of all.
    pub(super) fn by_role(roles: &BTreeMap<String, Allowance>, burst: Option<u32>) -> Option<Self> {
        let least =
            roles.values().copied().min_by(|left, right| per_second(*left).total_cmp(&per_second(*right)));
        let base = roles.get("anonymous").copied().or(least)?;
        let each =
            |(role, allowance): (&String, &Allowance)| (role.clone(), (*allowance, meter(*allowance, burst)));
        Some(Self { base: meter(base, burst), roles: roles.iter().map(each).collect() })
    }

    /// Whether the caller's roles have to be known.
    pub(super) fn asks_roles(&self) -> bool {
        !self.roles.is_empty()
    }

    /// What this caller is allowed: the most that one of its roles is.
    pub fn of(&self, caller: Option<&Caller>) -> Meter {
        let held = match caller.map(|caller| &caller.roles) {
            Some(Reading::Value(held)) => held.as_slice(),
            _ => &[],
        };
        let known = held.iter().filter_map(|role| self.roles.get(role));
        let most = known.max_by(|(left, _), (right, _)| per_second(*left).total_cmp(&per_second(*right)));
        most.map_or(self.base, |(_, meter)| *meter)
    }
}

fn meter(allowance: Allowance, burst: Option<u32>) -> Meter {
    let Allowance { max, window_ms } = allowance;
    match burst {
        Some(burst) => Meter::Bucket { max, window_ms, burst },
        None => Meter::Window { max, window_ms, penalty_ms: 0 },
    }
}

#[expect(clippy::cast_precision_loss, reason = "only compared with one another")]
fn per_second(allowance: Allowance) -> f64 {
    f64::from(allowance.max) * 1000.0 / allowance.window_ms as f64
}
