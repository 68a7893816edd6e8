//! The goals of the issue "Performance", and whether they are reached.

use crate::contender::{PORTCULLIS, Server};
use crate::figure::{
    COLD, CONNECTIONS, EVENT_P50, EVENT_P95, EVENTS, FULL, Figure, HANDSHAKES, IDLE, INSTRUCTIONS, KEYS,
    MEMORY, P50_RATIO, P95_ADDED, P95_RATIO, RATE_RATIO, RESUMED, ROUTES, RULES, SCALE, START, find,
};

/// Where a goal lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    /// As much or less is good.
    AtMost(f64),
    /// Less is good.
    Below(f64),
    /// As much or more is good.
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(goal) => value <= goal,
            Self::Below(goal) => value < goal,
            Self::AtLeast(goal) => value >= goal,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(goal) => format!("≤ {goal}"),
            Self::Below(goal) => format!("< {goal}"),
            Self::AtLeast(goal) => format!("≥ {goal}"),
        }
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct Goal {
    /// What is measured.
    pub(super) what: &'static str,
    bound: Bound,
    unit: &'static str,
    /// What was measured, and against whom.
    pub(super) value: Option<(f64, Option<Server>)>,
}

impl Goal {
    /// Whether it is reached, if it was measured.
    pub(super) fn reached(&self) -> Option<bool> {
        self.value.map(|(value, _)| self.bound.holds(value))
    }

    /// A row of the table.
    pub(super) fn row(&self) -> String {
        let (value, against) = match self.value {
            None => ("–".to_owned(), String::new()),
            Some((value, against)) => {
                let digits = if self.unit == "µs" || self.unit == "ms" { 0 } else { 2 };
                let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
                let against = against.map_or(String::new(), |server| format!(" ({})", server.label()));
                (format!("{value:.digits$}{unit}"), against)
            }
        };
        let reached = match self.reached() {
            None => "not measured",
            Some(true) => "reached",
            Some(false) => "**missed**",
        };
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        format!("| {} | {}{unit} | {value}{against} | {reached} |\n", self.what, self.bound.text())
    }
}

/// A value, and who it was measured against.
type Value = Option<(f64, Option<Server>)>;

struct Reader<'a>(&'a [Figure]);

impl Reader<'_> {
    fn own(&self, measure: &str, scenario: &str) -> Option<f64> {
        find(self.0, measure, scenario, PORTCULLIS)
    }

    fn alone(&self, measure: &str, scenario: &str) -> Value {
        Some((self.own(measure, scenario)?, None))
    }

    /// A scenario of portcullis over another of its own.
    fn over_own(&self, scenario: &str, other: &str) -> Value {
        Some((self.own(INSTRUCTIONS, scenario)? / self.own(INSTRUCTIONS, other)?, None))
    }

    /// Portcullis in one scenario over somebody else in another.
    fn over(&self, measure: &str, scenario: &str, server: Server, other: &str) -> Value {
        let other = find(self.0, measure, other, server.name())?;
        Some((self.own(measure, scenario)? / other, Some(server)))
    }

    /// Portcullis over the one of `servers` that makes this the hardest.
    fn hardest(&self, measure: &str, scenario: &str, among: fn(Server) -> bool, bound: Bound) -> Value {
        let ratios = Server::ALL.into_iter().filter(|server| among(*server));
        worst(ratios.filter_map(|server| self.over(measure, scenario, server, scenario)), bound)
    }

    /// The same of ratios that were made round by round.
    fn paired(&self, measure: &str, scenario: &str, bound: Bound) -> Value {
        let peers = Server::ALL.into_iter().filter(|server| server.is_peer());
        let ratio = |server: Server| Some((find(self.0, measure, scenario, server.name())?, Some(server)));
        worst(peers.filter_map(ratio), bound)
    }
}

fn worst(ratios: impl Iterator<Item = (f64, Option<Server>)>, bound: Bound) -> Value {
    match bound {
        Bound::AtLeast(_) => ratios.min_by(|one, other| one.0.total_cmp(&other.0)),
        Bound::AtMost(_) | Bound::Below(_) => ratios.max_by(|one, other| one.0.total_cmp(&other.0)),
    }
}

/// Every row of the issue, in its order.
pub(super) fn all(figures: &[Figure]) -> Vec<Goal> {
    let read = Reader(figures);
    let mut goals = requests(&read);
    goals.extend(times(&read));
    goals.extend(the_rest(&read));
    goals
}

fn goal(what: &'static str, bound: Bound, unit: &'static str, value: Value) -> Goal {
    Goal { what, bound, unit, value }
}

fn requests(read: &Reader<'_>) -> Vec<Goal> {
    let peer = |scenario, goal| read.hardest(INSTRUCTIONS, scenario, Server::is_peer, Bound::AtMost(goal));
    let rate = |what, scenario, least| {
        let bound = Bound::AtLeast(least);
        goal(what, bound, "", read.paired(RATE_RATIO, scenario, bound))
    };
    let floor = read.over(INSTRUCTIONS, "full-rs256", Server::Floor, "tls-h1");
    vec![
        goal("instructions, full RS256, over a bare proxy without policy", Bound::AtMost(1.0), "", floor),
        goal("instructions, full HS256, over the best peer", Bound::AtMost(0.7), "", peer("full-hs256", 0.7)),
        goal(
            "instructions, full RS256, over the best peer",
            Bound::AtMost(0.25),
            "",
            peer("full-rs256", 0.25),
        ),
        rate("requests a second of one core, full HS256, HTTP/1.1, over the best peer", "full-hs256", 1.0),
        rate("the same, RS256", "full-rs256", 1.5),
        rate("the same, HS256, HTTP/2", "full-hs256-h2", 1.0),
        rate("the same, RS256, HTTP/2", "full-rs256-h2", 1.5),
    ]
}

