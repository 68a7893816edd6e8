//! What the command line says.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::Fallible;
use crate::contender::{SCENARIOS, Scenario, Server};

const EXAMPLE: &str = "Example: benches/load/run --only instructions --contenders portcullis,haproxy --scenarios tls-h1,full-rs256";

/// Compares portcullis with a bare Pingora proxy and with other gateways, on this machine.
///
/// A whole run writes benches/results/latest.json and latest.md and the table in README.md. A part of one (--only,
/// --contenders, --scenarios, --quick) prints what it measured, and is written only where --out says; what is in that
/// file already and was not measured anew stays.
#[derive(Clone, Debug, Parser)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Options {
    /// Few and short rounds: to see whether everything runs to its end.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these measures; `--only help` lists them.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Only these contenders; `--contenders help` lists them.
    #[arg(long, value_delimiter = ',')]
    pub(crate) contenders: Vec<String>,
    /// Only these scenarios; `--scenarios help` lists them.
    #[arg(long, value_delimiter = ',')]
    pub(crate) scenarios: Vec<String>,
    /// Rounds at a fixed rate; every contender has its turn in each.
    #[arg(long, default_value_t = 15)]
    pub(crate) rounds: u32,
    /// Rounds at saturation.
    #[arg(long, default_value_t = 5)]
    pub(crate) saturation_rounds: u32,
    /// Seconds of one turn.
    #[arg(long, default_value_t = 2)]
    pub(crate) seconds: u64,
    /// Requests a second at the fixed rate.
    #[arg(long, default_value_t = 500)]
    pub(crate) rate: u32,
    /// Connections that share a load.
    #[arg(long, default_value_t = 8)]
    pub(crate) connections: u32,
    /// Requests whose instructions are counted.
    #[arg(long, default_value_t = 1000)]
    pub(crate) requests: u32,
    /// The gateway's executable, if not the one beside this.
    #[arg(long)]
    pub(crate) gateway: Option<PathBuf>,
    /// Keeps the profiles for `callgrind_annotate` in this folder.
    #[arg(long)]
    pub(crate) profiles: Option<PathBuf>,
    /// Writes the tables anew from the figures of the last run, and measures nothing.
    #[arg(long)]
    pub(crate) render: bool,
    /// The figures' file; the page is written beside it.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Who cannot take part.
    #[arg(skip)]
    pub(crate) absent: Vec<Server>,
}

impl Options {
    /// Those of the command line; a name that nobody has is an error that lists those there are.
    pub(crate) fn read(measures: &[&str]) -> Fallible<Self> {
        let mut options = Self::parse();
        known("--only", &options.only, measures)?;
        known("--contenders", &options.contenders, &Server::ALL.map(Server::name))?;
        known("--scenarios", &options.scenarios, &SCENARIOS.map(|scenario| scenario.name))?;
        if options.quick {
            options.rounds = options.rounds.min(2);
            options.saturation_rounds = 1;
            options.seconds = 1;
            options.requests = options.requests.min(100);
        }
        Ok(options)
    }

    /// Whether less is measured than there is.
    pub(crate) fn partial(&self) -> bool {
        self.quick || [&self.only, &self.contenders, &self.scenarios].into_iter().any(|list| !list.is_empty())
    }

    /// Whether a measure is wanted.
    pub(crate) fn measures(&self, name: &str) -> bool {
        chosen(&self.only, name)
    }

    /// Whether a contender takes part.
    pub(crate) fn admits(&self, server: Server) -> bool {
        chosen(&self.contenders, server.name()) && !self.absent.contains(&server)
    }

    /// Everyone who takes part, in the order of the tables.
    pub(crate) fn present(&self) -> Vec<Server> {
        Server::ALL.into_iter().filter(|server| self.admits(*server)).collect()
    }

    /// Those of `scenarios` that are wanted.
    pub(crate) fn among(&self, scenarios: &[Scenario]) -> Vec<Scenario> {
        scenarios.iter().filter(|scenario| chosen(&self.scenarios, scenario.name)).copied().collect()
    }

    /// The figures' file.
    pub(crate) fn figures(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| "benches/results/latest.json".into())
    }

    /// How long one turn lasts.
    pub(crate) fn turn(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn chosen(list: &[String], name: &str) -> bool {
    list.is_empty() || list.iter().any(|one| one == name)
}

fn known(flag: &str, given: &[String], names: &[&str]) -> Fallible<()> {
    match given.iter().find(|one| !names.contains(&one.as_str())) {
        None => Ok(()),
        Some(one) => Err(format!("{flag}: there is no `{one}`, but {}", names.join(", ")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_has_is_told() {
        assert!(known("--only", &["pace".to_owned()], &["pace"]).is_ok());
        let error = known("--only", &["help".to_owned()], &["pace", "start"]).unwrap_err();
        assert_eq!(error.to_string(), "--only: there is no `help`, but pace, start");
    }
}
