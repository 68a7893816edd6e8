//! A malformed or ambiguous request gets a 4xx or a closed connection, and never reaches the backend.

use harness::raw::{Raw, RawReply};
use harness::{Configuration, Stage, stage};

/// Requests that differ from a good one in one thing. `{}` stands for a good `Host` line.
///
/// Every one was forwarded by some proxy once; the names say what is wrong.
const MALFORMED: &[(&str, &[u8])] = &[
    // Framing
    ("length and chunked", b"POST /any/a HTTP/1.1\r\n{}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /any/smuggled HTTP/1.1\r\n{}\r\n"),
    ("chunked, then a length", b"POST /any/a HTTP/1.1\r\n{}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("unknown coding", b"POST /any/a HTTP/1.1\r\n{}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("chunked not last", b"POST /any/a HTTP/1.1\r\n{}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("gzip, chunked", b"POST /any/a HTTP/1.1\r\n{}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked twice", b"POST /any/a HTTP/1.1\r\n{}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("identity, then chunked", b"POST /any/a HTTP/1.1\r\n{}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("vertical tab before chunked", b"POST /any/a HTTP/1.1\r\n{}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("space before the colon", b"POST /any/a HTTP/1.1\r\n{}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    ("underscore in Transfer_Encoding", b"POST /any/a HTTP/1.1\r\n{}Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("underscore in Content_Length", b"POST /any/a HTTP/1.1\r\n{}Content_Length: 5\r\n\r\n"),
    ("length twice, equal", b"POST /any/a HTTP/1.1\r\n{}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    ("length twice, different", b"POST /any/a HTTP/1.1\r\n{}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    ("length as a list", b"POST /any/a HTTP/1.1\r\n{}Content-Length: 3, 3\r\n\r\nabc"),
    ("length with a plus", b"POST /any/a HTTP/1.1\r\n{}Content-Length: +3\r\n\r\nabc"),
    ("length in hex", b"POST /any/a HTTP/1.1\r\n{}Content-Length: 0x3\r\n\r\nabc"),
    ("negative length", b"POST /any/a HTTP/1.1\r\n{}Content-Length: -1\r\n\r\n"),
    ("length with a space inside", b"POST /any/a HTTP/1.1\r\n{}Content-Length: 3 3\r\n\r\nabc"),
    ("empty length", b"POST /any/a HTTP/1.1\r\n{}Content-Length:\r\n\r\n"),
    ("length beyond 64 bits", b"POST /any/a HTTP/1.1\r\n{}Content-Length: 99999999999999999999\r\n\r\n"),
    ("HTTP/1.0 with chunked", b"POST /any/a HTTP/1.0\r\n{}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    // Lines
    ("bare LF everywhere", b"GET /any/a HTTP/1.1\nHost: app.example.test\n\n"),
    ("one bare LF inside", b"GET /any/a HTTP/1.1\r\n{}X-A: b\nX-Hidden: c\r\n\r\n"),
    ("bare CR", b"GET /any/a HTTP/1.1\r\n{}X-A: b\rX-Hidden: c\r\n\r\n"),
    ("folded line", b"GET /any/a HTTP/1.1\r\n{}X-A: b\r\n c\r\n\r\n"),
    ("leading space in the first header", b"GET /any/a HTTP/1.1\r\n X-A: b\r\n{}\r\n"),
    ("no colon", b"GET /any/a HTTP/1.1\r\n{}X-A\r\n\r\n"),
    ("empty name", b"GET /any/a HTTP/1.1\r\n{}: b\r\n\r\n"),
    ("braces in a name", b"GET /any/a HTTP/1.1\r\n{}X{A}: b\r\n\r\n"),
    ("NUL in a value", b"GET /any/a HTTP/1.1\r\n{}X-A: b\x00c\r\n\r\n"),
    ("control byte in a value", b"GET /any/a HTTP/1.1\r\n{}X-A: b\x01c\r\n\r\n"),
    // Host
    ("no Host", b"GET /any/a HTTP/1.1\r\n\r\n"),
    ("empty Host", b"GET /any/a HTTP/1.1\r\nHost:\r\n\r\n"),
    ("two Hosts", b"GET /any/a HTTP/1.1\r\n{}Host: api.example.test\r\n\r\n"),
    ("two equal Hosts", b"GET /any/a HTTP/1.1\r\n{}{}\r\n"),
    ("Host with a path", b"GET /any/a HTTP/1.1\r\nHost: app.example.test/x\r\n\r\n"),
    ("Host with a query", b"GET /any/a HTTP/1.1\r\nHost: app.example.test?x\r\n\r\n"),
    ("Host with a fragment", b"GET /any/a HTTP/1.1\r\nHost: app.example.test#x\r\n\r\n"),
    ("Host with a backslash", b"GET /any/a HTTP/1.1\r\nHost: app.example.test\\x\r\n\r\n"),
    ("Host with a space", b"GET /any/a HTTP/1.1\r\nHost: app.example.test x\r\n\r\n"),
    ("Host with a tab", b"GET /any/a HTTP/1.1\r\nHost: app.example.test\tx\r\n\r\n"),
    ("Host with userinfo", b"GET /any/a HTTP/1.1\r\nHost: evil@app.example.test\r\n\r\n"),
    ("Host with a bad port", b"GET /any/a HTTP/1.1\r\nHost: app.example.test:x\r\n\r\n"),
    ("Host with a port beyond 65535", b"GET /any/a HTTP/1.1\r\nHost: app.example.test:99999\r\n\r\n"),
    ("Host of half an address", b"GET /any/a HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    // Target
    ("absolute form", b"GET http://app.example.test/any/a HTTP/1.1\r\n{}\r\n"),
    ("absolute form for another host", b"GET http://evil.test/any/a HTTP/1.1\r\n{}\r\n"),
    ("userinfo in the target", b"GET http://evil@app.example.test/any/a HTTP/1.1\r\n{}\r\n"),
    ("at sign first", b"GET @evil.test/any/a HTTP/1.1\r\n{}\r\n"),
    ("no slash first", b"GET any/a HTTP/1.1\r\n{}\r\n"),
    ("backslash first", b"GET \\/any/a HTTP/1.1\r\n{}\r\n"),
    ("asterisk", b"GET * HTTP/1.1\r\n{}\r\n"),
    ("two spaces", b"GET  /any/a HTTP/1.1\r\n{}\r\n"),
    ("tab as separator", b"GET\t/any/a\tHTTP/1.1\r\n{}\r\n"),
    ("space in the path", b"GET /any/a b HTTP/1.1\r\n{}\r\n"),
    ("fragment", b"GET /any/a#b HTTP/1.1\r\n{}\r\n"),
    ("NUL in the path", b"GET /any/a\x00b HTTP/1.1\r\n{}\r\n"),
    ("not UTF-8", b"GET /any/\xff\xfe HTTP/1.1\r\n{}\r\n"),
    ("dot segments above the root", b"GET /any/../../etc/passwd HTTP/1.1\r\n{}\r\n"),
    ("encoded dot segments", b"GET /any/%2e%2e/%2e%2e/admin HTTP/1.1\r\n{}\r\n"),
    ("encoded slash", b"GET /any%2f..%2fadmin HTTP/1.1\r\n{}\r\n"),
    ("encoded NUL", b"GET /any/a%00b HTTP/1.1\r\n{}\r\n"),
    ("half an escape", b"GET /any/a%2 HTTP/1.1\r\n{}\r\n"),
    ("an escape that is none", b"GET /any/a%zz HTTP/1.1\r\n{}\r\n"),
    // Method and version
    ("CONNECT", b"CONNECT app.example.test:443 HTTP/1.1\r\n{}\r\n"),
    ("TRACE", b"TRACE /any/a HTTP/1.1\r\n{}\r\n"),
    ("method of 200 letters", &LONG_METHOD),
    ("HTTP/0.9", b"GET /any/a\r\n"),
    ("HTTP/1.2", b"GET /any/a HTTP/1.2\r\n{}\r\n"),
    ("HTTP/2.0 by name", b"GET /any/a HTTP/2.0\r\n{}\r\n"),
    ("nonsense", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    // Hop by hop
    ("Connection takes the forwarding header", b"GET /any/a HTTP/1.1\r\n{}Connection: close, X-Forwarded-For\r\n\r\n"),
    ("Connection takes Authorization", b"GET /any/a HTTP/1.1\r\n{}Connection: close, Authorization\r\n\r\n"),
];

const LONG_METHOD: [u8; 254] = {
    let mut bytes = [b'A'; 254];
    let rest = b" /any/a HTTP/1.1\r\nHost: app.example.test\r\nX-Padding: 1\r\n\r\n";
    let start = 254 - rest.len();
    let mut at = 0;
    while at < rest.len() {
        bytes[start + at] = rest[at];
        at += 1;
    }
    bytes
};

/// Broken chunks: the header is good, so only a gate that sees the whole body keeps them from the backend.
const BROKEN_CHUNKS: &[(&str, &[u8])] = &[
    ("hex prefix", b"0x3\r\nabc\r\n0\r\n\r\n"),
    ("plus", b"+3\r\nabc\r\n0\r\n\r\n"),
    ("negative", b"-1\r\nabc\r\n0\r\n\r\n"),
    ("line feed only", b"3\nabc\n0\n\n"),
    ("seventeen digits", b"00000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("no size", b"\r\nabc\r\n0\r\n\r\n"),
    ("no end of the chunk", b"3\r\nabcd\r\n0\r\n\r\n"),
];

/// Good requests in unusual dress, with the same host line: a table of refusals must be able to fail.
const GOOD: &[(&str, &[u8])] = &[
    ("plain", b"GET /any/a HTTP/1.1\r\n{}\r\n"),
    ("a body on GET", b"GET /any/a HTTP/1.1\r\n{}Content-Length: 3\r\n\r\nabc"),
    ("bytes above 0x7f in a value", b"GET /any/a HTTP/1.1\r\n{}X-A: caf\xc3\xa9\r\n\r\n"),
    ("chunked", b"POST /any/a HTTP/1.1\r\n{}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    ("hop-by-hop headers", b"GET /any/a HTTP/1.1\r\n{}Connection: X-Foo\r\nX-Foo: 1\r\nTE: trailers\r\n\r\n"),
];

/// With a good token on every one, so that nothing but the malformation can be the reason.
fn filled(stage: &Stage, bytes: &[u8]) -> Vec<u8> {
    let host = format!("Host: app.example.test\r\nAuthorization: Bearer {}\r\n", stage.token());
    let mut filled = Vec::new();
    let mut rest = bytes;
    let mut first = true;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"{}") {
        filled.extend_from_slice(&rest[..at]);
        filled.extend_from_slice(if first { host.as_bytes() } else { b"Host: app.example.test\r\n" });
        first = false;
        rest = &rest[at + 2..];
    }
    filled.extend_from_slice(rest);
    filled
}

fn refused(what: &str, reply: &RawReply) -> Option<String> {
    match reply.status {
        None if reply.head.is_empty() => None,
        Some(505) => None,
        Some(400..=499) => {
            let head = reply.head.to_ascii_lowercase();
            let problem = head.contains("application/problem+json") && !reply.code().is_empty();
            (!problem).then(|| format!("{what}: refused, but not in the gateway's words: {}", reply.head))
        }
        _ => Some(format!("{what}: {}", reply.head.lines().next().unwrap_or("(no status line)"))),
    }
}

#[tokio::test]
async fn none_reaches_the_backend_over_tls() {
    let stage = impatient(|_| {}).await;
    let mut wrong = Vec::new();
    for (what, bytes) in MALFORMED {
        let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
        wrong.extend(refused(what, &raw.exchange(&filled(&stage, bytes)).await));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    stage.assert_untouched().await;
}

#[tokio::test]
async fn none_reaches_the_backend_in_plain_text() {
    let stage = plaintext().await;
    let mut wrong = Vec::new();
    for (what, bytes) in MALFORMED {
        let mut raw = Raw::plain(stage.gateway.http()).await;
        wrong.extend(refused(what, &raw.exchange(&filled(&stage, bytes)).await));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    stage.assert_untouched().await;
}

/// Some of the table never end their header: they need not be waited for.
async fn impatient(change: impl FnOnce(&mut Configuration)) -> Stage {
    stage(|c| {
        c.set("listen.limits.header_timeout", "3s");
        change(c);
    })
    .await
}

async fn plaintext() -> Stage {
    impatient(|c| {
        c.remove("listen.http.redirect").set("listen.http.plaintext", "TLS ends at the mesh");
    })
    .await
}

#[tokio::test]
async fn the_redirecting_listener_is_as_strict() {
    let stage = impatient(|_| {}).await;
    for (what, bytes) in MALFORMED {
        let mut raw = Raw::plain(stage.gateway.http()).await;
        let reply = raw.exchange(&filled(&stage, bytes)).await;
        assert!(
            reply.status.is_none_or(|status| (300..500).contains(&status) || status == 505),
            "{what}: {}",
            reply.head
        );
        assert!(!reply.head.contains("evil"), "{what}: {}", reply.head);
    }
    stage.assert_untouched().await;
}

#[tokio::test]
async fn unusual_but_good_ones_pass() {
    let stage = stage(|_| {}).await;
    for (number, (what, bytes)) in GOOD.iter().enumerate() {
        let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
        let reply = raw.exchange(&filled(&stage, bytes)).await;
        assert_eq!(reply.status, Some(200), "{what}: {}", reply.head);
        assert_eq!(stage.backend.requests().len(), number + 1, "{what}");
    }
}

#[tokio::test]
async fn a_broken_chunk_stops_at_the_body_gate() {
    let stage = stage(|_| {}).await;
    for (what, chunks) in BROKEN_CHUNKS {
        let head = b"POST /v1/acme/documents HTTP/1.1\r\n{}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut bytes = filled(&stage, head);
        bytes.extend_from_slice(chunks);
        let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
        let wrong = refused(what, &raw.exchange(&bytes).await);
        assert!(wrong.is_none(), "{wrong:?}");
    }
    stage.assert_untouched().await;
}

#[tokio::test]
async fn what_is_pipelined_behind_a_request_is_a_request_of_its_own() {
    let stage = stage(|_| {}).await;
    // The second one has no token: wherever it is judged, it must not be admitted by the first one's.
    let mut bytes = filled(&stage, b"POST /any/first HTTP/1.1\r\n{}Content-Length: 2\r\n\r\nok");
    bytes.extend_from_slice(
        b"GET /any/second HTTP/1.1\r\nHost: app.example.test\r\nConnection: close\r\n\r\n",
    );
    let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
    assert_eq!(raw.exchange(&bytes).await.status, Some(200));
    raw.rest().await;
    let seen: Vec<_> = stage.backend.requests().into_iter().map(|seen| seen.target).collect();
    assert_eq!(seen, ["/any/first"]);
}

#[tokio::test]
async fn refusals_of_the_parser_are_logged_too() {
    let stage = stage(|_| {}).await;
    let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
    let reply = raw.exchange(&filled(&stage, b"GET /any/a HTTP/1.1\r\n{}X-A: b\nX-B: c\r\n\r\n")).await;
    assert_eq!(reply.status, Some(400), "{}", reply.head);
    let line = stage.gateway.log_line(|line| line["status"] == 400).await;
    assert_eq!((line["decision"].as_str(), line["code"].as_str()), (Some("refuse"), Some("bad_request")));
}
