//! A contender under callgrind, for whatever a measure wants to have counted.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::Fallible;
use crate::contender::Contender;
use crate::process::Process;
use crate::stage::{Door, Stage};

/// Counted one by one.
const PORTIONS: u32 = 5;

/// A contender whose instructions are counted when asked for, and which runs faster until then.
pub(crate) struct Counted {
    folder: TempDir,
    /// Where it serves; its process is kept apart.
    pub(crate) door: Door,
    process: Process,
}

impl Counted {
    /// Starts it; the gateway with this configuration.
    pub(crate) fn open(stage: &Stage, contender: &Contender, configuration: &str) -> Fallible<Self> {
        let folder = tempfile::tempdir()?;
        let out = format!("--callgrind-out-file={}", folder.path().join("out").display());
        let words = ["valgrind", "--tool=callgrind", "--instr-atstart=no", &out].map(ToOwned::to_owned);
        let mut door = stage.open_configured(contender, &words, configuration)?;
        let process = door.process.take().ok_or("nothing to count")?;
        Ok(Self { folder, door, process })
    }

    /// Does `once` so often, some times more before it counts; instructions for one of them.
    ///
    /// The median of some portions: what the process does beside, now and then, falls into one of them.
    pub(crate) fn count(self, times: u32, mut once: impl FnMut(&Door) -> Fallible<()>) -> Fallible<f64> {
        self.tell("--instr=on")?;
        let portion = times.div_ceil(PORTIONS);
        for _ in 0..portion * 2 {
            once(&self.door)?;
        }
        for _ in 0..PORTIONS {
            self.tell("--zero")?;
            for _ in 0..portion {
                once(&self.door)?;
            }
            self.tell("--dump")?;
        }
        let Self { folder, door, process } = self;
        drop(process);
        drop(door);
        let mut totals = Vec::new();
        for nth in 1..=PORTIONS {
            totals.push(total(&fs::read_to_string(folder.path().join(format!("out.{nth}")))?)?);
        }
        totals.sort_by(f64::total_cmp);
        let middle = totals.get(totals.len() / 2).ok_or("nothing was counted")?;
        Ok(middle / f64::from(portion.max(1)))
    }

    fn tell(&self, what: &str) -> Fallible<()> {
        let output =
            Command::new("callgrind_control").args([what, &self.process.id().to_string()]).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        if output.status.success() && said.contains("OK") {
            return Ok(());
        }
        Err(format!("callgrind_control {what}: {said}{}", String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// The instructions of a whole profile.
fn total(profile: &str) -> Fallible<f64> {
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("a profile without a total")?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_tells_its_total() {
        let count = total("version: 1\nfn=(1)\n1 2\ntotals: 1234\n").unwrap();
        assert!((count - 1234.0).abs() < f64::EPSILON);
        assert!(total("version: 1\n").is_err());
    }
}
