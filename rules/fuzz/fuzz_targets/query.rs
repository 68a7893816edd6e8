//! A query: what is hidden is not found afterwards, a second hiding changes nothing, and what is found stands there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::query::{find, without};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(value)) = find(bytes, "tenant_id") {
        let again: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let again = format!("tenant_id={again}");
        assert_eq!(find(again.as_bytes(), "tenant_id"), Ok(Some(value)));
        let twice = [bytes, b"&tenantId=x"].concat();
        assert!(find(&twice, "tenant_id").is_err());
    }
    let Ok(query) = std::str::from_utf8(bytes) else { return };
    let names = ["token".to_owned(), "api_key".to_owned()];
    let left = without(query, &names);
    assert!(left.len() <= query.len());
    for name in &names {
        assert_eq!(find(left.as_bytes(), name), Ok(None), "{query}");
    }
    assert_eq!(without(&left, &names), left);
});
