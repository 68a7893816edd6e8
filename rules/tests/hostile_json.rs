//! Hostile documents: four times the bytes take about four times the work, whatever is in them.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken expectation is how a test says so"
)]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rules::content::Content;
use rules::schema::Schema;
use rules::strict_json::{self, Limits};
use serde_json::{Value, json};

const SMALL: usize = 256 * 1024;
const LARGE: usize = 1024 * 1024;
/// Linear is 4, quadratic 16.
const FACTOR: u32 = 8;
/// What is faster than this is too fast to compare.
const NOISE: Duration = Duration::from_millis(20);
/// One undisturbed run in so many is enough: the machine is shared.
const RUNS: usize = 8;

/// The time that this thread was given so far, since others are given theirs; where no system tells, time itself.
fn worked() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| BEGAN.elapsed(), Duration::from_nanos)
}

/// The shortest of several runs, in both sizes, one after the other, until they are in proportion.
fn assert_linear(what: &str, make: impl Fn(usize) -> Vec<u8>, work: impl Fn(&[u8])) {
    let (small, large) = (make(SMALL), make(LARGE));
    let mut least = [Duration::MAX; 2];
    for _ in 0..RUNS {
        for (bytes, least) in [&small, &large].into_iter().zip(&mut least) {
            let began = worked();
            work(bytes);
            *least = worked().saturating_sub(began).min(*least);
        }
        if least[1] <= least[0].max(NOISE / FACTOR) * FACTOR {
            return;
        }
    }
    panic!("{what}: {:?} for 256 KiB and {:?} for 1 MiB", least[0], least[1]);
}

/// A document of about `size` bytes: `head`, as many of what `item` writes as fit with commas between them, `tail`.
fn listed(size: usize, head: &str, mut item: impl FnMut(usize) -> String, tail: &str) -> Vec<u8> {
    let mut text = head.to_owned();
    for number in 0.. {
        let item = item(number);
        if text.len() + item.len() + tail.len() >= size {
            break;
        }
        if number > 0 {
            text.push(',');
        }
        text.push_str(&item);
    }
    (text + tail).into_bytes()
}

fn filled(size: usize, head: &str, unit: &str, tail: &str) -> Vec<u8> {
    format!("{head}{}{tail}", unit.repeat((size - head.len() - tail.len()) / unit.len())).into_bytes()
}

/// Lists of nothing but lists, each another: the hashes of careless libraries do not tell them apart.
fn brackets(number: usize) -> String {
    let mut inner = String::new();
    for bit in 0..16 {
        inner.insert_str(0, if number >> bit & 1 == 1 { "[[]]," } else { "[]," });
    }
    format!("[{}]", inner.trim_end_matches(','))
}

type Make = fn(usize) -> Vec<u8>;

/// A kind of document, and whether it may be read.
const KINDS: &[(&str, Make, bool)] = &[
    ("lists in lists", |size| filled(size, "", "[", ""), false),
    (
        "closed lists in lists",
        |size| format!("{}{}", "[".repeat(size / 2), "]".repeat(size / 2)).into(),
        false,
    ),
    ("objects in objects", |size| filled(size, "", "{\"a\":", ""), false),
    ("lists and objects in turn", |size| filled(size, "", "[{\"a\":", ""), false),
    (
        "a deep value again and again",
        |size| listed(size, "[", |_| "[".repeat(126) + &"]".repeat(126), "]"),
        true,
    ),
    (
        "a value too deep at the end",
        |size| listed(size, "[", |_| "[[]]".to_owned(), &format!(",{}]", "[".repeat(200))),
        false,
    ),
    ("many members", |size| listed(size, "{", |number| format!("\"{number:x}\":0"), "}"), true),
    (
        "a member twice, at the end",
        |size| listed(size, "{", |number| format!("\"{number:x}\":0"), ",\"0\":1}"),
        false,
    ),
    (
        "members told apart at their end",
        |size| listed(size, "{", |number| format!("\"{}{number}\":0", "a".repeat(200)), "}"),
        true,
    ),
    ("many objects", |size| listed(size, "[", |_| "{\"a\":{}}".to_owned(), "]"), true),
    ("one long number", |size| filled(size, "", "9", ""), false),
    ("one long fraction", |size| filled(size, "0.", "3", ""), true),
    ("one long exponent", |size| filled(size, "1e", "9", ""), false),
    ("a long number with a small exponent", |size| filled(size, "1", "0", "e-99999999"), true),
    ("large numbers", |size| listed(size, "[", |_| "1e308".to_owned(), "]"), true),
    (
        "numbers on the edge of two floats",
        |size| listed(size, "[", |_| "2.2250738585072011e-308".to_owned(), "]"),
        true,
    ),
    (
        "integers that one float stands for",
        |size| listed(size, "[", |number| (u64::MAX - number as u64).to_string(), "]"),
        true,
    ),
    ("long fractions", |size| listed(size, "[", |_| format!("0.{}", "123456789".repeat(80)), "]"), true),
    ("a lone surrogate at the end", |size| filled(size, "\"", "a", "\\ud800\""), false),
    ("pairs of surrogates", |size| filled(size, "\"", "\\ud83d\\ude00", "\""), true),
    ("surrogates the wrong way round", |size| filled(size, "\"", "\\ude00\\ud83d", "\""), false),
    ("escapes", |size| filled(size, "\"", "\\u0061", "\""), true),
    ("backslashes", |size| filled(size, "\"", "\\\\", "\""), true),
    ("a string without an end", |size| filled(size, "\"", "a", ""), false),
    ("white space", |size| filled(size, "", " \n", "0"), true),
    ("strings", |size| listed(size, "[", |number| format!("\"{number}\""), "]"), true),
    ("lists of empty lists", |size| listed(size, "[", brackets, "]"), true),
    (
        "objects of empty lists",
        |size| listed(size, "[", |number| format!("{{\"a\":{}}}", brackets(number)), "]"),
        true,
    ),
    (
        "invalid UTF-8",
        |size| {
            let mut bytes = filled(size, "\"", "a", "\"");
            bytes[size - 2] = 0xff;
            bytes
        },
        false,
    ),
];

