//! A token bucket in whole numbers: nothing is rounded, so nothing is lost or won over a month.

use super::{Full, Rest, Standing, load, until};

/// One unit weighs as much as the window has milliseconds, and `max` of that drains away in each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) latest: i64,
    pub(super) level: u64,
    /// The weight of a unit.
    pub(super) unit: u32,
    /// How much drains away in a millisecond.
    pub(super) rate: u32,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { latest: i64::MIN, level: 0, unit: 1, rate: 0 }
    }
}

impl Bucket {
    /// Lets drain away what has drained away until `now`.
    pub(super) fn settle(&mut self, max: u32, window: i64, now: i64) {
        let unit = u32::try_from(window).unwrap_or(u32::MAX);
        if unit != self.unit {
            // The limit was changed: as many units as before.
            let level = u128::from(self.level) * u128::from(unit) / u128::from(self.unit.max(1));
            self.level = u64::try_from(level).unwrap_or(u64::MAX);
            self.unit = unit;
        }
        self.rate = max;
        let (now, _) = super::settle(self.latest, now);
        self.drain(now);
    }

    pub(super) fn ask(&self, max: u32, burst: u32, cost: u32) -> Result<Standing, Full> {
        let standing = self.standing(max, burst);
        let over = self.level.saturating_add(self.weight(cost)).saturating_sub(self.weight(burst));
        if over == 0 && max > 0 {
            return Ok(standing);
        }
        let never = cost > burst || max == 0;
        let retry_after_ms = if never { u64::from(self.unit) } else { over.div_ceil(u64::from(max)) };
        Err(Full { standing, retry_after_ms })
    }

    /// Adds units; what is noted late fills it by one unit more than its depth at most.
    pub(super) fn add(&mut self, burst: u32, cost: u32) {
        let brim = self.weight(burst.saturating_add(1));
        self.level = self.level.saturating_add(self.weight(cost)).min(brim);
    }

    pub(super) fn standing(&self, max: u32, burst: u32) -> Standing {
        let room = self.weight(burst).saturating_sub(self.level) / u64::from(self.unit.max(1));
        let remaining = u32::try_from(room).unwrap_or(u32::MAX);
        Standing { limit: burst, remaining, reset_ms: self.level.div_ceil(u64::from(max.max(1))) }
    }

    pub(super) fn rest(&self, max: u32, burst: u32) -> Rest {
        let standing = self.standing(max, burst);
        let held = self.ask(max, burst, 1).err().map_or(0, |full| full.retry_after_ms);
        Rest {
            full_at_ms: self.latest.saturating_add_unsigned(standing.reset_ms),
            held_until_ms: if held > 0 { self.latest.saturating_add_unsigned(held) } else { i64::MIN },
            load: load(burst.saturating_sub(standing.remaining), burst),
        }
    }

    /// The fuller one, at the later time: how much of it both have seen is not known.
    pub(super) fn merge(&mut self, other: &Self) {
        let (mut ours, mut theirs) = (self.clone(), other.clone());
        let latest = self.latest.max(other.latest);
        ours.drain(latest);
        theirs.drain(latest);
        let units = |bucket: &Self| u128::from(bucket.level) * 1_000 / u128::from(bucket.unit.max(1));
        *self = if units(&theirs) > units(&ours) { theirs } else { ours };
    }

    fn drain(&mut self, now: i64) {
        let drained = until(self.latest, now).saturating_mul(u64::from(self.rate));
        self.level = self.level.saturating_sub(drained);
        self.latest = now;
    }

    fn weight(&self, units: u32) -> u64 {
        u64::from(units) * u64::from(self.unit)
    }
}
