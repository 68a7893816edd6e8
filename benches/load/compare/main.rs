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
    let mut options = Options::read(&names)?;
    if options.render {
        return report::write(&Results::read(options.figures())?, &options.figures(), !options.partial());
    }
    let _turn = process::alone()?;
    let stage = Stage::set(options.gateway.clone())?;
    for server in options.present() {
        if let Err(why) = admit(&stage, server) {
            if server == Server::Gateway {
                return Err(why);
            }
            eprintln!("{} is left out: {why}", server.name());
            options.absent.push(server);
        }
    }
    let (mut figures, mut failed) = (Vec::new(), Vec::new());
    for (name, measure) in MEASURES.iter().filter(|(name, _)| options.measures(name)) {
        eprintln!("– {name}");
        // One that fails does not throw away what the others took half an hour for.
        match measure(&stage, &options) {
            Ok(measured) => figures.extend(measured),
            Err(error) => {
                eprintln!("{name} failed: {error}");
                failed.push(*name);
            }
        }
    }
    drop(stage);
    report::keep(figures, &options)?;
    if failed.is_empty() { Ok(()) } else { Err(format!("not measured: {}", failed.join(", ")).into()) }
}

/// Who takes part is there, and refuses what it has to.
fn admit(stage: &Stage, server: Server) -> Fallible<()> {
    if let Some(advice) = peers::missing(server) {
        return Err(format!("it is not installed ({advice})").into());
    }
    if server == Server::Floor && !stage.has_floor() {
        return Err(
            "it is not built (cargo build --profile floor -p portcullis-benches --bin bare-pingora)".into()
        );
    }
    prove::policy(stage, server)
}
