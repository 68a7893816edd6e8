//! The counts that are kept, and what has become dearer since.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use steps::Fallible;

use crate::counts::Counted;
use crate::machine;

/// Where they are kept, from the workspace's root.
const PATH: &str = "benches/micro/baseline.json";
/// How much more is let pass, in percent.
const PERCENT: u64 = 5;
/// And at least so many instructions: a small step moves by as much where the compiler lays out something anew.
const SLACK: u64 = 40;

/// What is kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Baseline {
    about: String,
    compiler: String,
    valgrind: String,
    steps: BTreeMap<String, Kept>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    instructions: u64,
    allocations: u64,
}

/// What there is to say of new counts.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) faults: Vec<String>,
    pub(crate) hints: Vec<String>,
}

impl Baseline {
    pub(crate) fn new(counts: &[Counted]) -> Self {
        let kept = |counted: &Counted| {
            let kept = Kept { instructions: counted.instructions, allocations: counted.allocations };
            (counted.name.clone(), kept)
        };
        Self {
            about: "Written by `benches/micro/run --keep`: what each step took. `--check` fails where one takes over \
                    5 % more instructions."
                .to_owned(),
            compiler: fact("compiler"),
            valgrind: fact("valgrind"),
            steps: counts.iter().map(kept).collect(),
        }
    }

    pub(crate) fn read() -> Fallible<Self> {
        Ok(serde_json::from_str(&std::fs::read_to_string(PATH)?)?)
    }

    pub(crate) fn write(&self) -> Fallible<()> {
        Ok(std::fs::write(PATH, serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// What is dearer than kept, and what is cheaper.
    pub(crate) fn weigh(&self, counts: &[Counted]) -> Told {
        let mut told = Told::default();
        for counted in counts {
            match self.steps.get(&counted.name) {
                Some(kept) => kept.weigh(counted, &mut told),
                None => told.faults.push(format!(
                    "`{}` is a new step: keep what it takes with `benches/micro/run --keep`",
                    counted.name
                )),
            }
        }
        for name in self.steps.keys().filter(|name| counts.iter().all(|counted| counted.name != **name)) {
            told.faults.push(format!(
                "`{name}` is in {PATH} and no step any more: write that anew with `benches/micro/run --keep`"
            ));
        }
        for (name, kept) in [("compiler", &self.compiler), ("valgrind", &self.valgrind)] {
            let now = fact(name);
            if now != *kept {
                told.hints.push(format!("the counts were kept with another {name} ({kept}; this is {now})"));
            }
        }
        told
    }
}

impl Kept {
    fn weigh(&self, counted: &Counted, told: &mut Told) {
        let (name, was, now) = (&counted.name, self.instructions, counted.instructions);
        let leeway = (was * PERCENT / 100).max(SLACK);
        if now > was + leeway {
            told.faults.push(format!(
                "`{name}` takes {now} instructions, and {was} are kept ({:+.1} %): make it cheaper again; or, if it has to \
                 cost this, say why in the commit and keep it with `benches/micro/run --keep`",
                percent(was, now)
            ));
        } else if now + leeway < was {
            told.hints.push(format!(
                "`{name}` takes {now} instructions now, and {was} are kept ({:+.1} %): keep that with \
                 `benches/micro/run --keep`",
                percent(was, now)
            ));
        }
        // Some that allocate thousands of times do so a little less or more, by chance.
        if counted.allocations.abs_diff(self.allocations) * 100 > self.allocations {
            let (was, now) = (self.allocations, counted.allocations);
            told.hints.push(format!("`{name}` allocates {now} times, and {was} are kept"));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for one digit behind the point")]
fn percent(was: u64, now: u64) -> f64 {
    (now as f64 / was.max(1) as f64 - 1.0) * 100.0
}

fn fact(name: &str) -> String {
    machine::facts().into_iter().find(|(known, _)| *known == name).map(|(_, fact)| fact).unwrap_or_default()
}
