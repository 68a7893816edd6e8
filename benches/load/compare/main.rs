//! One run, side by side: portcullis and a bare Pingora proxy, in instructions and in time.
//!
//! `benches/NOTES.md` says how it is measured and what the figures mean.

mod contender;
mod instructions;
mod machine;
mod pace;
mod process;
mod stage;
mod table;
mod wire;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use contender::{CONTENDERS, Contender, Server};
use instructions::Span;
use pace::{Chance, Pace};
use stage::Stage;
use table::Row;

/// Whatever went wrong: a comparison that cannot be made is not made.
type Fallible<T> = Result<T, Box<dyn Error>>;

/// Compares portcullis with a bare Pingora proxy on this machine.
#[derive(Parser)]
struct Flags {
    /// Rounds at a fixed rate; every contender has its turn in each.
    #[arg(long, default_value_t = 15)]
    rounds: u32,
    /// Seconds of one turn.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Requests a second.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Connections that share the rate.
    #[arg(long, default_value_t = 8)]
    connections: u32,
    /// Requests whose instructions are counted.
    #[arg(long, default_value_t = 1000)]
    requests: u32,
    /// Leaves the gateway out: the bare proxy against itself shows what the method can tell apart.
    #[arg(long)]
    self_test: bool,
    /// Keeps the profiles for `callgrind_annotate` in this folder.
    #[arg(long)]
    profiles: Option<PathBuf>,
    /// The table's file.
    #[arg(long, default_value = "benches/results/latest.md")]
    out: PathBuf,
}

fn main() -> Fallible<()> {
    let flags = Flags::parse();
    let stage = Stage::set()?;
    let contenders: Vec<&Contender> =
        CONTENDERS.iter().filter(|one| !(flags.self_test && one.server == Server::Gateway)).collect();
    let mut rows: Vec<Row> = contenders.iter().map(|one| Row::new(one)).collect();

    let span = Span { warm_up: 200, counted: flags.requests };
    for row in rows.iter_mut().filter(|row| row.contender.server != Server::Origin) {
        let counted = instructions::per_request(&stage, row.contender, span, flags.profiles.as_deref())?;
        eprintln!("{}: {counted} instructions per request", row.contender.name);
        row.instructions = Some(counted);
    }

    let pace =
        Pace { rate: flags.rate, connections: flags.connections, length: Duration::from_secs(flags.seconds) };
    let doors: Vec<_> = contenders.iter().map(|one| stage.open(one)).collect::<Result<_, _>>()?;
    let mut order = Chance::new(1);
    for round in 1..=flags.rounds {
        let mut turns: Vec<_> = rows.iter_mut().zip(&doors).collect();
        // Shuffled: whoever always came after a light load had the better of it by a tenth.
        turns.sort_by_cached_key(|_| order.next());
        for (row, door) in turns {
            let turn = pace.run(door)?;
            eprintln!("round {round}, {}: p50 {:?}, p95 {:?}", row.contender.name, turn.p50, turn.p95);
            row.turns.push(turn);
        }
    }

    let text = table::markdown(&rows, &machine::facts(), &pace, flags.rounds, span)?;
    println!("{text}");
    if let Some(folder) = flags.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&flags.out, text)?;
    Ok(())
}
