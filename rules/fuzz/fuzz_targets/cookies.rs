//! Cookies: a value that is found stands there and reads the same alone, and beside a twin it is refused.
#![no_main]

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use rules::cookies::find;

fuzz_target!(|bytes: &[u8]| {
    let mut fields = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        fields.append(COOKIE, value);
    }
    let Ok(Some(value)) = find(&fields, "session") else { return };
    let pair = format!("session={value}");
    assert!(fields.get_all(COOKIE).iter().any(|field| field.to_str().unwrap().contains(&pair)));
    assert!(!value.contains([';', ',', '"', ' ', '\t']));
    let alone = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&pair).unwrap())]);
    assert_eq!(find(&alone, "session"), Ok(Some(value)));
    fields.append(COOKIE, HeaderValue::from_static("Session=x"));
    assert!(find(&fields, "session").is_err());
});
