//! A scheme of any shape: it compiles, or says why it does not; and what compiles judges without falling over.
#![no_main]

use http::{HeaderMap, Method};
use libfuzzer_sys::fuzz_target;
use rules::problem::Place;
use rules::secret::Secret;
use rules::webhook::{Delivery, Keyring, RawScheme, RawTerms, Scheme, SharedKey, Terms};

fuzz_target!(|data: &str| {
    // The texts of a sound scheme, line by line.
    let base = r#"{"kind":"hmac","hash":"sha256","encoding":"hex"}"#;
    let mut raw: RawScheme = serde_json::from_str(base).unwrap();
    for (nth, line) in data.lines().take(8).enumerate() {
        match nth {
            0 => raw.signature.0.push(line.into()),
            1 | 2 => raw.payload.0.push(line.to_owned()),
            3 => raw.key_by = Some(line.into()),
            4 => raw.vars.extend([("id".to_owned(), line.into())]),
            5 => raw.cert_host = Some(line.to_owned()),
            _ => raw.signature.0.push(line.into()),
        }
    }
    let Ok(scheme) = Scheme::compile(&raw, &Place::root()) else { return };
    let _ = (scheme.doubts(), scheme.settings(), scheme.secret_headers());
    let at = Place::root();
    let secret = Secret::new(b"secret".to_vec());
    let key = SharedKey { name: "key", id: Some("id"), slot: None, until: None, secret: &secret };
    let keys = Keyring::compile(&scheme, &[key], &[], &at);
    let terms = Terms::compile(&scheme, RawTerms { name: "hook", ..RawTerms::default() }, &at);
    let (Ok(keys), Ok(terms)) = (keys, terms) else { return };
    let headers = HeaderMap::new();
    let delivery = Delivery {
        method: &Method::POST,
        scheme: "https",
        authority: "hooks.test",
        target: "/",
        headers: &headers,
        body: data.as_bytes(),
        now_ms: 0,
    };
    let _ = scheme.verify(&keys, &terms, &delivery, None);
});
