//! Instructions per request: counted by callgrind from a warm state on, and divided.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Fallible;
use crate::contender::{Contender, Server};
use crate::process::Process;
use crate::stage::Stage;

/// How many requests.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    /// Before the count begins: connections and pools stand, whatever is done once is done.
    pub(crate) warm_up: u32,
    /// That are counted.
    pub(crate) counted: u32,
}

/// Counts on one connection, one request after the other.
pub(crate) fn per_request(
    stage: &Stage,
    contender: &Contender,
    span: Span,
    profiles: Option<&Path>,
) -> Fallible<u64> {
    let folder = tempfile::tempdir()?;
    let profile = folder.path().join("callgrind.out");
    let valgrind = ["valgrind", "--tool=callgrind", &format!("--callgrind-out-file={}", profile.display())]
        .map(ToOwned::to_owned);
    let mut door = stage.open_under(contender, &valgrind)?;
    let mut wire = door.connect()?;
    let process = door.process.take().ok_or("nothing to count")?;
    for _ in 0..span.warm_up {
        wire.exchange(&door.request)?;
    }
    // Not the difference of a short and a long run: AWS-LC gathers entropy from timing jitter at the start, which
    // takes some million instructions more or less each time.
    tell(&process, "--zero")?;
    for _ in 0..span.counted {
        wire.exchange(&door.request)?;
    }
    tell(&process, "--dump")?;
    drop(wire);
    // Pingora waits for its grace period on SIGTERM.
    process.end(if matches!(contender.server, Server::Bare | Server::Floor) { "INT" } else { "TERM" })?;
    let text = fs::read_to_string(profile.with_extension("out.1"))?;
    if let Some(kept) = profiles {
        fs::create_dir_all(kept)?;
        let name: String = format!("{}{}", contender.server.name(), contender.scenario.name)
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        fs::write(kept.join(format!("callgrind.{name}")), &text)?;
    }
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: u64 = total.ok_or("a profile without a total")?.trim().parse()?;
    Ok(total / u64::from(span.counted.max(1)))
}

fn tell(process: &Process, what: &str) -> Fallible<()> {
    let output = Command::new("callgrind_control").args([what, &process.id().to_string()]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && said.contains("OK") {
        Ok(())
    } else {
        Err(format!("callgrind_control {what}: {said}{}", String::from_utf8_lossy(&output.stderr)).into())
    }
}
