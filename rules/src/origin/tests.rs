use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn origins(entries: &[&str]) -> Origins {
    Origins::new(entries.iter().map(|text| Entry::parse(text).unwrap()))
}

/// What the answer says to `text`.
fn granted(origins: &Origins, text: &str) -> Option<String> {
    let granted = origins.grant(&HeaderValue::from_str(text).ok()?)?;
    Some(granted.to_str().unwrap().to_owned())
}

const APP: &str = "https://app.example.com";

/// Origins that look like [`APP`] to someone who compares carelessly.
const LOOK_ALIKES: &[&str] = &[
    "null",
    "",
    "*",
    "https://",
    "https://app.example.com/",
    "https://app.example.com/x",
    "https://app.example.com?",
    "https://app.example.com#",
    "https://app.example.com.",
    "https://app.example.com..",
    "https://app.example.com:443",
    "https://app.example.com:0443",
    "https://app.example.com:80",
    "https://app.example.com:8443",
    "https://app.example.com:",
    "https://app.example.com:+443",
    "https://app.example.com:99999",
    "https://app.example.com.evil.test",
    "https://app.example.comevil.test",
    "https://app.example.com-evil.test",
    "https://app.example.com@evil.test",
    "https://app.example.com:x@evil.test",
    "https://app.example.com\\evil.test",
    "https://app.example.com%2eevil.test",
    "https://app.example.com%00.evil.test",
    "https://evilapp.example.com",
    "https://evil-app.example.com",
    "https://evil.app.example.com",
    "https://evil.test/https://app.example.com",
    "https://evil.test?https://app.example.com",
    "https://evil.test#https://app.example.com",
    "https://user@app.example.com",
    "https://APP.example.com",
    "https://app.EXAMPLE.com",
    "HTTPS://app.example.com",
    "http://app.example.com",
    "ws://app.example.com",
    "https:app.example.com",
    "https:/app.example.com",
    "https:///app.example.com",
    "//app.example.com",
    "app.example.com",
    "https://app_example.com",
    "https://app,example.com",
    "https://appxexample.com",
    "https://example.com",
    "https://.example.com",
    "https://*.example.com",
    "https://app..example.com",
    "https://-app.example.com",
    "https://xn--pp-wcb.example.com",
    "https://\u{430}pp.example.com",
    "https://app.example\u{3002}com",
    "https://app.example.com https://evil.test",
    "https://evil.test https://app.example.com",
    "https://app.example.com, https://evil.test",
    "https://app.example.com,",
    " https://app.example.com",
    "https://app.example.com ",
    "https://app.example.com\t",
    "https://app.\texample.com",
    "https://[app.example.com]",
    "https://[::1]",
    "https://127.0.0.1",
];

#[test]
fn what_merely_looks_like_an_exact_origin_is_none() {
    let origins = origins(&[APP]);
    assert_eq!(granted(&origins, APP).as_deref(), Some(APP));
    for text in LOOK_ALIKES {
        assert!(!origins.hold(text), "{text:?}");
        assert_eq!(granted(&origins, text), None, "{text:?}");
    }
    assert!(!origins.hold(&format!("{APP}{}", "a".repeat(100_000))));
}

#[test]
fn a_pattern_covers_subdomains_and_nothing_else() {
    let origins = origins(&["https://*.example.com"]);
    let covered = [
        APP,
        "https://evilapp.example.com",
        "https://evil-app.example.com",
        "https://evil.app.example.com",
        "https://xn--pp-wcb.example.com",
    ];
    for text in covered {
        assert_eq!(granted(&origins, text).as_deref(), Some(text), "{text}");
    }
    let more =
        ["https://example.com", "https://evilexample.com", "https://a.example.com:8443", "https://a.b.com"];
    for text in LOOK_ALIKES.iter().filter(|text| !covered.contains(text)).chain(&more) {
        assert!(!origins.hold(text), "{text:?}");
    }
    let long = format!("https://{}.example.com", "a".repeat(64));
    assert!(!origins.hold(&long) && !origins.hold(&format!("https://{}example.com", "a.".repeat(50_000))));
}

#[test]
fn a_star_is_for_every_origin_and_for_no_null() {
    let origins = origins(&["*"]);
    for text in
        [APP, "http://localhost:3000", "capacitor://localhost", "http://[::1]:3000", "https://10.0.0.1"]
    {
        assert_eq!(granted(&origins, text).as_deref(), Some("*"), "{text}");
    }
    for text in [
        "null",
        "",
        "*",
        "https://",
        "https://a b",
        "https://A.b",
        "file://",
        "https://256.0.0.1",
        "https://a.1",
    ] {
        assert!(!origins.hold(text), "{text:?}");
    }
}

