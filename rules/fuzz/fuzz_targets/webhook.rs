//! A delivery of any shape, under schemes that read it in every way: without a key nobody makes one that verifies.
#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use rules::problem::Place;
use rules::secret::Secret;
use rules::shapes::OneOrMany;
use rules::webhook::{
    Delivery, Encoding, Hash, Keyring, Kind, Outcome, RawBodyDigest, RawEach, RawExtract, RawReplay,
    RawScheme, RawTerms, RawTimestamp, Scheme, SharedKey, Terms, TimeFormat,
};

fn part(from: &str, pick: &str) -> RawExtract {
    RawExtract {
        split: Some(",".to_owned()),
        pair: Some("=".to_owned()),
        pick: Some(pick.to_owned()),
        ..RawExtract::from(from)
    }
}

fn scheme(payload: &[&str]) -> RawScheme {
    RawScheme {
        kind: Kind::Hmac,
        hash: Some(Hash::Sha256),
        encoding: Some(Encoding::Hex),
        secret: None,
        signature: OneOrMany(vec![part("header:x-s", "v1"), "header_seq:x-s-{n}".into()]),
        timestamp: None,
        vars: [("id".to_owned(), RawExtract { optional: true, ..RawExtract::from("query:id") })].into(),
        payload: OneOrMany(payload.iter().map(|text| (*text).to_owned()).collect()),
        require: Vec::new(),
        key_by: None,
        each: None,
        body_digest: None,
        token: None,
        algs: Vec::new(),
        kid_required: false,
        leeway_s: None,
        claims: None,
        versions: Vec::new(),
        cert_host: None,
        cert_path: None,
        jwks_url: None,
        handshakes: Vec::new(),
        replay: Some(RawReplay {
            keys: ["json:/a/0", "form:b", "signed"].map(str::to_owned).to_vec(),
            ttl_s: None,
        }),
        note: None,
        note_body: None,
    }
}

static STAGES: LazyLock<Vec<(Scheme, Keyring, Terms)>> = LazyLock::new(|| {
    let timed = RawScheme {
        timestamp: Some(RawTimestamp {
            from: Some(part("header:x-s", "t")),
            format: TimeFormat::Rfc3339,
            past_s: Some(1),
            future_s: Some(1),
            after: false,
        }),
        ..scheme(&[
            "{ts}.{id?}.{url|no_port}{body|form_sorted}",
            "{ts}{url|default_port}{header_list(x-h;,;:;;)}{body}",
        ])
    };
    let each = RawScheme {
        each: Some(RawEach { array: "/items".to_owned(), item: "/item".to_owned() }),
        signature: OneOrMany(vec!["item:/signature".into()]),
        replay: None,
        ..scheme(&["{item:/a?}:{item:/b/c?}"])
    };
    let digest = RawScheme {
        body_digest: Some(RawBodyDigest {
            from: "query:d".into(),
            hash: Hash::Sha256,
            encoding: Encoding::Base64,
        }),
        ..scheme(&["{url|rfc3986_hubspot}{form:a?}{json:/b?}{body|crc32_dec}"])
    };
    let stage = |raw: RawScheme| {
        let scheme = Scheme::compile(&raw, &Place::root()).unwrap();
        let secret = Secret::new(b"nobody knows this".to_vec());
        let key = SharedKey { name: "key", id: None, slot: None, until: None, secret: &secret };
        let keys = Keyring::compile(&scheme, &[key], &[], &Place::root()).ok().unwrap();
        let terms = Terms::compile(&scheme, RawTerms { name: "hook", ..RawTerms::default() }, &Place::root());
        (scheme, keys, terms.ok().unwrap())
    };
    [timed, each, digest].map(stage).into()
});

const NAMES: [&str; 6] = ["x-s", "x-s-1", "x-s-2", "x-h", "content-type", "x-other"];

// A line a header, led by a letter that says which; then the target; then the body.
fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(8, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    let mut target = String::from("/");
    while let Some(line) = lines.next() {
        match line.split_first() {
            Some((b'/', _)) => {
                target = String::from_utf8_lossy(line).into_owned();
                break;
            }
            Some((which, value)) => {
                let name = HeaderName::from_static(NAMES[usize::from(*which) % NAMES.len()]);
                headers.extend(HeaderValue::from_bytes(value).ok().map(|value| (name, value)));
            }
            None => break,
        }
    }
    let body = lines.next().unwrap_or_default();
    for (scheme, keys, terms) in STAGES.iter() {
        let delivery = Delivery {
            method: &Method::POST,
            scheme: "https",
            authority: "hooks.test",
            target: &target,
            headers: &headers,
            body,
            now_ms: 1_760_000_000_000,
        };
        let outcome = scheme.verify(keys, terms, &delivery, None);
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }
});
