//! Instructions per request: what a long run has more than a short one, divided.

use std::fs;
use std::path::Path;

use crate::Fallible;
use crate::contender::{Contender, Server};
use crate::stage::Stage;

/// The requests of the two runs. Start, handshake and end are the same in both and drop out.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    /// In the short run.
    pub(crate) few: u32,
    /// In the long run.
    pub(crate) many: u32,
}

/// Counts with callgrind, one connection at a time, one request after the other.
pub(crate) fn per_request(
    stage: &Stage,
    contender: &Contender,
    span: Span,
    profiles: Option<&Path>,
) -> Fallible<u64> {
    let few = count(stage, contender, span.few, profiles)?;
    let many = count(stage, contender, span.many, profiles)?;
    let requests = span.many.checked_sub(span.few).filter(|requests| *requests > 0);
    Ok(many.saturating_sub(few) / u64::from(requests.ok_or("the long run is not longer than the short one")?))
}

fn count(stage: &Stage, contender: &Contender, requests: u32, profiles: Option<&Path>) -> Fallible<u64> {
    let folder = tempfile::tempdir()?;
    let profile = folder.path().join("callgrind.out");
    let valgrind = ["valgrind", "--tool=callgrind", &format!("--callgrind-out-file={}", profile.display())]
        .map(ToOwned::to_owned);
    let mut door = stage.open_under(contender, &valgrind)?;
    let mut wire = door.connect()?;
    for _ in 0..requests {
        wire.exchange(&door.request)?;
    }
    drop(wire);
    // Pingora waits for its grace period on SIGTERM.
    let signal = if contender.server == Server::Bare { "INT" } else { "TERM" };
    door.process.take().ok_or("nothing to count")?.end(signal)?;
    let text = fs::read_to_string(&profile)?;
    if let Some(kept) = profiles {
        fs::create_dir_all(kept)?;
        let name: String = contender.name.chars().filter(char::is_ascii_alphanumeric).collect();
        fs::write(kept.join(format!("callgrind.{name}.{requests}")), &text)?;
    }
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("a profile without a total")?.trim().parse()?)
}