#[test]
fn is_read_or_refused_in_linear_time() {
    for (what, make, good) in KINDS {
        assert_linear(what, make, |bytes| {
            let content = Content::plain(bytes, Limits::LOOSE);
            assert_eq!(content.json().is_ok(), *good, "{what}: {:?}", content.json().err());
        });
    }
}

#[test]
fn is_given_up_at_its_limits() {
    let limits = Limits { depth: 20, keys: 1000 };
    for (what, make, _) in KINDS {
        assert_linear(what, make, |bytes| {
            let _ = strict_json::parse_within(bytes, limits);
        });
    }
    let many = listed(LARGE, "{", |number| format!("\"{number:x}\":0"), "}");
    let why = strict_json::parse_within(&many, limits).unwrap_err();
    let column = why.rsplit(' ').next().and_then(|column| column.parse::<usize>().ok());
    assert!(column.is_some_and(|column| column < 10_000), "it does not stop at the thousandth: {why}");
}

fn readable() -> impl Iterator<Item = (&'static str, impl Fn(usize) -> Value)> {
    KINDS
        .iter()
        .filter(|kind| kind.2)
        .map(|(what, make, _)| (*what, move |size| strict_json::parse(&make(size)).expect("it may be read")))
}

/// Like [`assert_linear`], for what is done with a document after it was read.
fn assert_linear_after(what: &str, make: impl Fn(usize) -> Value, work: impl Fn(&Value)) {
    let documents = [make(SMALL), make(LARGE)];
    let which = |size: usize| vec![u8::from(size == LARGE)];
    assert_linear(what, which, |which| work(&documents[usize::from(which[0])]));
}

#[test]
fn is_searched_in_linear_time() {
    for (what, make) in readable() {
        assert_linear_after(what, make, |document| {
            for pointer in ["/tenant_id", "/ffff", "/0/0/0/0", "/100/a"] {
                let _ = strict_json::find(document, pointer);
            }
            let _ = strict_json::check_prototypes(document);
        });
    }
}

#[test]
fn is_compared_with_a_schema_in_linear_time() {
    let any_of: Vec<Value> =
        (0..20).map(|number| json!({ "items": { "const": number }, "minItems": 1 })).collect();
    let schemas = [
        json!({ "uniqueItems": true, "items": { "uniqueItems": true } }),
        json!({ "pattern": "^(a+)+$", "items": { "pattern": "^(a|a)*$" } }),
        json!({ "contains": { "const": "nowhere" }, "maxContains": 5 }),
        json!({ "anyOf": any_of }),
        json!({ "type": ["array", "string", "number"], "items": { "type": "null" } }),
        json!({ "additionalProperties": { "type": "string" }, "propertyNames": { "maxLength": 1 } }),
        json!({ "patternProperties": { "^(f+)+$": false }, "unevaluatedProperties": { "type": "null" } }),
        json!({ "items": { "format": "date-time" }, "format": "uri-template" }),
    ];
    for schema in &schemas {
        let compiled = Schema::compile(schema).unwrap();
        for (what, make) in readable() {
            assert_linear_after(&format!("{what} against {schema}"), make, |document| {
                assert!(compiled.faults(document).len() <= 16);
            });
        }
    }
}
