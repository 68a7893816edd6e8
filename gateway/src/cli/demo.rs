//! `portcullis demo`: everything at once, with nothing installed.

use std::process::ExitCode;

/// Starts a chatbot, an issuer of tokens and the gateway in front, and prints lines to paste.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The port for https; another one when it is taken.
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    pub port: u16,
    /// The port for http, which redirects.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub http_port: u16,
    /// The port for operators.
    #[arg(long, value_name = "PORT", default_value_t = 9464)]
    pub admin_port: u16,
}

/// Runs the command.
pub fn call(_args: &Args) -> ExitCode {
    super::Misuse::new("not built yet").exit()
}