fn times(read: &Reader<'_>) -> Vec<Goal> {
    let paired = |what, measure, scenario| {
        let bound = Bound::AtMost(1.0);
        goal(what, bound, "", read.paired(measure, scenario, bound))
    };
    let added = |what, scenario| goal(what, Bound::Below(50.0), "µs", read.alone(P95_ADDED, scenario));
    vec![
        paired("p50 at a fixed rate, full HS256, over the best peer", P50_RATIO, "full-hs256"),
        paired("p95, the same", P95_RATIO, "full-hs256"),
        paired("p50 at a fixed rate, full RS256, over the best peer", P50_RATIO, "full-rs256"),
        paired("p95, the same", P95_RATIO, "full-rs256"),
        added("p95 that the full HS256 policy adds", "full-hs256"),
        added("p95 that the full RS256 policy adds", "full-rs256"),
    ]
}

fn the_rest(read: &Reader<'_>) -> Vec<Goal> {
    let refused =
        |what, scenario, allowed| goal(what, Bound::AtMost(0.5), "", read.over_own(scenario, allowed));
    let handshakes = |what, scenario| {
        let bound = Bound::AtLeast(1.5);
        goal(what, bound, "", read.hardest(HANDSHAKES, scenario, Server::is_peer, bound))
    };
    let events = |what, measure| {
        let bound = Bound::AtMost(1.2);
        goal(what, bound, "", read.hardest(measure, EVENTS, Server::is_peer, bound))
    };
    let scale = |what, scenario| goal(what, Bound::AtMost(1.1), "", read.alone(SCALE, scenario));
    let rust = |server| matches!(server, Server::Bare | Server::Floor);
    let plain = read.over(INSTRUCTIONS, "tls-h1", Server::Nginx, "tls-h1");
    let connections = read.hardest(MEMORY, CONNECTIONS, rust, Bound::AtMost(1.0));
    vec![
        goal("instructions, TLS without policy, over nginx", Bound::AtMost(2.0), "", plain),
        handshakes("full TLS handshakes a second, over the best peer", FULL),
        handshakes("resumed TLS handshakes a second, over the best peer", RESUMED),
        refused("instructions, forged HS256 token, over an allowed one", "forged-hs256", "full-hs256"),
        refused("instructions, forged RS256 token, over an allowed one", "forged-rs256", "full-rs256"),
        refused("instructions, expired token, over an allowed one", "expired", "full-rs256"),
        refused("instructions, over the limit, over an allowed one", "over-limit", "full-rs256"),
        events("event delay p50, over the best peer", EVENT_P50),
        events("event delay p95, over the best peer", EVENT_P95),
        goal("memory, idle", Bound::AtMost(15.0), "MB", read.alone(MEMORY, IDLE)),
        goal(
            "memory of 1,000 idle TLS connections, over the best Rust peer",
            Bound::AtMost(1.0),
            "",
            connections,
        ),
        scale("cost of a request with 10,000 routes, over 10", ROUTES),
        scale("with 1,000 rules, over 10", RULES),
        scale("with 1,000,000 limiter keys, over 10", KEYS),
        goal("cold start to the first answer", Bound::Below(100.0), "ms", read.alone(START, COLD)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(measure: &'static str, scenario: &str, server: Server, value: f64) -> Figure {
        Figure::single(measure, scenario, server.name(), "", value)
    }

    #[test]
    fn the_best_peer_is_the_one_that_makes_it_hardest() {
        let figures = [
            figure(INSTRUCTIONS, "full-hs256", Server::Gateway, 100.0),
            figure(INSTRUCTIONS, "full-hs256", Server::Nginx, 200.0),
            figure(INSTRUCTIONS, "full-hs256", Server::Haproxy, 125.0),
            // Not a peer, whatever it takes.
            figure(INSTRUCTIONS, "full-hs256", Server::Bare, 1.0),
            figure(RATE_RATIO, "full-rs256", Server::Nginx, 2.0),
            figure(RATE_RATIO, "full-rs256", Server::Haproxy, 1.6),
        ];
        let goals = all(&figures);
        let find = |what: &str| goals.iter().find(|goal| goal.what.starts_with(what)).unwrap();
        let hs256 = find("instructions, full HS256");
        assert_eq!((hs256.value, hs256.reached()), (Some((0.8, Some(Server::Haproxy))), Some(false)));
        assert!(hs256.row().contains("0.80 (HAProxy) | **missed**"), "{}", hs256.row());
        let rate = find("the same, RS256");
        assert_eq!((rate.value, rate.reached()), (Some((1.6, Some(Server::Haproxy))), Some(true)));
        assert!(find("memory, idle").row().ends_with("| – | not measured |\n"));
    }
}
