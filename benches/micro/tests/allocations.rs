//! How often the way of an allowed request asks for memory, as exact numbers: an allocator that counts says so.
//!
//! Each number is that of one request among many: whatever is made once, such as a remembered token or the room of a
//! counter, was made before.

use steps::Ready;

/// Steps, how often each allocates, and what for.
const STATED: &[(&str, u64, &str)] = &[
    ("head/framing", 0, "the head is judged where it lies"),
    ("head/path", 0, "a path that is normal already is borrowed"),
    ("head/path with escapes", 2, "the decoded path, and how the upstream gets it"),
    ("head/host", 1, "the host in lower case, which is borrowed where it was written so"),
    ("head/fields that are withheld", 0, "names are looked up in a table of bits"),
    ("routing/10/found", 0, "captures are places in the path"),
    ("routing/10000/found", 0, "captures are places in the path"),
    ("rules/1000/indexed", 0, "facts are borrowed, and the candidates' list is used again"),
    ("tokens/HS256/remembered", 0, "the caller is shared"),
    ("tokens/RS256/remembered", 0, "the caller is shared"),
    (
        "limits/embedded/three counters are charged at once",
        0,
        "the answers fit in place, and the counters are there",
    ),
    ("policies/identity/allowed", 0, "the caller is shared"),
    ("policies/tenant/allowed", 0, "the captured name is compared where it is"),
    ("policies/require/allowed", 0, "roles and scopes are compared where they are"),
    ("policies/csrf/allowed", 0, "the origin is compared where it is"),
    ("policies/headers/allowed", 0, "the fields are made once"),
    (
        "policies/cors/allowed",
        5,
        "merging `Vary` with the upstream's: a list, its texts joined, the sum, and the new value",
    ),
    (
        "policies/limits/allowed",
        4,
        "the questions, asked twice and kept once, and the address that one of them counts by",
    ),
    (
        "policies/cookies/allowed",
        7,
        "the list of cookies; for the one that is rewritten its attributes, its text, which grows, and the new value",
    ),
    ("policies/body/allowed/0", 0, "there is no body to be read"),
    (
        "policies/openapi/allowed/0",
        6,
        "a list of values for each of four parameters, and the values of the two that are text",
    ),
    (
        "plan/allowed/0",
        22,
        "nothing but those of its policies above: CORS, limits, cookies and the API's description",
    ),
    ("log/line", 1, "the line itself"),
    ("metrics/allowed", 0, "the series are there"),
];

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
