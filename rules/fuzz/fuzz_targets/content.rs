//! Content: unpacked it keeps to its bound, and as a document it keeps to its limits, with one reading everywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::content::{Coding, Content};
use rules::strict_json::{self, Limits};
use serde_json::Value;

const MAX: u64 = 4096;
const LIMITS: Limits = Limits { depth: 8, keys: 20 };

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let content = match first % 3 {
        0 => Content::plain(bytes, LIMITS),
        packed => {
            let coding = if packed == 1 { Coding::Gzip } else { Coding::Deflate };
            let Ok(content) = Content::unpack(bytes, coding, MAX, LIMITS) else { return };
            assert!(content.bytes().len() as u64 <= MAX);
            content
        }
    };
    let Ok(document) = content.json() else { return };
    let (depth, keys) = size(document);
    assert!(depth <= LIMITS.depth && keys <= LIMITS.keys, "{depth} deep, {keys} members");
    assert_eq!(strict_json::parse(content.bytes()).as_ref(), Ok(document));
    assert_eq!(serde_json::from_slice::<Value>(content.bytes()).as_ref().ok(), Some(document));
    for pointer in ["", "/a", "/a/0", "/tenant_id", "/~01"] {
        if let Ok(found) = strict_json::find(document, pointer) {
            assert_eq!(found, document.pointer(pointer));
        }
    }
    let _ = strict_json::check_prototypes(document);
});

fn size(value: &Value) -> (usize, usize) {
    let (inner, own): (Vec<_>, usize) = match value {
        Value::Array(items) => (items.iter().map(size).collect(), 0),
        Value::Object(members) => (members.values().map(size).collect(), members.len()),
        _ => return (0, 0),
    };
    let deepest = inner.iter().map(|(depth, _)| *depth).max().unwrap_or(0);
    (deepest + 1, own + inner.iter().map(|(_, keys)| keys).sum::<usize>())
}
