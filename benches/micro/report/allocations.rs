//! How often each step asks for memory: counted here, natively, by an allocator that counts.

use steps::{Fallible, Step};

/// Allocations of a step, on average, to the next whole one. A step that is done many times for one figure may be
/// charged now and then for a table that grows.
pub(crate) fn of(step: &Step) -> Fallible<u64> {
    let mut ready = Some(step.prepare()?);
    let counted = allocation_counter::measure(|| ready = ready.take().map(steps::Ready::measured));
    let agreed = ready.is_some_and(|ready| ready.agreed);
    let times = u64::try_from(step.times)?.max(1);
    if agreed {
        Ok((counted.count_total + times / 2) / times)
    } else {
        Err(format!("{}: the step did not end as it should", step.name).into())
    }
}
