//! A media type: what is read is one that reads the same again, and a second field is refused.
#![no_main]

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use rules::content::{coding, media_type};
use rules::strict_json;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut fields = HeaderMap::from_iter([(CONTENT_TYPE, value.clone()), (CONTENT_ENCODING, value.clone())]);
    let _ = strict_json::check_charset(&fields);
    let unpacked = matches!(coding(&fields), Ok(None));
    assert_eq!(unpacked, bytes.eq_ignore_ascii_case(b"identity"));
    fields.remove(CONTENT_ENCODING);
    let Ok(Some(essence)) = media_type(&fields) else { return };
    assert_eq!(essence, essence.to_ascii_lowercase());
    assert_eq!(essence.matches('/').count(), 1);
    let again = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(&essence).unwrap())]);
    assert_eq!(media_type(&again), Ok(Some(essence)));
    fields.append(CONTENT_TYPE, value);
    assert!(media_type(&fields).is_err());
});
