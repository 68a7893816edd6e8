//! Requests a second of one core, and processor time per request, with as much load as wrk and h2load can make.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::Fallible;
use crate::contender::{
    Contender, FULL_HS256, FULL_HS256_H2, FULL_RS256, FULL_RS256_H2, PLAIN_H1, PORTCULLIS, Scenario, Server,
    TLS_H1, TLS_H2,
};
use crate::figure::{BUSY, CPU, Figure, RATE, RATE_RATIO};
use crate::options::Options;
use crate::pace::Chance;
use crate::stage::{Door, Stage};
use crate::wire::HOST;

/// What is measured at saturation, in the order of the table.
pub(crate) const SATURATED: [Scenario; 7] =
    [PLAIN_H1, TLS_H1, TLS_H2, FULL_HS256, FULL_RS256, FULL_HS256_H2, FULL_RS256_H2];

/// From here on a core counts as saturated, and the rate that was measured as the most it can do.
pub(crate) const SATURATION: f64 = 0.95;

/// Requests under way on each HTTP/2 connection.
const STREAMS: u32 = 4;

/// What one turn gave.
struct Turn {
    rate: f64,
    cpu: f64,
    busy: f64,
}

/// Everyone who proxies, in interleaved rounds.
pub(crate) fn all(stage: &Stage, options: &Options) -> Fallible<Vec<Figure>> {
    let mut figures = Vec::new();
    for scenario in options.among(&SATURATED) {
        let mut doors = Vec::new();
        for server in options.present() {
            if server != Server::Origin && server.plays(&scenario) {
                doors.push((server, stage.open(&Contender { server, scenario })?, Vec::new()));
            }
        }
        let mut order = Chance::new(1);
        for round in 1..=options.saturation_rounds {
            let mut turns: Vec<_> = doors.iter_mut().collect();
            turns.sort_by_cached_key(|_| order.next());
            for (server, door, kept) in turns {
                let turn = turn(door, options)
                    .map_err(|error| format!("{}, {}: {error}", server.name(), scenario.name))?;
                let (name, Turn { rate, cpu, busy }) = (server.name(), &turn);
                eprintln!(
                    "saturation, {}, round {round}, {name}: {rate:.0}/s, {cpu:.1} µs, {:.0} % busy",
                    scenario.name,
                    busy * 100.0
                );
                kept.push(turn);
            }
        }
        let rounds: Vec<_> = doors.iter().map(|(server, _, turns)| (*server, turns.as_slice())).collect();
        figures.extend(summary(&scenario, &rounds));
    }
    Ok(figures)
}

fn summary(scenario: &Scenario, rounds: &[(Server, &[Turn])]) -> Vec<Figure> {
    let mut figures = Vec::new();
    let own = rounds.iter().find(|(server, _)| *server == Server::Gateway).map(|(_, turns)| *turns);
    for (server, turns) in rounds {
        let name = server.name();
        let all = |pick: fn(&Turn) -> f64| turns.iter().map(pick).collect::<Vec<f64>>();
        figures.extend(Figure::median(RATE, scenario.name, name, "/s", all(|turn| turn.rate)));
        figures.extend(Figure::median(CPU, scenario.name, name, "µs", all(|turn| turn.cpu)));
        figures.extend(Figure::median(BUSY, scenario.name, name, "%", all(|turn| turn.busy * 100.0)));
        if let Some(own) = own.filter(|_| name != PORTCULLIS) {
            let ratios = own.iter().zip(*turns).map(|(own, other)| own.rate / other.rate).collect();
            figures.extend(Figure::median(RATE_RATIO, scenario.name, name, "×", ratios));
        }
    }
    figures
}

fn turn(door: &Door, options: &Options) -> Fallible<Turn> {
    let process = door.process.as_ref().ok_or("nobody to load")?;
    let mut command = if door.h2 { h2load(door, options) } else { wrk(door, options) };
    let (begun, before) = (Instant::now(), process.cpu()?);
    let output = command.output().map_err(|error| {
        format!("{}: {error} (apt install wrk nghttp2-client)", command.get_program().display())
    })?;
    let (length, cpu) = (begun.elapsed(), process.cpu()?.saturating_sub(before));
    let text = String::from_utf8_lossy(&output.stdout);
    let done = if door.h2 { answered_h2load(&text) } else { answered_wrk(&text) };
    let said = String::from_utf8_lossy(&output.stderr);
    // Not the whole command: it holds a token.
    let count =
        done.map_err(|error| format!("{}: {error}\n{text}{said}", command.get_program().display()))?;
    Ok(reckon(count, length, cpu))
}

