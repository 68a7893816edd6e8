//! `portcullis run`: serves.

use std::io::{IsTerminal as _, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use crate::config::wants_colour;
use crate::serve;

/// Serves a configuration until SIGTERM or Ctrl-C, then lets running requests finish.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "portcullis.yaml")]
    pub config: PathBuf,
}

/// Runs the command.
pub fn call(args: &Args) -> ExitCode {
    log_events();
    match serve::run(&args.config, |_| {}) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{}", error.text(colour()));
            ExitCode::from(2)
        }
    }
}

/// Whether standard error takes colours.
pub(super) fn colour() -> bool {
    wants_colour(stderr().is_terminal(), std::env::var_os("NO_COLOR").as_deref())
}

/// Events go to standard error, away from access lines. `RUST_LOG` says which.
pub(super) fn log_events() {
    // Pingora reports every client that goes away as an error; the access log tells that better.
    let quiet = "info,pingora_core=warn,pingora_proxy=off";
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(colour())
        .with_target(false)
        .log_internal_errors(false);
    // Already started in tests that call several commands.
    let _ = started.try_init();
}
