//! Tables in Markdown.

use crate::contender::{Scenario, Server};
use crate::figure::{BUSY, CPU, Figure, RATE, find};
use crate::saturation::SATURATION;

/// One column of figures.
pub(super) struct Column {
    title: String,
    measure: &'static str,
    scenario: String,
    scale: f64,
}

impl Column {
    /// A measure of one scenario, multiplied by `scale`.
    pub(super) fn new(title: &str, measure: &'static str, scenario: &str, scale: f64) -> Self {
        Self { title: title.to_owned(), measure, scenario: scenario.to_owned(), scale }
    }
}

/// A row for everyone who has a figure, and a column for each that somebody has one in; empty without any.
pub(super) fn by_contender(figures: &[Figure], columns: &[Column]) -> String {
    let cell = |server: Server, column: &Column| {
        let value = find(figures, column.measure, &column.scenario, server.name())?;
        Some(number(value * column.scale))
    };
    table(columns.iter().map(|column| (column.title.clone(), column)).collect(), cell)
}

/// Processor time and rate at saturation.
pub(super) fn saturation(figures: &[Figure], scenarios: &[Scenario]) -> String {
    let cell = |server: Server, scenario: &Scenario| {
        let value = |measure| find(figures, measure, scenario.name, server.name());
        let reckoned = value(BUSY)? < SATURATION * 100.0;
        Some(format!("{} · {}{}", number(value(CPU)?), if reckoned { "~" } else { "" }, number(value(RATE)?)))
    };
    table(scenarios.iter().map(|scenario| (scenario.name.to_owned(), scenario)).collect(), cell)
}

fn table<T: Copy>(columns: Vec<(String, T)>, cell: impl Fn(Server, T) -> Option<String>) -> String {
    let has_any = |column: T| Server::ALL.into_iter().any(|server| cell(server, column).is_some());
    let columns: Vec<_> = columns.into_iter().filter(|(_, column)| has_any(*column)).collect();
    let mut text = String::new();
    for server in Server::ALL {
        let cells: Vec<_> = columns.iter().map(|(_, column)| cell(server, *column)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "–".to_owned()));
            text.push_str(&line(server.label(), cells));
        }
    }
    if text.is_empty() {
        return text;
    }
    let titles = line("", columns.iter().map(|(title, _)| title.clone()));
    let rule = line("---", columns.iter().map(|_| "--:".to_owned()));
    titles + &rule + &text
}

fn line(first: &str, cells: impl Iterator<Item = String>) -> String {
    format!("| {first} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

/// Three digits that say something, and commas between thousands.
fn number(value: f64) -> String {
    if value < 99.95 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::TLS_H1;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [5.04, 99.9, 101.4, 1234.5, 1_234_567.0].map(number),
            ["5.0", "99.9", "101", "1,234", "1,234,567"]
        );
    }

    #[test]
    fn a_reckoned_rate_is_marked() {
        let figure = |measure, value| Figure::single(measure, "tls-h1", "nginx", "", value);
        let mut figures = vec![figure(CPU, 50.0), figure(RATE, 20_000.0), figure(BUSY, 80.0)];
        assert!(saturation(&figures, &[TLS_H1]).contains("| nginx | 50.0 · ~20,000 |"));
        figures[2].value = 99.0;
        assert!(saturation(&figures, &[TLS_H1]).contains("| nginx | 50.0 · 20,000 |"));
        assert_eq!(saturation(&[], &[TLS_H1]), "");
    }
}
