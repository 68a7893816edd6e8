//! Whoever is too slow, too large or too many is turned away, and nobody else notices.

use std::process::Stdio;
use std::time::{Duration, Instant};

use harness::raw::Raw;
use harness::{Ask, Configuration, Stage, json, stage, until};

/// The deadline set, and when it must have struck even on a busy machine.
const DEADLINE: &str = "1s";
const STRUCK: Duration = Duration::from_secs(15);

async fn hasty(change: impl FnOnce(&mut Configuration)) -> Stage {
    stage(|c| {
        c.set("listen.limits.header_timeout", DEADLINE).set("listen.limits.body_timeout", DEADLINE);
        change(c);
    })
    .await
}

/// Writes one byte at a time, each well within any timeout of a single read, until there is an answer.
async fn dribble(raw: &mut Raw, bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut answer = Vec::new();
    for byte in bytes {
        if !raw.write(&[byte]).await {
            break;
        }
        let answered = tokio::time::timeout(Duration::from_millis(100), raw.more(&mut answer)).await;
        if answered.is_ok() {
            return answer;
        }
    }
    answer
}

fn assert_timed_out(what: &str, answer: &[u8], started: Instant) {
    let elapsed = started.elapsed();
    assert!(elapsed >= Duration::from_millis(700), "{what}: gone after {elapsed:?}, before the deadline");
    assert!(elapsed < STRUCK, "{what}: still there after {elapsed:?}");
    let text = String::from_utf8_lossy(answer);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 408 "), "{what}: {text}");
}

#[tokio::test]
async fn a_header_that_drips_is_cut_as_a_whole() {
    let stage = hasty(|_| {}).await;
    let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
    let started = Instant::now();
    let head = b"GET /healthz HTTP/1.1\r\nHost: app.example.test\r\nX-Slow: ";
    let answer = dribble(&mut raw, head.iter().copied().chain(std::iter::repeat_n(b'a', 10_000))).await;
    assert_timed_out("first request", &answer, started);

    let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
    let first = raw.exchange(b"GET /healthz HTTP/1.1\r\nHost: app.example.test\r\n\r\n").await;
    assert_eq!(first.status, Some(200));
    let started = Instant::now();
    let answer = dribble(&mut raw, head.iter().copied().chain(std::iter::repeat_n(b'a', 10_000))).await;
    assert_timed_out("second request", &answer, started);

    let mut raw = Raw::plain(stage.gateway.http()).await;
    let started = Instant::now();
    let answer = dribble(&mut raw, head.iter().copied().chain(std::iter::repeat_n(b'a', 10_000))).await;
    assert_timed_out("plain listener", &answer, started);
    assert_eq!(stage.backend.requests().len(), 1);
}

