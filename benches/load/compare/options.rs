//! What the command line says.

use std::path::PathBuf;

use clap::Parser;

/// Compares portcullis with a bare Pingora proxy and with other gateways, on this machine.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    /// Few and short rounds: to see whether everything runs to its end.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Rounds of whatever is timed; every contender has its turn in each.
    #[arg(long, default_value_t = 15)]
    pub(crate) rounds: u32,
    /// Seconds of one turn.
    #[arg(long, default_value_t = 2)]
    pub(crate) seconds: u64,
    /// Requests a second at the fixed rate.
    #[arg(long, default_value_t = 500)]
    pub(crate) rate: u32,
    /// Connections that share the rate.
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
}
