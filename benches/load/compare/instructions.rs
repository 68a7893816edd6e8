//! Instructions per request: counted by callgrind from a warm state on, and divided.

use std::fs;
use std::process::Command;

use crate::Fallible;
use crate::contender::{
    CHAT_POST, Contender, EXPIRED, FORGED_HS256, FORGED_RS256, FULL_HS256, FULL_RS256, OVER_LIMIT, PLAIN_H1,
    Scenario, Server, TLS_H1, TLS_H2,
};
use crate::figure::{Figure, INSTRUCTIONS};
use crate::h2::Talk;
use crate::options::Options;
use crate::process::Process;
use crate::stage::{CONFIGURATION, Stage};

/// Before the count begins: connections and pools stand, whatever is done once is done.
const WARM_UP: u32 = 200;

/// What is counted, in the order of the table.
pub(crate) const COUNTED: [Scenario; 10] = [
    PLAIN_H1,
    TLS_H1,
    TLS_H2,
    CHAT_POST,
    FULL_HS256,
    FULL_RS256,
    FORGED_HS256,
    FORGED_RS256,
    EXPIRED,
    OVER_LIMIT,
];

/// Everyone whom valgrind can run: Envoy is too large for it, and Go has its own ways with threads and stacks.
pub(crate) fn all(stage: &Stage, options: &Options) -> Fallible<Vec<Figure>> {
    let mut figures = Vec::new();
    for server in options.present() {
        if matches!(server, Server::Origin | Server::Envoy | Server::EnvoyCached | Server::Caddy) {
            continue;
        }
        for scenario in options.among(&COUNTED).into_iter().filter(|scenario| server.plays(scenario)) {
            let contender = Contender { server, scenario };
            let counted = match per_request(stage, &contender, options, CONFIGURATION) {
                Ok(counted) => counted,
                // Valgrind does not run every build of everything; the table has a dash then.
                Err(error) if server.is_peer() => {
                    eprintln!("instructions, {}, {} are left out: {error}", scenario.name, server.name());
                    continue;
                }
                Err(error) => return Err(error),
            };
            eprintln!("instructions, {}, {}: {counted:.0}", scenario.name, server.name());
            figures.push(Figure::single(INSTRUCTIONS, scenario.name, server.name(), "instructions", counted));
        }
    }
    Ok(figures)
}

/// Counts on one connection, one request after the other; portcullis with this configuration.
pub(crate) fn per_request(
    stage: &Stage,
    contender: &Contender,
    options: &Options,
    configuration: &str,
) -> Fallible<f64> {
    let folder = tempfile::tempdir()?;
    let profile = folder.path().join("callgrind.out");
    let valgrind = ["valgrind", "--tool=callgrind", &format!("--callgrind-out-file={}", profile.display())]
        .map(ToOwned::to_owned);
    let mut door = stage.open_configured(contender, &valgrind, configuration)?;
    let process = door.process.take().ok_or("nothing to count")?;
    let mut talk = Talk::begin(&door)?;
    for _ in 0..WARM_UP {
        talk.exchange()?;
    }
    // Not the difference of a short and a long run: AWS-LC gathers entropy from timing jitter at the start, which
    // takes some million instructions more or less each time.
    tell(&process, "--zero")?;
    for _ in 0..options.requests {
        talk.exchange()?;
    }
    tell(&process, "--dump")?;
    drop(talk);
    // By itself: a build that writes a profile of itself does so when it ends.
    drop(process);
    let text = fs::read_to_string(profile.with_extension("out.1"))?;
    if let Some(kept) = &options.profiles {
        fs::create_dir_all(kept)?;
        let name = format!("callgrind.{}.{}", contender.server.name(), contender.scenario.name);
        fs::write(kept.join(name), &text)?;
    }
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: f64 = total.ok_or("a profile without a total")?.trim().parse()?;
    Ok(total / f64::from(options.requests.max(1)))
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
