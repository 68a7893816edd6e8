//! What gungraun has counted, a line of JSON a step, with the names of the steps and what they allocate.

use serde_json::Value;
use steps::{Fallible, Step};

use crate::allocations;

/// What a step takes, once.
pub(crate) struct Counted {
    pub(crate) name: String,
    pub(crate) instructions: u64,
    pub(crate) allocations: u64,
}

/// Reads it, in the order of the steps.
pub(crate) fn read(text: &str) -> Fallible<Vec<Counted>> {
    let steps = steps::all()?;
    let mut totals = vec![None; steps.len()];
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let summary: Value = serde_json::from_str(line)?;
        let (place, total) = total(&summary).ok_or_else(|| format!("no count is in {line}"))?;
        *totals.get_mut(place).ok_or("there are more counts than steps")? = Some(total);
    }
    steps.iter().zip(totals).map(|(step, total)| counted(step, total)).collect()
}

fn counted(step: &Step, total: Option<u64>) -> Fallible<Counted> {
    let total = total.ok_or_else(|| format!("`{}` was not counted", step.name))?;
    let instructions = total / u64::try_from(step.times)?.max(1);
    Ok(Counted { name: step.name.clone(), instructions, allocations: allocations::of(step)? })
}

/// The place of the step in the list, which ends its id, and what callgrind counted in all.
fn total(summary: &Value) -> Option<(usize, u64)> {
    let (_, place) = summary.get("id")?.as_str()?.rsplit_once('_')?;
    let count = summary.pointer("/profiles/0/data/total/metrics/Ir")?;
    Some((place.parse().ok()?, number(count)?))
}

/// The new value, which is the only one in a folder without earlier ones.
fn number(count: &Value) -> Option<u64> {
    match count {
        Value::Object(members) => members.values().find_map(number),
        plain => plain.as_u64(),
    }
}
