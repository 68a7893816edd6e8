//! `portcullis demo`: everything at once, with nothing installed.

use std::process::ExitCode;

use super::{Misuse, run};
use crate::demo::{Demo, Ports};
use crate::serve;

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
pub fn call(args: &Args) -> ExitCode {
    run::log_events();
    let wishes = Ports { https: args.port, http: args.http_port, admin: args.admin_port };
    let demo = match Demo::set_up(wishes) {
        Ok(demo) => demo,
        Err(why) => return Misuse::new(why).exit(),
    };
    let told = serve::run(demo.config(), |_| match demo.lines() {
        // With stdout gone the demo still serves.
        Ok(lines) => drop(super::answer(lines)),
        Err(why) => drop(Misuse::new(why).exit()),
    });
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::complain(&error.text(run::colour()));
            ExitCode::from(super::MISUSE)
        }
    }
}