#[test]
fn entries_are_as_browsers_write_them() {
    for (written, meant) in [
        (APP, APP),
        ("https://app.example.com:443", APP),
        ("http://app.example.com:80", "http://app.example.com"),
        ("https://app.example.com:80", "https://app.example.com:80"),
        ("https://*.example.com:443", "https://*.example.com"),
        ("http://*.localhost:3000", "http://*.localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
        ("*", "*"),
    ] {
        assert_eq!(Entry::parse(written).unwrap().to_string(), meant);
    }
    for (written, part) in [
        ("null", "sandboxed"),
        ("", "no scheme"),
        ("app.example.com", "no scheme"),
        ("https://", "is not an origin"),
        ("https://app.example.com/", "follows the host"),
        ("https://app.example.com/x", "follows the host"),
        ("https://app.example.com?x", "follows the host"),
        ("https://ada@app.example.com", "names a user"),
        ("https://App.example.com", "browsers write it"),
        ("https://app.example.com.", "browsers write it"),
        ("https://b\u{fc}cher.example", "browsers write it"),
        ("https://app.example.com:0", "is not an origin"),
        ("https://app.example.com:", "is not an origin"),
        ("https://a_b.example.com", "is not an origin"),
        ("https://[::0001]", "is not an origin"),
        ("https://10.0.0.300", "is not an origin"),
        ("https://app*.example.com", "whole subdomains"),
        ("https://app.*.com", "whole subdomains"),
        ("https://*.*.example.com", "whole subdomains"),
        ("https://*", "whole subdomains"),
        ("https://*.", "whole subdomains"),
        ("https://*.0.0.1", "whole subdomains"),
        ("https://*.com", "everybody's domains"),
    ] {
        let error = Entry::parse(written).unwrap_err();
        assert!(error.message.contains(part), "{written}: {error:?}");
    }
}

#[test]
fn inclusion_knows_patterns() {
    for (outer, inner, included) in [
        (&["*"][..], "*", true),
        (&["*"], "https://*.a.com", true),
        (&["*"], "https://a.com", true),
        (&["https://a.com"], "*", false),
        (&["https://a.com"], "https://a.com", true),
        (&["https://a.com"], "https://b.com", false),
        (&["https://a.com"], "https://*.a.com", false),
        (&["https://*.a.com"], "*", false),
        (&["https://*.a.com"], "https://a.com", false),
        (&["https://*.a.com"], "https://x.a.com", true),
        (&["https://*.a.com"], "https://x.y.a.com", true),
        (&["https://*.a.com"], "http://x.a.com", false),
        (&["https://*.a.com"], "https://x.a.com:8443", false),
        (&["https://*.a.com"], "https://xa.com", false),
        (&["https://*.a.com"], "https://*.x.a.com", true),
        (&["https://*.a.com"], "https://*.xa.com", false),
        (&["https://*.x.a.com"], "https://*.a.com", false),
        (&["https://b.com", "https://*.a.com"], "https://x.a.com", true),
    ] {
        assert_eq!(origins(outer).include(&Entry::parse(inner).unwrap()), included, "{inner} in {outer:?}");
    }
}

#[test]
fn an_address_begins_with_its_origin() {
    for (address, origin) in [
        ("https://app.example.com/a/b?c#d", Some(APP)),
        ("https://app.example.com", Some(APP)),
        ("https://app.example.com?https://evil.test/", Some(APP)),
        ("https://evil.test/https://app.example.com", Some("https://evil.test")),
        ("https://app.example.com@evil.test/", Some("https://app.example.com@evil.test")),
        ("about:blank", None),
        ("", None),
    ] {
        assert_eq!(of_address(address), origin, "{address}");
    }
}

/// Pieces of which origins and their forgeries are made.
fn pieces() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "https", "http", "://", ":", "/", "app", "example", "com", "evil", "test", ".", "..", "*", "@",
        "443", "8443", "0", "[", "]", "::1", "-", "_", "xn--", "\u{430}", "%2e", " ", "\t", "\0", "#", "?",
        "\\", ",", "A", "null",
    ]);
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_admitted_but_what_is_meant(text in prop_oneof![
        pieces(),
        pieces().prop_map(|more| format!("{APP}{more}")),
        pieces().prop_map(|more| format!("https://{more}.example.com")),
        pieces().prop_map(|more| format!("{more}{APP}")),
        any::<String>(),
    ]) {
        prop_assert_eq!(origins(&[APP]).hold(&text), text == APP);
        let label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let below = text.strip_prefix("https://").and_then(|rest| rest.strip_suffix(".example.com"));
        if origins(&["https://*.example.com"]).hold(&text) {
            prop_assert!(below.is_some_and(|below| below.split('.').all(label)), "{}", text);
        }
        if origins(&["*"]).hold(&text) {
            prop_assert!(text.is_ascii() && !text.contains([' ', '\t', '/', '@', '*', '#', '?', '\\', ',']) || text.matches('/').count() == 2, "{}", text);
        }
        let _ = (Entry::parse(&text), of_address(&text));
    }

    #[test]
    fn what_is_included_is_held(outer in select(POOL.to_vec()), inner in select(POOL.to_vec()), text in select(HELD.to_vec())) {
        let (outer, entry) = (origins(&[outer]), Entry::parse(inner).unwrap());
        prop_assert!(!outer.include(&entry) || !origins(&[inner]).hold(text) || outer.hold(text));
    }
}

const POOL: &[&str] = &[
    "*",
    "https://a.com",
    "https://*.a.com",
    "https://x.a.com",
    "https://*.x.a.com",
    "https://*.a.com:8443",
    "http://*.a.com",
];
const HELD: &[&str] = &[
    "https://a.com",
    "https://x.a.com",
    "https://y.x.a.com",
    "http://x.a.com",
    "https://x.a.com:8443",
    "https://b.com",
];
