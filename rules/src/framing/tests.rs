//! Cases as data: a head and the code it must get.

use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 1024, fields: 8, target_bytes: 64 };

fn code(head: &[u8]) -> Option<Code> {
    match inspect(head, &LIMITS) {
        Ok(Head::Complete { len }) => {
            assert!(len <= head.len());
            None
        }
        Ok(Head::Incomplete) => panic!("incomplete: {}", head.escape_ascii()),
        Err(refusal) => {
            assert_eq!(refusal.gate, GATE);
            Some(refusal.code)
        }
    }
}

/// Whole heads that pass.
const GOOD: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost:a.example.com:443\r\n\r\n",
    b"GET /?a[]=1&b=%e4 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n",
    b"GET /a/../b/./c HTTP/1.1\r\nHost: [::1]:65535\r\n\r\n",
    b"GET /... HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a?x=/../../.. HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%2e%2eb HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS /a HTTP/1.1\r\nHost: a.\r\n\r\n",
    b"PURGE /a;b=c,d:e@f!$&'()*+~ HTTP/1.1\r\nHost: a-b_c\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked \r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\tq\r\nEmpty:\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Foo, upgrade\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection:\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n1:1\r\n2:2\r\n3:3\r\n4:4\r\n5:5\r\n6:6\r\n7:7\r\n\r\n",
];

/// Request lines, put before a good header.
const LINES: &[(&[u8], Code)] = &[
    (b"", Code::BadRequest),
    (b" GET / HTTP/1.1", Code::BadRequest),
    (b"GET  / HTTP/1.1", Code::BadRequest),
    (b"GET /  HTTP/1.1", Code::BadRequest),
    (b"GET\t/ HTTP/1.1", Code::BadRequest),
    (b"GET / HTTP/1.1 ", Code::BadRequest),
    (b"GET / HTTP/1.0", Code::BadRequest),
    (b"GET / HTTP/1.2", Code::BadRequest),
    (b"GET / HTTP/2.0", Code::BadRequest),
    (b"GET / HTTP/0.9", Code::BadRequest),
    (b"GET / http/1.1", Code::BadRequest),
    (b"GET / HTTP/1.1\r", Code::BadRequest),
    (b"GET /", Code::BadRequest),
    (b"GET", Code::BadRequest),
    (b"G{T / HTTP/1.1", Code::BadRequest),
    (b"G\x00T / HTTP/1.1", Code::BadRequest),
    (b"ABCDEFGHIJABCDEFGHIJABCDEFGHIJABC / HTTP/1.1", Code::BadRequest),
    (b"CONNECT a:443 HTTP/1.1", Code::MethodNotAllowed),
    (b"TRACE / HTTP/1.1", Code::MethodNotAllowed),
    (b"GET * HTTP/1.1", Code::BadRequest),
    (b"OPTIONS * HTTP/1.1", Code::BadRequest),
    (b"GET http://a/ HTTP/1.1", Code::BadRequest),
    (b"GET a HTTP/1.1", Code::BadRequest),
    (b"GET \\/a HTTP/1.1", Code::BadRequest),
    (b"GET @evil.test/a HTTP/1.1", Code::BadRequest),
    (b"GET a:80 HTTP/1.1", Code::BadRequest),
    (b"GET ?a HTTP/1.1", Code::BadRequest),
    (b"GET /a b HTTP/1.1", Code::BadRequest),
    (b"GET /a\tb HTTP/1.1", Code::BadRequest),
    (b"GET /a\x00 HTTP/1.1", Code::BadRequest),
    (b"GET /a\x7f HTTP/1.1", Code::BadRequest),
    (b"GET /a\rb HTTP/1.1", Code::BadRequest),
    (b"GET /\xc3\xa4 HTTP/1.1", Code::BadRequest),
    (b"GET /a#b HTTP/1.1", Code::BadRequest),
    (b"GET /a\"b HTTP/1.1", Code::BadRequest),
    (b"GET /<b> HTTP/1.1", Code::BadRequest),
    (b"GET /a\\b HTTP/1.1", Code::BadRequest),
    (b"GET /a^ HTTP/1.1", Code::BadRequest),
    (b"GET /a` HTTP/1.1", Code::BadRequest),
    (b"GET /{a} HTTP/1.1", Code::BadRequest),
    (b"GET /a|b HTTP/1.1", Code::BadRequest),
    (b"GET /% HTTP/1.1", Code::BadRequest),
    (b"GET /%2 HTTP/1.1", Code::BadRequest),
    (b"GET /%zz HTTP/1.1", Code::BadRequest),
    (b"GET /%2g?q HTTP/1.1", Code::BadRequest),
    (b"GET /%00 HTTP/1.1", Code::BadRequest),
    (b"GET /?q=%00 HTTP/1.1", Code::BadRequest),
    (b"GET /a/../../etc/passwd HTTP/1.1", Code::BadRequest),
    (b"GET /%2e%2e/%2fadmin//x;y HTTP/1.1", Code::BadRequest),
    (b"GET /.%2E?q HTTP/1.1", Code::BadRequest),
    (b"GET /a/..;/admin HTTP/1.1", Code::BadRequest),
    (b"GET /a/.%3b/admin HTTP/1.1", Code::BadRequest),
];

