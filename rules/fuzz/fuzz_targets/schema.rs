//! A schema and a document, parted by a NUL: neither panics, and a document fits exactly if it has no faults.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::schema::Schema;
use rules::strict_json;

fuzz_target!(|bytes: &[u8]| {
    let Some(at) = bytes.iter().position(|byte| *byte == 0) else { return };
    let Ok(schema) = Schema::parse(&bytes[..at]) else { return };
    let Ok(document) = strict_json::parse(&bytes[at + 1..]) else { return };
    let faults = schema.faults(&document);
    assert!(faults.len() <= 16 && faults.iter().all(|fault| fault.pointer.len() <= 200));
    assert_eq!(schema.faults(&document), faults);
});
