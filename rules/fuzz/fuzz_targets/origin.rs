//! An origin: what a pattern admits has exactly its scheme and port and lies below its host; nothing is repaired.
#![no_main]

use std::sync::LazyLock;

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use rules::origin::{Entry, Origin, Origins};

static ORIGINS: LazyLock<Origins> = LazyLock::new(|| {
    let entries = ["https://app.example.com", "https://*.example.org:8443", "http://localhost:3000"];
    Origins::new(entries.map(|entry| Entry::parse(entry).unwrap()))
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(field) = HeaderValue::from_bytes(bytes) else { return };
    let grant = ORIGINS.grant(&field);
    let Ok(text) = std::str::from_utf8(bytes) else { return assert_eq!(grant, None) };
    assert_eq!(grant.is_some(), ORIGINS.hold(text));
    let below = text.strip_prefix("https://").and_then(|rest| rest.strip_suffix(".example.org:8443"));
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if grant.is_some() {
        assert_eq!(grant.as_ref(), Some(&field), "what is granted is what came");
        let exact = ["https://app.example.com", "http://localhost:3000"].contains(&text);
        assert!(exact || below.is_some_and(|labels| labels.split('.').all(label)), "{text}");
    }
    if Origin::parse(text).is_some() {
        assert!(!text.bytes().any(|byte| byte.is_ascii_uppercase() || b"/?#@*, ".contains(&byte) && !text.contains("://")));
    }
    if let Ok(entry) = Entry::parse(text) {
        let written = entry.to_string();
        assert_eq!(Entry::parse(&written), Ok(entry.clone()), "{text} was written as {written}");
        assert!(Origins::new([entry.clone()]).include(&entry));
    }
});
