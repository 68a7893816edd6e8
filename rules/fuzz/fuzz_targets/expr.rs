//! An expression and a body, parted by a NUL: read or refused with a place in its text, and run whatever comes.
#![no_main]

use std::net::Ipv4Addr;

use http::{HeaderMap, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use rules::expr::{Body, Condition, Facts, Formula, Head, Vocabulary};
use rules::lists::Lists;

fuzz_target!(|bytes: &[u8]| {
    let (text, body) = bytes.split_at(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    let Ok(text) = std::str::from_utf8(text) else { return };
    let lists = Lists::new();
    let vocabulary = Vocabulary { lists: &lists, geo: true, identities: &[], responses: true, bodies: true };
    let mut headers = HeaderMap::new();
    headers.append("content-type", HeaderValue::from_static("multipart/form-data; boundary=x"));
    headers.append("x-a", HeaderValue::from_bytes(body).unwrap_or(HeaderValue::from_static("a")));
    let client = Ipv4Addr::new(192, 0, 2, 7).into();
    let head = Head { raw_query: Some(body), ..Head::plain(&Method::GET, "a.test", &headers, client) };
    let facts = Facts::new(head).with_body(Some(Body { bytes: body, size: 1, truncated: false }));
    match Condition::compile(text, &vocabulary) {
        Ok(condition) => {
            let holds = condition.holds(&facts);
            assert_eq!(condition.holds(&facts), holds);
        }
        Err(fault) => assert!(text.get(fault.span).is_some()),
    }
    match Formula::characteristic(text, &vocabulary) {
        Ok(formula) => drop(formula.text_of(&facts)),
        Err(fault) => assert!(text.get(fault.span).is_some()),
    }
});
