//! JSON: what the strict reader takes, the lenient one reads alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::strict_json;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = strict_json::parse(bytes) {
        assert_eq!(serde_json::from_slice::<serde_json::Value>(bytes).ok(), Some(value));
    }
});
