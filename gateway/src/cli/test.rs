//! `portcullis test`: validates a configuration and runs its own tests.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::run::colour;
use super::stand_ins::StandIns;
use crate::config::load::{Loaded, Purpose, load};
use crate::judge::{self, Trial};
use crate::snapshot::Test;

/// Validates a configuration, then runs its `tests:` offline. Exit status: 0 all pass, 1 one fails, 2 invalid.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "portcullis.yaml")]
    pub config: PathBuf,
    /// Keys for identities that would fetch theirs.
    #[command(flatten)]
    pub stand_ins: StandIns,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How a command prints what it found.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A table for people.
    #[default]
    Text,
    /// JSON for programs.
    Json,
}

/// Loads a configuration to judge by; prints what is wrong with it.
pub(super) fn open(config: &Path, stand_ins: &StandIns, format: Format) -> Result<Loaded, ExitCode> {
    match load(config, Purpose::Judge) {
        Ok(loaded) => {
            stand_ins.give(&loaded.snapshot).map_err(|misuse| misuse.exit())?;
            for warning in &loaded.warnings {
                eprintln!("warning: {warning}");
            }
            Ok(loaded)
        }
        Err(broken) => {
            match format {
                Format::Text => eprint!("{}", broken.text(colour())),
                Format::Json => println!("{}", json!({ "problems": broken.json() })),
            }
            Err(ExitCode::from(2))
        }
    }
}

/// Runs the command.
pub fn call(args: &Args) -> ExitCode {
    let loaded = match open(&args.config, &args.stand_ins, args.format) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let snapshot = &loaded.snapshot;
    let trials: Vec<(&Test, Trial)> =
        snapshot.tests.iter().map(|test| (test, judge::trial(snapshot, test))).collect();
    let failed = trials.iter().filter(|(_, trial)| !trial.passed).count();
    match args.format {
        Format::Text => print(&loaded, &trials, failed),
        Format::Json => println!("{}", as_json(&loaded, &trials, failed)),
    }
    ExitCode::from(u8::from(failed > 0))
}

fn print(loaded: &Loaded, trials: &[(&Test, Trial)], failed: usize) {
    let width = trials.iter().map(|(test, _)| test.written.0.chars().count()).max().unwrap_or(0);
    for (test, trial) in trials {
        let (sent, expected) = &test.written;
        let mark = if trial.passed { "ok  " } else { "FAIL" };
        println!("{mark}  {sent:width$}  {}", trial.outcome);
        if !trial.passed {
            let line = loaded.test_line(test).map_or_else(String::new, |line| format!(":{line}"));
            println!("      expected {expected} at {}{line}", loaded.source.path());
            if let Some(decided) = decided(loaded, trial) {
                println!("      {decided}");
            }
        }
    }
    let routes = loaded.snapshot.table.routes().len();
    println!("{}: valid, {routes} routes, {} tests, {failed} failed", loaded.source.path(), trials.len());
}

/// The gate that decided, why, and the line that made it.
fn decided(loaded: &Loaded, trial: &Trial) -> Option<String> {
    let gate = trial.decided.as_ref()?;
    let line = trial.place.as_ref().and_then(|place| loaded.line(place));
    let line = line.map_or_else(String::new, |line| format!(" ({}:{line})", loaded.source.path()));
    let why = trial.why.as_deref().unwrap_or_default();
    Some(format!("decided by {gate}{line}: {why}"))
}

fn as_json(loaded: &Loaded, trials: &[(&Test, Trial)], failed: usize) -> serde_json::Value {
    let rows = trials.iter().map(|(test, trial)| {
        json!({
            "send": test.written.0,
            "expect": test.written.1,
            "outcome": trial.outcome,
            "passed": trial.passed,
            "line": loaded.test_line(test),
            "gate": trial.decided,
            "gate_line": trial.place.as_ref().and_then(|place| loaded.line(place)),
            "why": trial.why,
        })
    });
    json!({ "file": loaded.source.path(), "passed": trials.len() - failed, "failed": failed, "tests": rows.collect::<Vec<_>>() })
}