/// What is not measured at saturation is reckoned: as many requests as one core has the time for.
fn reckon(count: f64, length: Duration, cpu: Duration) -> Turn {
    let each = cpu.as_secs_f64() / count.max(1.0);
    let busy = cpu.as_secs_f64() / length.as_secs_f64();
    let rate = if busy >= SATURATION { count / length.as_secs_f64() } else { 1.0 / each.max(1e-9) };
    Turn { rate, cpu: each * 1e6, busy }
}

fn wrk(door: &Door, options: &Options) -> Command {
    let mut command = Command::new("wrk");
    command.args(["-t", "1", "-c", &options.connections.to_string(), "-d", &options.seconds.to_string()]);
    // With a capital: wrk adds a second one otherwise.
    command.arg("-H").arg(format!("Host: {HOST}"));
    for (name, value) in &door.ask.fields {
        command.arg("-H").arg(format!("{name}: {value}"));
    }
    let scheme = if door.tls.is_some() { "https" } else { "http" };
    command.arg(format!("{scheme}://{}{}", door.address, door.ask.path));
    command
}

fn h2load(door: &Door, options: &Options) -> Command {
    let mut command = Command::new("h2load");
    command.args(["-t", "1", "-c", &options.connections.to_string(), "-m", &STREAMS.to_string()]);
    command.args(["-D", &options.seconds.to_string()]).arg("-H").arg(format!(":authority: {HOST}"));
    for (name, value) in &door.ask.fields {
        command.arg("-H").arg(format!("{name}: {value}"));
    }
    command.arg(format!("https://{}{}", door.address, door.ask.path));
    command
}

/// `  12345 requests in 2.00s, 5.29MB read`
fn answered_wrk(text: &str) -> Result<f64, &'static str> {
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err("not every answer was good");
    }
    let line = text.lines().find(|line| line.contains(" requests in ")).ok_or("no count")?;
    number(line.split_whitespace().next())
}

/// `status codes: 12345 2xx, 0 3xx, 0 4xx, 0 5xx`
fn answered_h2load(text: &str) -> Result<f64, &'static str> {
    let line = text.lines().find_map(|line| line.strip_prefix("status codes: ")).ok_or("no count")?;
    if !line.ends_with(" 0 3xx, 0 4xx, 0 5xx") {
        return Err("not every answer was good");
    }
    number(line.split_whitespace().next())
}

fn number(word: Option<&str>) -> Result<f64, &'static str> {
    word.and_then(|word| word.parse().ok()).filter(|count| *count > 0.0).ok_or("no count")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::find;

    #[test]
    fn counts_are_read_and_refusals_are_not_counted() {
        assert_eq!(answered_wrk("Running\n  4567 requests in 1.00s, 1.97MB read\n"), Ok(4567.0));
        assert!(answered_wrk("  456 requests in 1.00s\n  Non-2xx or 3xx responses: 456\n").is_err());
        assert_eq!(answered_h2load("x\nstatus codes: 5 2xx, 0 3xx, 0 4xx, 0 5xx\n"), Ok(5.0));
        assert!(answered_h2load("status codes: 5 2xx, 0 3xx, 9 4xx, 0 5xx\n").is_err());
    }

    #[test]
    fn a_rate_is_reckoned_where_the_core_was_not_busy() {
        let (second, half) = (Duration::from_secs(1), Duration::from_millis(500));
        let close = |one: f64, other: f64| (one / other - 1.0).abs() < 1e-6;
        assert!(close(reckon(1000.0, second, half).rate, 2000.0));
        assert!(close(reckon(1000.0, second, second).rate, 1000.0));
        assert!(close(reckon(1000.0, second, half).cpu, 500.0));
    }

    #[test]
    fn a_ratio_is_the_median_of_each_rounds_own() {
        let turns = |rates: [f64; 3]| rates.map(|rate| Turn { rate, cpu: 1.0, busy: 1.0 });
        let (own, other) = (turns([200.0, 300.0, 400.0]), turns([100.0, 200.0, 400.0]));
        let figures = summary(&TLS_H1, &[(Server::Gateway, &own), (Server::Nginx, &other)]);
        assert_eq!(find(&figures, RATE_RATIO, "tls-h1", "nginx"), Some(1.5));
        assert_eq!(find(&figures, RATE, "tls-h1", "portcullis"), Some(300.0));
    }
}