/// Field lines, put after a good `Host`.
const FIELDS: &[&[u8]] = &[
    b"Content-Length: 3\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 3",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: cow, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: \"chunked\"",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:",
    b"Transfer_Encoding: chunked",
    b"Content-Length: 3\r\nContent-Length: 3",
    b"Content-Length: 3\r\ncontent-length: 4",
    b"Content-Length: 3, 3",
    b"Content-Length: +3",
    b"Content-Length: -1",
    b"Content-Length: 0x3",
    b"Content-Length: 3 3",
    b"Content-Length: 3;",
    b"Content-Length: 9999999999999999999",
    b"Content-Length:",
    b"X-Forwarded_For: a",
    b"X: a\nY: b",
    b"X: a\rY: b",
    b"X: a\r\n folded",
    b"X: a\r\n\tfolded",
    b" X: a",
    b"\tX: a",
    b"X : a",
    b"X\t: a",
    b"X",
    b": a",
    b"X{}: a",
    b"X\x80: a",
    b"X: \x00",
    b"X: \x01",
    b"X: \x7f",
    b"\x00: a",
    b"Host: a",
    b"Host: b",
    b"Authorization: a\r\nauthorization: b",
    b"Content-Type: a/b\r\nContent-Type: c/d",
    b"Origin: a\r\nOrigin: b",
    b"Connection: Authorization",
    b"Connection: close, cookie",
    b"Connection: close\r\nConnection: host",
    b"Connection: X-Forwarded-For",
    b"Connection: x-forwarded-proto",
    b"Connection: Forwarded",
    b"Connection: content-length",
    b"Connection: Transfer-Encoding",
    b"Connection: content-type",
    b"Connection: x-api-key",
    b"Connection: origin",
    b"Connection: sec-fetch-site",
    b"Connection: X Foo",
    b"Connection: \"close\"",
    b"Connection: x_user_id",
];

const GOOD_HOSTS: &[&str] = &[
    "a",
    "a.example.com",
    "A.Example.COM.",
    "xn--nxasmq6b.example",
    "a_b",
    "1.2.3.4",
    "1.2.3.4:0",
    "a:65535",
    "[::1]",
    "[2001:db8::1]:443",
    "[::ffff:1.2.3.4]",
];

const BAD_HOSTS: &[&str] = &[
    "",
    " ",
    ".",
    "..",
    "a..b",
    ".a",
    "a b",
    "a\tb",
    "x/../y?z",
    "a/b",
    "a#b",
    "a?b",
    "a\\b",
    "u@a",
    "u:p@a",
    "a:",
    "a:x",
    "a:-1",
    "a:+80",
    "a:65536",
    "a:000080",
    "a:80:80",
    "[::1",
    "[]",
    "[::1]x",
    "[::1]:",
    "[::1%25eth0]",
    "::1",
    "[1.2.3.4]",
    "256.1.1.1",
    "1.2.3",
    "1",
    "a%41",
    "a,b",
    "a;b",
    "*",
    "a\u{e4}",
    "a\u{0}",
    "http://a",
];

#[test]
fn good_heads_pass() {
    for head in GOOD {
        assert_eq!(code(head), None, "{}", head.escape_ascii());
    }
}

#[test]
fn bad_request_lines_are_refused() {
    for (line, expected) in LINES {
        let head = [line, &b"\r\nHost: a\r\n\r\n"[..]].concat();
        assert_eq!(code(&head), Some(*expected), "{}", line.escape_ascii());
    }
}

#[test]
fn bad_fields_are_refused() {
    for field in FIELDS {
        let head = [&b"GET / HTTP/1.1\r\nHost: a\r\n"[..], field, b"\r\n\r\n"].concat();
        assert_eq!(code(&head), Some(Code::BadRequest), "{}", field.escape_ascii());
    }
}

#[test]
fn hosts_are_names_or_addresses() {
    for host in GOOD_HOSTS {
        assert!(valid_host(host), "{host}");
    }
    for host in BAD_HOSTS {
        assert!(!valid_host(host), "{host}");
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(code(head.as_bytes()), Some(Code::BadRequest), "{host}");
    }
    assert!(!valid_host(&"a".repeat(64 * 1024)));
    assert_eq!(code(b"GET / HTTP/1.1\r\n\r\n"), Some(Code::BadRequest), "no Host");
    assert_eq!(code(b"GET / HTTP/1.1\nHost: a\n\n"), Some(Code::BadRequest), "bare LF");
}

