//! How often the way of an allowed request asks for memory, as exact numbers: an allocator that counts says so.
//!
//! Each number is that of one request among many: whatever is made once, such as a remembered token or the room of a
//! counter, was made before.

use steps::Ready;

/// Steps, how often each allocates, and what for.
const STATED: &[(&str, u64, &str)] = &[];

/// The fewest allocations of fifty: what a table now and then takes to grow is not the step's own.
fn fewest(mut ready: Ready) -> u64 {
    let once = |_| {
        let mut agreed = false;
        let counted = allocation_counter::measure(|| agreed = (ready.run)());
        assert!(agreed, "it ended otherwise");
        counted.count_total
    };
    (0..50).map(once).min().unwrap_or_default()
}

#[test]
fn an_allowed_request_allocates_as_often_as_is_stated() {
    let steps = steps::all().unwrap();
    let wrong: Vec<String> = STATED
        .iter()
        .filter_map(|(name, stated, what)| {
            let step =
                steps.iter().find(|step| step.name == *name).unwrap_or_else(|| panic!("no step {name}"));
            let counted = fewest(step.prepare().unwrap());
            (counted != *stated)
                .then(|| format!("`{name}` allocates {counted} times, and {stated} are stated: {what}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
