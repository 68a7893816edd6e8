//! The pictures in `benches/results`, drawn from the figures.

mod bars;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Fallible;
use crate::figure::{
    CONNECTIONS, EVENT_P50, EVENT_P95, EVENTS, FULL, Figure, HANDSHAKES, IDLE, INSTRUCTIONS, MEMORY, P50,
    P95, RATE, RESUMED,
};
use bars::{Bar, Group, Picture, number};

/// One group of bars: a measure, a scenario, and what stands above them.
type Row = (&'static str, &'static str, &'static str);

/// One file.
struct Plot {
    /// Its name, without the ending.
    file: &'static str,
    title: &'static str,
    axis: &'static str,
    /// What a figure is divided by, to be in the axis' unit.
    divide: f64,
    rows: &'static [Row],
}

const PLOTS: &[Plot] = &[
    Plot {
        file: "instructions",
        title: "Instructions per request",
        axis: "thousands of instructions per request (callgrind, user space) · less is better",
        divide: 1e3,
        rows: &[
            (INSTRUCTIONS, "plain-h1", "Without TLS"),
            (INSTRUCTIONS, "tls-h1", "TLS, no policy"),
            (INSTRUCTIONS, "tls-h2", "TLS and HTTP/2, no policy"),
            (INSTRUCTIONS, "full-hs256", "TLS, full policy with JWT in HS256"),
            (INSTRUCTIONS, "full-rs256", "TLS, full policy with JWT in RS256"),
        ],
    },
    Plot {
        file: "rate",
        title: "Requests a second of one core, full policy",
        axis: "requests a second at saturation · more is better",
        divide: 1.0,
        rows: &[
            (RATE, "full-hs256", "HTTP/1.1, JWT in HS256"),
            (RATE, "full-rs256", "HTTP/1.1, JWT in RS256"),
            (RATE, "full-hs256-h2", "HTTP/2, JWT in HS256"),
            (RATE, "full-rs256-h2", "HTTP/2, JWT in RS256"),
        ],
    },
    Plot {
        file: "pace",
        title: "Time to an answer at a fixed, modest rate, full policy",
        axis: "µs · less is better",
        divide: 1.0,
        rows: &[
            (P50, "full-hs256", "Median, JWT in HS256"),
            (P95, "full-hs256", "95th percentile, JWT in HS256"),
            (P50, "full-rs256", "Median, JWT in RS256"),
            (P95, "full-rs256", "95th percentile, JWT in RS256"),
        ],
    },
    Plot {
        file: "handshakes",
        title: "New TLS 1.3 connections a second of one core",
        axis: "handshakes a second · more is better",
        divide: 1.0,
        rows: &[(HANDSHAKES, FULL, "Full handshake"), (HANDSHAKES, RESUMED, "Resumed by a ticket")],
    },
    Plot {
        file: "events",
        title: "Delay of a server-sent event, full policy",
        axis: "µs from the origin's write to the client's read · less is better",
        divide: 1.0,
        rows: &[(EVENT_P50, EVENTS, "Median"), (EVENT_P95, EVENTS, "95th percentile")],
    },
    Plot {
        file: "memory",
        title: "Memory",
        axis: "MB, PSS of all processes · less is better",
        divide: 1.0,
        rows: &[(MEMORY, IDLE, "Idle"), (MEMORY, CONNECTIONS, "1,000 idle TLS connections in addition")],
    },
];

/// Draws what was measured into `folder`; a plot without figures is left as it is. Returns the Markdown that shows
/// them, with the text for those who do not see them.
pub(crate) fn write(figures: &[Figure], folder: &Path) -> Fallible<String> {
    let mut page = String::new();
    for plot in PLOTS {
        let groups = plot.groups(figures);
        if groups.is_empty() {
            continue;
        }
        let alt = plot.alt(&groups);
        let picture = Picture { title: plot.title, axis: plot.axis, alt: &alt, groups: &groups };
        let file = format!("{}.svg", plot.file);
        fs::write(folder.join(&file), picture.svg()?)?;
        writeln!(page, "![{alt}]({file})\n")?;
    }
    Ok(page)
}

impl Plot {
    /// The groups of which anything was measured.
    fn groups(&self, figures: &[Figure]) -> Vec<Group> {
        let group = |&(measure, scenario, name): &Row| {
            let these = figures.iter().filter(|one| one.measure == measure && one.scenario == scenario);
            let bars = these.map(|one| self.bar(one)).collect();
            Group { name: name.to_owned(), bars }
        };
        self.rows.iter().map(group).filter(|group| !group.bars.is_empty()).collect()
    }

    fn bar(&self, figure: &Figure) -> Bar {
        let spread = figure.spread.map(|(from, to)| (from / self.divide, to / self.divide));
        Bar { name: shown(&figure.contender).to_owned(), value: figure.value / self.divide, spread }
    }

    /// All of it in words.
    fn alt(&self, groups: &[Group]) -> String {
        let group = |group: &Group| {
            let bars = group.bars.iter().map(|bar| format!("{} {}", bar.name, number(bar.value)));
            format!("{}: {}", group.name, bars.collect::<Vec<_>>().join(", "))
        };
        let groups: Vec<String> = groups.iter().map(group).collect();
        format!("Bar chart. {}, in {}. {}.", self.title, self.axis.replace(" · ", "; "), groups.join(". "))
    }
}

/// A contender's name as its owner writes it.
fn shown(contender: &str) -> &str {
    match contender {
        "haproxy" => "HAProxy",
        "envoy" => "Envoy",
        "envoy-cached" => "Envoy, JWT cache",
        "caddy" => "Caddy",
        "bare" => "bare Pingora",
        "floor" => "bare, default profile",
        "origin" => "no proxy",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_shows_what_was_measured_and_says_it() {
        let figures = [
            Figure::single(INSTRUCTIONS, "full-rs256", "portcullis", "instructions", 98_400.0),
            Figure::single(INSTRUCTIONS, "full-rs256", "haproxy", "instructions", 464_000.0),
            Figure::median(MEMORY, IDLE, "nginx", "MB", vec![8.0, 8.5, 9.0]).unwrap(),
        ];
        let folder = tempfile::tempdir().unwrap();
        let page = write(&figures, folder.path()).unwrap();
        assert!(page.contains("RS256: portcullis 98, HAProxy 464.](instructions.svg)"), "{page}");
        assert!(page.contains("Idle: nginx 8.5.](memory.svg)") && !page.contains("rate.svg"), "{page}");
        assert!(fs::read_to_string(folder.path().join("instructions.svg")).unwrap().contains(">464</text>"));
    }
}
