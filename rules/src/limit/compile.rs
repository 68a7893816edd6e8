//! A limit as written → [`Limit`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::allowance::MOST;
use super::raw::{RawAllow, RawLimit, RawLock};
use super::spot::KeySpot;
use super::{Allowance, Counter, Limit, Rates};
use crate::meter::Meter;
use crate::problem::{Place, Problem};
use crate::shapes::OneOrMany;

/// The longest lock.
const LONGEST_LOCK: Duration = Duration::from_hours(24);
/// What one client usually has of IPv6.
const IPV6_PREFIX: u8 = 64;

/// Compiles the limit called `name`.
///
/// # Errors
/// Every problem of it.
pub fn compile(name: &str, raw: &RawLimit, at: &Place) -> Result<Limit, Vec<Problem>> {
    let mut problems = Vec::new();
    let counters = counters(raw, at, &mut problems);
    let rates = raw.allow.as_ref().and_then(|allow| rates(allow, raw.burst, &at.key("allow"), &mut problems));
    let lock = raw.lock.as_ref().and_then(|lock| self::lock(lock, &at.key("lock"), &mut problems));
    if raw.allow.is_none() && raw.concurrent.is_none() && raw.lock.is_none() && raw.burst.is_none() {
        let problem = at.problem(format!("the limit `{name}` limits nothing"));
        problems.push(
            problem.remedy("write `allow: 30/min`, `concurrent: 4` or `lock: { after: 10, for: 15m }`"),
        );
    }
    if raw.burst.is_some() && raw.allow.is_none() {
        let problem = at.key("burst").itself().problem("`burst` has no effect without `allow`");
        problems.push(problem.remedy("say with `allow` how fast it fills again, or use `concurrent`"));
    }
    for (key, written) in [("burst", raw.burst), ("concurrent", raw.concurrent)] {
        if written == Some(0) {
            let problem = at.key(key).problem(format!("`{key}: 0` would refuse every request"));
            problems.push(problem.remedy("write how many may be"));
        }
    }
    for (key, written) in [("burst", raw.burst), ("concurrent", raw.concurrent)] {
        if written.is_some_and(|written| written > MOST) {
            let problem = at.key(key).problem(format!("`{key}` is out of range"));
            problems.push(problem.remedy("write a number up to 1000000"));
        }
    }
    if raw.ipv6_prefix.is_some_and(|bits| bits == 0 || bits > 128) {
        let problem = at.key("ipv6_prefix").problem("an IPv6 address has no such prefix");
        problems.push(problem.remedy("write a number from 1 to 128"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Limit {
        name: name.into(),
        place: at.clone(),
        announce: raw.announce,
        counters,
        rates,
        concurrent: raw.concurrent,
        lock,
    })
}

fn counters(raw: &RawLimit, at: &Place, problems: &mut Vec<Problem>) -> Vec<Counter> {
    let (key, written) = match (&raw.per, &raw.each) {
        (Some(per), None) => ("per", per),
        (None, Some(each)) => ("each", each),
        (Some(_), Some(_)) => {
            let problem = at.key("each").itself().problem("a limit has either `per` or `each`");
            problems.push(problem.remedy(
                "`per` counts by all of its values together, `each` by every one on its own; make two limits of it",
            ));
            return Vec::new();
        }
        (None, None) => {
            let problem = at.problem("a limit has to say what it counts by");
            problems.push(problem.remedy("write `per: ip`, or `per: user`"));
            return Vec::new();
        }
    };
    let place = at.key(key);
    let spots = spots(written, &place, problems);
    let ipv6_prefix = raw.ipv6_prefix.unwrap_or(IPV6_PREFIX);
    if key == "per" {
        return vec![Counter { spots, ipv6_prefix }];
    }
    spots.into_iter().map(|spot| Counter { spots: vec![spot], ipv6_prefix }).collect()
}

fn spots(written: &OneOrMany<String>, place: &Place, problems: &mut Vec<Problem>) -> Vec<KeySpot> {
    let mut spots = Vec::new();
    if written.is_empty() {
        problems.push(place.problem("a limit has to say what it counts by").remedy("write `ip`, or `user`"));
    }
    for (index, text) in written.iter().enumerate() {
        let place = place.item(index);
        match KeySpot::parse(text) {
            Ok(spot) if spots.contains(&spot) => {
                problems.push(place.problem(format!("`{text}` is there twice")).remedy("remove one of them"));
            }
            Ok(spot) => spots.push(spot),
            Err((what, remedy)) => problems.push(place.problem(what).remedy(remedy)),
        }
    }
    spots
}

fn rates(allow: &RawAllow, burst: Option<u32>, at: &Place, problems: &mut Vec<Problem>) -> Option<Rates> {
    let mut parse = |text: &str, place: &Place| {
        let wrong = |remedy: &str| place.problem(format!("`{text}` is not an allowance")).remedy(remedy);
        text.parse::<Allowance>().map_err(|remedy| problems.push(wrong(remedy))).ok()
    };
    match allow {
        RawAllow::All(text) => parse(text, at).map(|allowance| Rates::all(allowance, burst)),
        RawAllow::ByRole(written) => {
            let mut roles = BTreeMap::new();
            for (role, text) in written {
                roles.extend(parse(text, &at.key(role)).map(|allowance| (role.clone(), allowance)));
            }
            let rates = Rates::by_role(&roles, burst);
            if written.is_empty() {
                problems
                    .push(at.problem("no role is allowed anything").remedy("write `{ anonymous: 10/min }`"));
            }
            rates
        }
    }
}

fn lock(raw: &RawLock, at: &Place, problems: &mut Vec<Problem>) -> Option<Meter> {
    let mut sound = true;
    if raw.after == 0 {
        let problem = at.key("after").problem("`after: 0` would lock before anybody failed");
        problems.push(problem.remedy("write how many failures lock"));
        sound = false;
    }
    if raw.lasts.0 < Duration::from_secs(1) || raw.lasts.0 > LONGEST_LOCK {
        let problem = at.key("for").problem("the lock is out of range");
        problems.push(problem.remedy("write a time from 1s to 24h"));
        sound = false;
    }
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    sound.then(|| Meter::Lock {
        after: raw.after,
        for_ms: millis(raw.lasts.0),
        most_ms: millis(LONGEST_LOCK),
    })
}
