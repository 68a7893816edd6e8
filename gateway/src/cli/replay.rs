//! `portcullis replay`: judges recorded requests offline, one verdict line each.

use std::path::PathBuf;
use std::process::ExitCode;

/// Judges recorded requests (JSON, one a line) by the same plan as the wire; prints one verdict line each.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The recorded requests; `-` reads standard input.
    pub requests: PathBuf,
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "portcullis.yaml")]
    pub config: PathBuf,
}

/// Runs the command.
pub fn call(_args: &Args) -> ExitCode {
    super::Misuse::new("not built yet").exit()
}
