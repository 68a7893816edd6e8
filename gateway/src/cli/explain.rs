//! `portcullis explain`: walks one request through the pipeline and shows every gate's verdict.

use std::path::PathBuf;
use std::process::ExitCode;

use super::test::Format;

/// Walks one request through the pipeline: each gate, its verdict, the line that made it.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Method and path: 'POST /v1/acme/files'.
    pub request: String,
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "portcullis.yaml")]
    pub config: PathBuf,
    /// A fact of the caller, taken for granted: tenant=acme, roles=admin,user.
    #[arg(long = "as", value_name = "FACT=VALUE")]
    pub caller: Vec<String>,
    /// A header field: 'name: value'.
    #[arg(long, value_name = "FIELD")]
    pub header: Vec<String>,
    /// A file with the body.
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// The host; by default the first that is served.
    #[arg(long)]
    pub host: Option<String>,
    /// How the walk is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Runs the command.
pub fn call(_args: &Args) -> ExitCode {
    super::Misuse::new("not built yet").exit()
}
