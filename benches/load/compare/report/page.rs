//! The page of `benches/results`, and the README's table.

use std::fmt::Write as _;
use std::path::Path;

use super::tables::{self, Column};
use super::{Results, goals};
use crate::Fallible;
use crate::contender::{SCENARIOS, Scenario};
use crate::figure::{
    ALL, COLD, CONNECTIONS, EVENT_P50, EVENT_P95, EVENTS, FULL, HANDSHAKE_CPU, HANDSHAKE_INSTRUCTIONS,
    HANDSHAKES, HANDSHAKES_SEEN, IDLE, INSTRUCTIONS, KEYS, MEMORY, P50, P95, PACED_CPU, RESUMED, ROUTES,
    RULES, SCALE, SCALE_CPU, START, TICKETS,
};
use crate::instructions::COUNTED;
use crate::pace::PACED;
use crate::plot;
use crate::saturation::SATURATED;

/// Everything. The plots are drawn into `folder`, if there is one.
pub(crate) fn markdown(results: &Results, folder: Option<&Path>) -> Fallible<String> {
    let figures = &results.figures;
    let mut text = String::from(
        "# portcullis, a bare Pingora proxy and other gateways\n\n\
         Written by `benches/load/run`; `benches/NOTES.md` says what the figures mean.\n",
    );
    if let Some(folder) = folder {
        text.push_str("\n## Goals\n| measure | goal | measured | |\n| --- | --: | --: | --- |\n");
        for goal in goals::all(figures) {
            text.push_str(&goal.row());
        }
        text.push_str("\n## Pictures\n");
        text.push_str(&plot::write(figures, folder)?);
    }
    let per = |measure, scale, scenarios: &[Scenario]| -> Vec<Column> {
        scenarios.iter().map(|scenario| Column::new(scenario.name, measure, scenario.name, scale)).collect()
    };
    let counted = per(INSTRUCTIONS, 1e-3, &COUNTED);
    section(&mut text, "Thousands of instructions per request", "", &tables::by_contender(figures, &counted));
    let note = "CPU µs per request · requests a second. ~: the load did not keep the proxy's core busy, and the rate is what the \
                CPU time comes to.";
    section(&mut text, "One core at saturation", note, &tables::saturation(figures, &SATURATED));
    let paced: Vec<Column> = SCENARIOS
        .iter()
        .filter(|scenario| PACED.contains(scenario) || scenario.name == "plain-h1")
        .flat_map(|scenario| {
            [(P50, "p50"), (P95, "p95"), (PACED_CPU, "CPU")].map(|(measure, name)| {
                Column::new(&format!("{}, {name}", scenario.name), measure, scenario.name, 1.0)
            })
        })
        .collect();
    section(&mut text, "Time at a fixed rate, µs", "", &tables::by_contender(figures, &paced));
    section(&mut text, "Connections, events, memory, start", "", &tables::by_contender(figures, &others()));
    section(&mut text, "New TLS connections", HANDSHAKE_NOTE, &tables::by_contender(figures, &handshakes()));
    section(&mut text, "Much over little", SCALE_NOTE, &tables::by_contender(figures, &scale()));
    text.push_str("\n## Measured on\n| | |\n| --- | --- |\n");
    for (name, value) in &results.facts {
        writeln!(text, "| {name} | {value} |")?;
    }
    Ok(text)
}

fn section(text: &mut String, title: &str, note: &str, table: &str) {
    if !table.is_empty() {
        let note = if note.is_empty() { String::new() } else { format!("{note}\n\n") };
        for part in ["\n## ", title, "\n", &note, table] {
            text.push_str(part);
        }
    }
}

const HANDSHAKE_NOTE: &str = "Of one core: what the processor time comes to. Seen: what the clients saw of it. By ticket: the part of the \
                              second visits that were resumed.";

