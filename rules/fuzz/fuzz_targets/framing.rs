//! A request head: what is complete was read once, and more bytes behind it change nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::framing::{Head, HeadLimits, inspect};

fuzz_target!(|bytes: &[u8]| {
    let limits = HeadLimits { bytes: 4096, fields: 20, target_bytes: 1024 };
    if let Ok(Head::Complete { len }) = inspect(bytes, &limits) {
        assert!(len <= bytes.len() && bytes[..len].ends_with(b"\r\n\r\n"));
        assert_eq!(inspect(&bytes[..len], &limits), Ok(Head::Complete { len }));
    }
});
