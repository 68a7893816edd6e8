//! What was measured, kept as figures and told as tables.

mod goals;
mod page;
mod tables;

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Fallible;
use crate::contender::Server;
use crate::figure::Figure;
use crate::options::Options;
use crate::{machine, peers};

const README: &str = "README.md";
const FROM: &str = "<!-- measured -->";
const TO: &str = "<!-- /measured -->";

/// One file of `benches/results`.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// On what, and how.
    pub(crate) facts: Vec<(String, String)>,
    /// What.
    pub(crate) figures: Vec<Figure>,
}

impl Results {
    /// Those of a file.
    pub(crate) fn read(file: impl AsRef<Path>) -> Fallible<Self> {
        let file = file.as_ref();
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?)
    }

    /// Takes the place of what was measured before, and leaves the rest.
    fn renew(&mut self, newer: Self) {
        let same = |one: &Figure, other: &Figure| {
            (one.measure, &one.scenario, &one.contender) == (other.measure, &other.scenario, &other.contender)
        };
        self.figures.retain(|old| !newer.figures.iter().any(|new| same(old, new)));
        self.figures.extend(newer.figures);
        self.facts = newer.facts;
    }
}

/// Writes a whole run; prints a part of one, and writes it where `--out` says.
pub(crate) fn keep(figures: Vec<Figure>, options: &Options) -> Fallible<()> {
    let mut facts = machine::facts();
    let versions = Server::ALL.into_iter().filter_map(peers::version).collect::<Vec<_>>().join(", ");
    facts.push(("Pingora".to_owned(), "0.9.1, rustls".to_owned()));
    facts.push(("peers".to_owned(), versions));
    facts.push(("how".to_owned(), how(options)));
    if options.quick {
        let warning = "only shows that everything runs: few, short rounds, and less routes, rules and keys than the rows say";
        facts.push(("quick".to_owned(), warning.to_owned()));
    }
    let mut results = Results { facts, figures };
    let file = options.figures();
    if options.partial() {
        print!("{}", page::markdown(&results, None)?);
        if options.out.is_none() {
            return Ok(());
        }
        if file.exists() {
            let mut all = Results::read(&file)?;
            all.renew(results);
            all.facts
                .push(("measured in parts".to_owned(), "the facts are those of the last part".to_owned()));
            results = all;
        }
    }
    write(&results, &file, !options.partial())
}

fn how(options: &Options) -> String {
    format!(
        "instructions of {} requests after 200; {} rounds of {} s at saturation over {} connections; {} rounds of {} s at {} requests a second",
        options.requests,
        options.saturation_rounds,
        options.seconds,
        options.connections,
        options.rounds,
        options.seconds,
        options.rate
    )
}

/// Writes the file, the page beside it, and the README's table.
pub(crate) fn write(results: &Results, file: &Path, readme: bool) -> Fallible<()> {
    let folder = file.parent().ok_or("--out names no file")?;
    fs::create_dir_all(folder)?;
    fs::write(file, serde_json::to_string_pretty(results)? + "\n")?;
    let page = file.with_extension("md");
    fs::write(&page, page::markdown(results, Some(folder))?)?;
    eprintln!("written: {} and {}", file.display(), page.display());
    if readme
        && let Ok(text) = fs::read_to_string(README)
        && let Some(text) = between(&text, &page::short(results)?)
    {
        fs::write(README, text)?;
        eprintln!("written: the table in {README}");
    }
    Ok(())
}

/// The text with what is between the markers replaced, if it has them.
fn between(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(FROM)?;
    let (_, after) = rest.split_once(TO)?;
    Some(format!("{before}{FROM}\n{table}{TO}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{INSTRUCTIONS, find};

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let text = format!("a\n{FROM}\nold\n{TO}\nb\n");
        assert_eq!(between(&text, "new\n"), Some(format!("a\n{FROM}\nnew\n{TO}\nb\n")));
        assert_eq!(between("a\n", "new\n"), None);
    }

    #[test]
    fn a_part_measured_anew_takes_the_place_of_the_old_one() {
        let one = |scenario, value| Figure::single(INSTRUCTIONS, scenario, "nginx", "instructions", value);
        let mut all = Results { facts: Vec::new(), figures: vec![one("tls-h1", 1.0), one("tls-h2", 2.0)] };
        all.renew(Results { facts: Vec::new(), figures: vec![one("tls-h1", 3.0)] });
        assert_eq!(find(&all.figures, INSTRUCTIONS, "tls-h1", "nginx"), Some(3.0));
        assert_eq!(find(&all.figures, INSTRUCTIONS, "tls-h2", "nginx"), Some(2.0));
        assert_eq!(all.figures.len(), 2);
    }
}
