//! One run, side by side: portcullis, a bare Pingora proxy and other gateways, in instructions and in time.
//!
//! `benches/NOTES.md` says how it is measured and what the figures mean.

mod ask;
mod contender;
mod figure;
mod instructions;
mod keys;
mod machine;
mod options;
mod pace;
mod peers;
mod process;
mod stage;
mod wire;

use std::error::Error;

use clap::Parser as _;

use contender::{Contender, Server};
use options::Options;
use stage::Stage;

/// Whatever went wrong: a comparison that cannot be made is not made.
type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    let options = Options::parse();
    let stage = Stage::set(options.gateway.clone())?;
    let span = instructions::Span { warm_up: 200, counted: options.requests };
    for scenario in [contender::TLS_H1, contender::FULL_HS256, contender::FULL_RS256] {
        let contender = Contender { server: Server::Gateway, scenario };
        let counted = instructions::per_request(&stage, &contender, span, options.profiles.as_deref())?;
        eprintln!("{} {}: {counted}", contender.server.name(), scenario.name);
    }
    Ok(())
}