#[tokio::test]
async fn silence_is_cut() {
    let stage = hasty(|_| {}).await;
    let started = Instant::now();
    let mut before = Raw::plain(stage.gateway.https()).await;
    let mut plain = Raw::plain(stage.gateway.http()).await;
    let mut one = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
    let mut two = Raw::tls(stage.gateway.https(), &stage.certificates, &["h2"]).await;
    for (what, raw) in [("plain", &mut plain), ("after the handshake", &mut one), ("before it", &mut before)]
    {
        let answer = raw.rest().await;
        assert_timed_out(what, &answer, started);
    }
    two.rest().await;
    assert!(started.elapsed() < STRUCK, "h2 without a preface");
    stage.assert_untouched().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let stage = stage(|c| {
        c.set("listen.limits.idle", DEADLINE);
    })
    .await;
    for client in [stage.http1(), stage.http2()] {
        let mut connection = client.connect().await.unwrap();
        assert_eq!(connection.send(Ask::get("/healthz")).await.status, 200);
        let started = Instant::now();
        connection.closed().await;
        let elapsed = started.elapsed();
        assert!((Duration::from_millis(700)..STRUCK).contains(&elapsed), "{elapsed:?}");
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_a_408() {
    let stage = hasty(|_| {}).await;
    let head = format!(
        "POST /v1/acme/documents HTTP/1.1\r\nHost: app.example.test\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"tenant_id\":",
        stage.token()
    );
    let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
    let reply = raw.exchange(head.as_bytes()).await;
    assert_eq!((reply.status, reply.code().as_str()), (Some(408), "request_timeout"), "{}", reply.head);
    stage.assert_untouched().await;
}

#[tokio::test]
async fn a_large_header_is_a_431() {
    let stage = stage(|c| {
        c.set("listen.limits.header_bytes", "8KiB").set("listen.limits.headers", 50);
    })
    .await;
    let large = Ask::get("/healthz").header("x-large", &"a".repeat(9 * 1024));
    let many = (0..60).fold(Ask::get("/healthz"), |ask, number| ask.header(&format!("x-{number}"), "a"));
    for ask in [large, many] {
        assert_eq!(stage.http1().send(ask.clone()).await.verdict(), "431 header_too_large");
        // HTTP/2 may also reset the stream or the connection.
        if let Ok(reply) = stage.http2().try_send(ask).await {
            assert_eq!(reply.status, 431);
        }
    }
    stage.assert_untouched().await;
    let fits = Ask::get("/healthz").header("x-large", &"a".repeat(7 * 1024));
    assert_eq!(stage.http1().send(fits.clone()).await.status, 200);
    assert_eq!(stage.http2().send(fits).await.status, 200);
    let fits = (0..40).fold(Ask::get("/healthz"), |ask, number| ask.header(&format!("x-{number}"), "a"));
    assert_eq!(stage.http1().send(fits).await.status, 200);
}

#[tokio::test]
async fn an_endless_header_is_cut() {
    let stage = stage(|_| {}).await;
    let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
    let mut taken = raw.write(b"GET /healthz HTTP/1.1\r\nHost: app.example.test\r\nX-Endless: ").await;
    let piece = vec![b'a'; 64 * 1024];
    let mut pieces = 0;
    while taken && pieces < 1024 {
        taken = raw.write(&piece).await;
        pieces += 1;
    }
    assert!(pieces < 1024, "64 MiB of header were read");
    stage.assert_untouched().await;
}

#[tokio::test]
async fn a_long_address_is_a_414() {
    let stage = stage(|c| {
        c.set("listen.limits.header_bytes", "8KiB");
    })
    .await;
    let long = format!("/assets/{}", "a".repeat(10_000));
    assert_eq!(stage.http1().send(Ask::get(&long)).await.verdict(), "414 uri_too_long");
    if let Ok(reply) = stage.http2().try_send(Ask::get(&long)).await {
        assert!(matches!(reply.status.as_u16(), 414 | 431), "{}", reply.verdict());
    }
    stage.assert_untouched().await;
    let fits = format!("/assets/{}", "a".repeat(2_000));
    assert_eq!(stage.http1().send(Ask::get(&fits)).await.status, 200);
}

#[tokio::test]
async fn one_address_gets_so_many_connections() {
    let stage = stage(|c| {
        c.set("listen.limits.connections_per_ip", 4);
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut connection = stage.http1().connect().await.unwrap();
        assert_eq!(connection.send(Ask::get("/healthz")).await.status, 200);
        held.push(connection);
    }
    for _ in 0..3 {
        assert!(stage.http1().try_send(Ask::get("/healthz")).await.is_err(), "a fifth connection");
    }
    for connection in &mut held {
        assert_eq!(
            connection.send(Ask::get("/healthz")).await.status,
            200,
            "the first four are not disturbed"
        );
    }
    held.pop();
    until("room for another", || async { stage.http1().try_send(Ask::get("/healthz")).await.ok() }).await;
}

#[tokio::test]
async fn one_http1_connection_gets_so_many_requests() {
    let stage = stage(|c| {
        c.set("listen.limits.requests_per_connection", 3);
    })
    .await;
    let mut connection = stage.http1().connect().await.unwrap();
    let mut answered = 0;
    while answered < 10 && connection.try_send(Ask::get("/healthz")).await.is_ok() {
        answered += 1;
    }
    assert_eq!(answered, 3);
}

#[tokio::test]
async fn http2_streams_are_bounded() {
    let stage = stage(|c| {
        c.set("listen.limits.h2_streams", 7);
    })
    .await;
    let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["h2"]).await;
    raw.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let mut frame = Vec::new();
    harness::within("the gateway's SETTINGS", async {
        while frame.len() < 9 || frame.len() < 9 + usize::from(frame[2]) {
            assert!(raw.more(&mut frame).await, "closed before its SETTINGS");
        }
    })
    .await;
    assert_eq!(frame[3], 4, "the first frame is SETTINGS (RFC 9113, section 3.4)");
    let settings = &frame[9..9 + usize::from(frame[2])];
    let streams =
        settings.chunks(6).find(|setting| setting[..2] == [0, 3]).expect("SETTINGS_MAX_CONCURRENT_STREAMS");
    assert_eq!(streams[2..], [0, 0, 0, 7]);
}

#[tokio::test]
async fn others_are_served_meanwhile() {
    let stage = hasty(|c| {
        c.set("listen.limits.header_timeout", "20s").set("listen.limits.connections_per_ip", json!(300));
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut raw = Raw::plain(stage.gateway.https()).await;
        raw.write(b"\x16\x03\x01").await;
        slow.push(raw);
    }
    let started = Instant::now();
    assert_eq!(stage.http2().send(Ask::get("/healthz")).await.status, 200);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_streamed_body_that_stalls_over_http2_is_a_408_and_no_fault_of_the_backend() {
    let stage = hasty(|c| {
        c.set("defaults.timeouts.first_byte", "1s");
    })
    .await;
    let url = format!("https://app.example.test:{}/v1/acme/files", stage.gateway.https().port());
    let mut command = tokio::process::Command::new("curl");
    command.args([
        "-sS",
        "--http2",
        "--max-time",
        "60",
        "--noproxy",
        "*",
        "-X",
        "POST",
        "-T",
        "-",
        "-o",
        "-",
    ]);
    command.arg("--cacert").arg(stage.site.path("tls/ca.pem"));
    command.arg("--resolve").arg(format!("app.example.test:{}:127.0.0.1", stage.gateway.https().port()));
    command.args([
        "-H",
        &format!("authorization: Bearer {}", stage.token()),
        "-H",
        "content-length: 100",
        &url,
    ]);
    // Held open and never written to: the body does not come.
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let line = stage.gateway.log_line(|line| line["path"] == "/v1/acme/files").await;
    assert_eq!((&line["status"], &line["code"]), (&json!(408), &json!("request_timeout")), "{line}");
    child.kill().await.unwrap();
    assert!(stage.metric("portcullis_upstream_requests_total", &[("outcome", "timeout")]).await < 0.5);
}
