//! The commands.
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod explain;
pub mod replay;
pub mod run;
pub mod test;

/// A security gateway that cannot be configured open by accident.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Test(test::Args),
    Explain(explain::Args),
    Replay(replay::Args),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    match &Cli::parse().command {
        Command::Run(args) => run::call(args),
        Command::Test(args) => test::call(args),
        Command::Explain(args) => explain::call(args),
        Command::Replay(args) => replay::call(args),
    }
}