#[test]
fn limits_refuse_before_the_end() {
    let long = [b"GET /".as_slice(), &[b'a'; 64]].concat();
    assert_eq!(code(&long), Some(Code::UriTooLong));
    let fits = [b"GET /".as_slice(), &[b'a'; 63]].concat();
    assert_eq!(inspect(&fits, &LIMITS), Ok(Head::Incomplete));
    assert_eq!(inspect(&[&fits, &b" HTTP/1.1\r\n"[..]].concat(), &LIMITS), Ok(Head::Incomplete));

    let many = b"GET / HTTP/1.1\r\n1:1\r\n2:2\r\n3:3\r\n4:4\r\n5:5\r\n6:6\r\n7:7\r\n8:8\r\n9";
    assert_eq!(code(many), Some(Code::HeaderTooLarge));

    let start = b"GET / HTTP/1.1\r\nHost: a\r\nX: ";
    let fill = |size: usize| [start.as_slice(), &vec![b'a'; size - start.len()]].concat();
    assert_eq!(inspect(&fill(1024), &LIMITS), Ok(Head::Incomplete));
    assert_eq!(code(&fill(1025)), Some(Code::HeaderTooLarge));
    let whole = |size: usize| [fill(size - 4), b"\r\n\r\n".to_vec()].concat();
    assert_eq!(code(&whole(1024)), None);
    assert_eq!(code(&whole(1025)), Some(Code::HeaderTooLarge));
}

#[test]
fn parsed_fields_meet_the_same_rules() {
    let check = |fields: &[(&str, &str)]| {
        check_fields(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))).is_ok()
    };
    assert!(check(&[("accept", "*/*"), ("content-length", "3")]));
    assert!(!check(&[("x_user", "a")]));
    assert!(!check(&[("content-length", "3"), ("content-length", "3")]));
    assert!(!check(&[("content-length", "3"), ("transfer-encoding", "chunked")]));
    assert!(!check(&[("host", "a"), ("host", "a")]));
    assert!(!check(&[("connection", "authorization")]));
    assert!(!check(&[("", "a")]));
    assert!(!check(&[("x", "a\nb")]));
    assert!(check(&[("x", "a b"), ("y", "")]));
    for blank in [" a", "a ", "\ta", "a\t", " "] {
        assert!(!check(&[("x", blank)]), "{blank:?}");
    }
    assert!(check_target(b"/a?b").is_ok());
    for bad in [&b""[..], b"*", b"a", b"/a b", b"/%", b"/%4", b"/%00", b"/..", b"http://a/"] {
        assert!(check_target(bad).is_err(), "{}", bad.escape_ascii());
    }
}

const SCRAPS: &[&[u8]] = &[b"\r\n", b"\r", b"\n", b": ", b"%", b"GET /", b" HTTP/1.1\r\n"];

/// Bytes that look enough like a head to get past its first line.
fn like_a_head() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => prop::sample::select(GOOD).prop_map(<[u8]>::to_vec),
        2 => prop::sample::select(FIELDS).prop_map(<[u8]>::to_vec),
        2 => prop::sample::select(SCRAPS).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in like_a_head(), cut in 0_usize..64) {
        let _ = inspect(&bytes, &LIMITS);
        let tight = HeadLimits { bytes: cut, fields: 1, target_bytes: cut / 2 };
        let _ = inspect(&bytes, &tight);
        let _ = check_target(&bytes);
        let _ = check_fields(bytes.chunks(7).map(|chunk| chunk.split_at(chunk.len() / 2)));
    }

    /// What was judged stays judged: more bytes never turn a refusal or a complete head into another.
    #[test]
    fn more_bytes_do_not_change_the_answer(bytes in like_a_head(), more in prop::collection::vec(any::<u8>(), 0..40)) {
        let before = inspect(&bytes, &LIMITS);
        if before != Ok(Head::Incomplete) {
            let after = inspect(&[bytes, more].concat(), &LIMITS);
            match (before, after) {
                (Err(before), Err(after)) => prop_assert_eq!(before.code, after.code),
                (before, after) => prop_assert_eq!(before, after),
            }
        }
    }

    #[test]
    fn a_prefix_of_a_good_head_is_incomplete(head in prop::sample::select(GOOD)) {
        let Ok(Head::Complete { len }) = inspect(head, &LIMITS) else { panic!("good") };
        for cut in 0..len {
            prop_assert_eq!(inspect(&head[..cut], &LIMITS), Ok(Head::Incomplete));
        }
    }

    /// No second reading: where this check ends a head, the parser behind it does too.
    #[test]
    fn lines_are_ended_by_crlf_alone(bytes in like_a_head()) {
        if let Ok(Head::Complete { len }) = inspect(&bytes, &LIMITS) {
            let head = &bytes[..len];
            prop_assert!(head.ends_with(b"\r\n\r\n"));
            prop_assert_eq!(head.windows(4).position(|at| at == b"\r\n\r\n"), Some(len - 4));
            let lone = head.iter().enumerate().any(|(at, &byte)| {
                (byte == b'\n' && (at == 0 || head[at - 1] != b'\r')) || (byte == b'\r' && head.get(at + 1) != Some(&b'\n'))
            });
            prop_assert!(!lone);
        }
    }
}
