//! One run, side by side: portcullis, a bare Pingora proxy and other gateways, in instructions and in time.
//!
//! `benches/NOTES.md` says how it is measured and what the figures mean.

mod ask;
mod contender;
mod figure;
mod h2;
mod instructions;
mod keys;
mod machine;
mod measures;
mod options;
mod pace;
mod peers;
mod plot;
mod process;
mod prove;
mod report;
mod saturation;
mod stage;
mod wire;

use std::error::Error;

use contender::Server;
use figure::Figure;
use options::Options;
use report::Results;
use stage::Stage;

/// Whatever went wrong: a comparison that cannot be made is not made.
type Fallible<T> = Result<T, Box<dyn Error>>;

/// One way to compare.
type Measure = fn(&Stage, &Options) -> Fallible<Vec<Figure>>;

/// All of them, with the names of `--only`.
const MEASURES: &[(&str, Measure)] = &[
    ("instructions", instructions::all),
    ("saturation", saturation::all),
    ("pace", pace::all),
    ("handshakes", measures::handshakes::measure),
    ("events", measures::events::measure),
    ("memory", measures::memory::measure),
    ("start", measures::start::measure),
    ("scale", measures::scale::measure),
];

fn main() -> Fallible<()> {
    let names: Vec<_> = MEASURES.iter().map(|(name, _)| *name).collect();
    let options = Options::read(&names)?;
    if options.render {
        return report::write(&Results::read(options.figures())?, &options.figures(), !options.partial());
    }
    let stage = Stage::set(options.gateway.clone())?;
    for server in Server::ALL.into_iter().filter(|server| options.admits(*server)) {
        if let Some(advice) = peers::missing(server) {
            eprintln!("{} is left out, since it is not installed: {advice}", server.name());
        } else if server == Server::Floor && !stage.has_floor() {
            eprintln!(
                "floor is left out, since it is not built: cargo build --profile floor -p portcullis-benches"
            );
        } else {
            prove::policy(&stage, server)?;
        }
    }
    let mut figures = Vec::new();
    for (name, measure) in MEASURES.iter().filter(|(name, _)| options.measures(name)) {
        eprintln!("– {name}");
        figures.extend(measure(&stage, &options)?);
    }
    drop(stage);
    report::keep(figures, &options)
}
