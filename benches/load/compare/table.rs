//! The Markdown table.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Fallible;
use crate::contender::Contender;
use crate::instructions::Span;
use crate::pace::{Pace, Turn};

/// One contender's figures.
pub(crate) struct Row {
    /// Whose.
    pub(crate) contender: &'static Contender,
    /// Instructions per request.
    pub(crate) instructions: Option<u64>,
    /// Its turn in each round.
    pub(crate) turns: Vec<Turn>,
}

impl Row {
    /// Nothing measured yet.
    pub(crate) fn new(contender: &'static Contender) -> Self {
        Self { contender, instructions: None, turns: Vec::new() }
    }

    /// The median over the rounds in µs, and the median of the ratios to `floor` in the same round.
    fn time(&self, floor: &Self, pick: impl Fn(&Turn) -> Option<Duration>) -> Option<(f64, f64)> {
        let micros = |turn| pick(turn).map(|time: Duration| time.as_secs_f64() * 1e6);
        let own: Vec<f64> = self.turns.iter().filter_map(micros).collect();
        let pairs = self.turns.iter().zip(&floor.turns);
        let ratios = pairs.filter_map(|(own, floor)| Some(micros(own)? / micros(floor)?)).collect();
        Some((median(own)?, median(ratios)?))
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The page that `benches/results` keeps.
pub(crate) fn markdown(
    rows: &[Row],
    facts: &[(&str, String)],
    pace: &Pace,
    rounds: u32,
    span: Span,
) -> Fallible<String> {
    let floor = rows.first().ok_or("nobody was compared")?;
    let mut text = String::from(
        "# portcullis and a bare Pingora proxy\n\n\
         Written by `benches/load/run`; `benches/NOTES.md` says what the figures mean. × is the ratio to the first row.\n\n\
         | TLS, HTTP/1.1, GET, 200 bytes | instructions | × | CPU µs | × | p50 µs | × | p95 µs | × |\n\
         | --- | --: | --: | --: | --: | --: | --: | --: | --: |\n",
    );
    for row in rows {
        write!(text, "| {} | {} |", row.contender.name, instructions(row, floor)?)?;
        let figures = [
            row.time(floor, |turn| turn.cpu),
            row.time(floor, |turn| Some(turn.p50)),
            row.time(floor, |turn| Some(turn.p95)),
        ];
        for figure in figures {
            match figure {
                Some((own, ratio)) => write!(text, " {own:.0} | {ratio:.2} |")?,
                None => text.push_str(" – | – |"),
            }
        }
        text.push('\n');
    }
    writeln!(
        text,
        "\nInstructions: callgrind, {} requests on one connection after {} that do not count. Times: {} requests a second over {} \
         connections, {rounds} interleaved rounds of {} s; medians over the rounds.\n",
        span.counted,
        span.warm_up,
        pace.rate,
        pace.connections,
        pace.length.as_secs()
    )?;
    text.push_str("| measured on | |\n| --- | --- |\n");
    for (name, value) in facts {
        writeln!(text, "| {name} | {value} |")?;
    }
    Ok(text)
}

fn instructions(row: &Row, floor: &Row) -> Fallible<String> {
    let (Some(own), Some(least)) = (row.instructions, floor.instructions) else {
        return Ok("– | –".to_owned());
    };
    let ratio = f64::from(u32::try_from(own)?) / f64::from(u32::try_from(least)?);
    Ok(format!("{own} | {ratio:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::CONTENDERS;

    fn row(instructions: u64, p95: [u64; 3]) -> Row {
        let turn = |p95| Turn { p50: Duration::from_micros(50), p95: Duration::from_micros(p95), cpu: None };
        let turns = p95.map(turn).into_iter().collect();
        Row { contender: &CONTENDERS[0], instructions: Some(instructions), turns }
    }

    #[test]
    fn a_ratio_is_the_median_of_each_rounds_own() {
        let (floor, own) = (row(1000, [100, 200, 400]), row(1500, [200, 300, 400]));
        // 2.0, 1.5 and 1.0: a machine that grows slower does not move it.
        assert_eq!(own.time(&floor, |turn| Some(turn.p95)), Some((300.0, 1.5)));
        let pace = Pace { rate: 500, connections: 8, length: Duration::from_secs(5) };
        let text = markdown(&[floor, own], &[], &pace, 3, Span { warm_up: 1, counted: 2 }).unwrap();
        assert!(text.contains("| 1500 | 1.50 | – | – | 50 | 1.00 | 300 | 1.50 |"), "{text}");
    }
}
