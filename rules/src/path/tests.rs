use proptest::prelude::*;

use super::*;

/// Raw path, decoded, forwarded.
const READ: &[(&str, &str, &str)] = &[
    ("/", "/", "/"),
    ("/a/b", "/a/b", "/a/b"),
    ("/a/", "/a/", "/a/"),
    ("/A", "/A", "/A"),
    ("//", "/", "/"),
    ("//evil.example/x", "/evil.example/x", "/evil.example/x"),
    ("/a///b//", "/a/b/", "/a/b/"),
    ("/%41%7e%2D", "/A~-", "/A~-"),
    ("/a%20b", "/a b", "/a%20b"),
    ("/%c3%a9", "/é", "/%C3%A9"),
    ("/e%CC%81", "/e\u{301}", "/e%CC%81"),
    ("/%252e%252e/%252f", "/%2e%2e/%2f", "/%252e%252e/%252f"),
    ("/%2541", "/%41", "/%2541"),
    ("/%25", "/%", "/%25"),
    ("/admin;x=y", "/admin;x=y", "/admin;x=y"),
    ("/admin%3bx", "/admin;x", "/admin%3Bx"),
    ("/;a=..", "/;a=..", "/;a=.."),
    ("/a%3Fb%23c", "/a?b#c", "/a%3Fb%23c"),
    ("/a+b%2b", "/a+b+", "/a+b%2B"),
    ("/pages/[id]^|", "/pages/[id]^|", "/pages/%5Bid%5D%5E%7C"),
    ("/...", "/...", "/..."),
    ("/.well-known/x", "/.well-known/x", "/.well-known/x"),
    ("/..a/a..", "/..a/a..", "/..a/a.."),
    ("/a:b@c!$&'()*+,;=", "/a:b@c!$&'()*+,;=", "/a:b@c!$&'()*+,;="),
];

const REFUSED: &[&[u8]] = &[
    b"",
    b"*",
    b"a",
    b"@evil.test/a",
    b"\\/a",
    b"http://a/b",
    b"/.",
    b"/..",
    b"/a/../../etc/passwd",
    b"/a/./b",
    b"/a/..",
    b"//../a",
    b"/%2e%2e/x",
    b"/.%2E/x",
    b"/%2e",
    b"/%2e%2e/%2fadmin//x;y",
    b"/..;/admin",
    b"/a/..;x=y/admin",
    b"/a/.%2e%3Bx/admin",
    b"/.;",
    b"/a%2fb",
    b"/a%2Fb",
    b"/a%5cb",
    b"/a\\b",
    b"/a%",
    b"/a%2",
    b"/a%zz",
    b"/a%+1",
    b"/a%\xc3\xa9",
    b"/%00",
    b"/a%00.png",
    b"/a%0d%0ab",
    b"/%09",
    b"/%7f",
    b"/%c2%85",
    b"/%ff",
    b"/%c0%af",
    b"/%c0%ae%c0%ae",
    b"/%ed%a0%80",
    b"/\xc3\xa9",
    b"/a b",
    b"/a\tb",
    b"/a\0",
    b"/a?b",
    b"/a#b",
    b"/a\"b",
    b"/<a>",
    b"/{a}",
    b"/`",
];

#[test]
fn reads() {
    for &(raw, text, forward) in READ {
        let path = Path::parse(raw.as_bytes()).unwrap_or_else(|refusal| panic!("{raw}: {refusal:?}"));
        assert_eq!((path.as_str(), path.forward()), (text, forward), "{raw}");
    }
}

#[test]
fn refuses() {
    for raw in REFUSED {
        let shown = String::from_utf8_lossy(raw);
        let refusal = Path::parse(raw).expect_err(&shown);
        assert_eq!((refusal.code, refusal.gate), (Code::BadRequest, "path"), "{shown}");
    }
}

#[test]
fn segments_tell_a_trailing_slash() {
    let segments = |raw: &'static str| Path::parse(raw.as_bytes()).unwrap().into_owned();
    assert_eq!(segments("/").segments().collect::<Vec<_>>(), [""]);
    assert_eq!(segments("/a").segments().collect::<Vec<_>>(), ["a"]);
    assert_eq!(segments("//a//%62/").segments().collect::<Vec<_>>(), ["a", "b", ""]);
}

#[test]
fn borrows_what_is_canonical() {
    let plain = Path::parse(b"/v1/acme/conversations").unwrap();
    assert!(matches!((&plain.text, &plain.forward), (Cow::Borrowed(_), Cow::Borrowed(_))));
    let escaped = Path::parse(b"/a%20b").unwrap();
    assert!(matches!((&escaped.text, &escaped.forward), (Cow::Owned(_), Cow::Borrowed(_))));
}

#[test]
fn a_literal_is_decoded_like_a_request() {
    assert_eq!(literal("caf%C3%A9").unwrap(), "café");
    assert_eq!(literal("café").unwrap(), "café");
    for bad in ["%2f", "%5C", "a\\b", "%", "%00", "%ff", ".", "%2e%2E", "..;x"] {
        assert!(literal(bad).is_err(), "{bad}");
    }
}

fn is_rfc3986(path: &str) -> bool {
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let legal = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| matches!(digit, Some(b'0'..=b'9' | b'A'..=b'F'))),
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte),
        };
        if !legal {
            return false;
        }
    }
    path.starts_with('/') && !path.contains("//")
}

/// Mostly the bytes that matter, so that escapes, dots and slashes meet.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "/", "/", "//", ".", "..", "%", "%2", "%2e", "%2F", "%25", "%5c", "\\", ";", "%3b", "a", "Z", "%41",
            "%c3%a9", "%c3", "é", "%20", "[", "%00", "%7e", "@", "?", "%252f", "~"
        ]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| [b"/".to_vec(), pieces.concat()].concat())
}

fn holds(raw: &[u8]) -> Result<(), TestCaseError> {
    let Ok(path) = Path::parse(raw) else { return Ok(()) };
    prop_assert!(is_rfc3986(path.forward()), "{}", path.forward());
    let again = Path::parse(path.forward().as_bytes()).expect("what is forwarded reads again");
    prop_assert_eq!(&again, &path);
    prop_assert!(!path.as_str().chars().any(|c| c.is_control() || c == '\\'));
    let segments: Vec<_> = path.segments().collect();
    prop_assert_eq!(format!("/{}", segments.join("/")), path.as_str());
    for (at, segment) in segments.iter().enumerate() {
        prop_assert!(!segment.contains('/') && *segment != "." && *segment != "..");
        prop_assert!(!segment.is_empty() || at + 1 == segments.len());
    }
    // A backend that splits first and decodes afterwards sees the very same segments.
    let seen: Vec<_> = path.forward().split('/').skip(1).map(|raw| literal(raw).unwrap()).collect();
    prop_assert_eq!(seen, segments);
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes(raw in prop::collection::vec(any::<u8>(), 0..64)) {
        holds(&raw)?;
    }

    #[test]
    fn hostile_bytes(raw in hostile()) {
        holds(&raw)?;
    }

    #[test]
    fn every_harmless_segment_survives(segments in prop::collection::vec("[^/\\\\\\p{Cc}]{1,6}", 1..5)) {
        prop_assume!(!segments.iter().any(|segment| is_dots(segment)));
        let raw = segments.iter().fold(String::new(), |text, segment| text + "/" + &escaped(segment));
        let path = Path::parse(raw.as_bytes()).expect("escaped text is a path");
        prop_assert_eq!(path.segments().collect::<Vec<_>>(), segments);
        prop_assert_eq!(path.forward(), &raw);
    }
}