fn handshakes() -> Vec<Column> {
    let columns = [
        ("µs", HANDSHAKE_CPU, 1.0),
        ("of one core/s", HANDSHAKES, 1.0),
        ("seen/s", HANDSHAKES_SEEN, 1.0),
        ("thousands of instructions", HANDSHAKE_INSTRUCTIONS, 1e-3),
        ("by ticket, %", TICKETS, 100.0),
    ];
    let of = |scenario| {
        columns.into_iter().filter(move |(_, measure, _)| (scenario, *measure) != (FULL, TICKETS)).map(
            move |(name, measure, scale)| {
                Column::new(&format!("{scenario}, {name}"), measure, scenario, scale)
            },
        )
    };
    [FULL, RESUMED].into_iter().flat_map(of).collect()
}

const SCALE_NOTE: &str = "One request through the full policy, with so much configured or counted, in % of the same with ten of each.";

fn scale() -> Vec<Column> {
    let columns = [("instructions, %", SCALE), ("CPU, %", SCALE_CPU)];
    let of = |scenario: &'static str| {
        columns
            .into_iter()
            .map(move |(name, measure)| Column::new(&format!("{scenario}, {name}"), measure, scenario, 100.0))
    };
    [ROUTES, RULES, KEYS, ALL].into_iter().flat_map(of).collect()
}

fn others() -> Vec<Column> {
    [
        ("handshakes/s", HANDSHAKES, FULL),
        ("resumed/s", HANDSHAKES, RESUMED),
        ("event p50 µs", EVENT_P50, EVENTS),
        ("event p95 µs", EVENT_P95, EVENTS),
        ("idle MB", MEMORY, IDLE),
        ("MB per 1,000 connections", MEMORY, CONNECTIONS),
        ("cold start ms", START, COLD),
    ]
    .map(|(title, measure, scenario)| Column::new(title, measure, scenario, 1.0))
    .into()
}

/// What the README shows.
pub(crate) fn short(results: &Results) -> Fallible<String> {
    let columns = [
        ("thousands of instructions a request, HS256", INSTRUCTIONS, "full-hs256", 1e-3),
        ("RS256", INSTRUCTIONS, "full-rs256", 1e-3),
        ("requests a second of one core, HS256", crate::figure::RATE, "full-hs256", 1.0),
        ("RS256", crate::figure::RATE, "full-rs256", 1.0),
        ("p95 µs, RS256", P95, "full-rs256", 1.0),
        ("TLS handshakes/s", HANDSHAKES, FULL, 1.0),
        ("idle MB", MEMORY, IDLE, 1.0),
    ]
    .map(|(title, measure, scenario, scale)| Column::new(title, measure, scenario, scale));
    let mut text = tables::by_contender(&results.figures, &columns);
    let goals = goals::all(&results.figures);
    let reached = goals.iter().filter(|goal| goal.reached() == Some(true)).count();
    let fact =
        |name: &str| results.facts.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    writeln!(
        text,
        "\nTLS, JWT, CORS, a limit per address and an access log, in front of the same upstream: {} on {} ({}). {reached} of {} goals are \
         reached: [all figures](benches/results/latest.md).",
        fact("date"),
        fact("processor"),
        fact("commit"),
        goals.len()
    )?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Server;
    use crate::figure::Figure;

    #[test]
    fn a_page_shows_what_there_is_and_a_dash_where_there_is_nothing() {
        let one = |scenario: &str, server: Server, value| {
            Figure::single(INSTRUCTIONS, scenario, server.name(), "instructions", value)
        };
        let figures = vec![
            one("tls-h1", Server::Gateway, 91_234.0),
            one("full-rs256", Server::Gateway, 101_000.0),
            one("tls-h1", Server::Nginx, 37_000.0),
        ];
        let results = Results { facts: vec![("date".to_owned(), "today".to_owned())], figures };
        let text = markdown(&results, None).unwrap();
        assert!(text.contains("| **portcullis** | 91.2 | 101 |"), "{text}");
        assert!(text.contains("| nginx | 37.0 | – |"), "{text}");
        assert!(!text.contains("saturation"), "{text}");
        assert!(text.ends_with("| date | today |\n"), "{text}");
        assert!(short(&results).unwrap().contains("0 of 28 goals"), "{}", short(&results).unwrap());
    }
}
