//! `portcullis test`: validates a configuration and runs its own tests.

use std::path::PathBuf;
use std::process::ExitCode;

/// Validates a configuration, then runs its `tests:` offline. Exit status: 0 all pass, 1 one fails, 2 invalid.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "portcullis.yaml")]
    pub config: PathBuf,
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

/// Runs the command.
pub fn call(_args: &Args) -> ExitCode {
    super::Misuse::new("not built yet").exit()
}
