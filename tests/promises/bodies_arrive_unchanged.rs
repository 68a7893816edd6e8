//! A body arrives byte for byte or not at all.

use harness::raw::Raw;
use harness::{Ask, Client, Stage, json, sha256, stage};

const SIZES: &[usize] = &[0, 1, 65_535, 65_536, 65_537, 5 * 1024 * 1024];

const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";

/// JSON of exactly `size` bytes that names `tenant`; too small for that, it is cut to white space.
fn document(tenant: &str, size: usize) -> Vec<u8> {
    let (head, tail) = (r#"{"pad":""#, format!(r#"","tenant_id":"{tenant}"}}"#));
    let Some(room) = size.checked_sub(head.len() + tail.len()) else {
        return vec![b' '; size];
    };
    // Not one letter repeated: a piece that is lost, doubled or moved must show.
    let pad: Vec<u8> = (0..room).map(|at| LETTERS[(at % 23 + at / 997) % 26]).collect();
    [head.as_bytes(), &pad[..], tail.as_bytes()].concat()
}

async fn arrives(stage: &Stage, client: &Client, path: &str, body: &[u8], chunked: bool) {
    let mut ask = Ask::post(path, body.to_vec()).bearer(&stage.token());
    ask.chunked = chunked;
    let reply = client.send(ask).await;
    let what = format!("{path}, {} bytes, chunked: {chunked}, {:?}", body.len(), reply.version);
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    let seen = stage.backend.last();
    assert_eq!((seen.length, seen.sha256.as_str()), (body.len(), sha256(body).as_str()), "{what}");
    assert_eq!(reply.json()["sha256"], sha256(body), "{what}");
    let framed = (seen.header("content-length"), seen.header("transfer-encoding"));
    assert!(framed.0.is_none() || framed.1.is_none(), "{what}: framed twice, {framed:?}");
}

#[tokio::test]
async fn every_size_in_every_framing_over_both_protocols() {
    let stage = stage(|_| {}).await;
    for client in [stage.http1(), stage.http2()] {
        for size in SIZES {
            let body = document("acme", *size);
            for chunked in [false, true] {
                arrives(&stage, &client, "/v1/acme/files", &body, chunked).await;
                if *size > 64 {
                    arrives(&stage, &client, "/v1/acme/documents", &body, chunked).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn one_connection_carries_them_all() {
    let stage = stage(|_| {}).await;
    for client in [stage.http1(), stage.http2()] {
        let mut connection = client.connect().await.unwrap();
        for size in [100, 65_537, 0, 200_000, 100] {
            let body = document("acme", size);
            let path = if size == 0 { "/v1/acme/files" } else { "/v1/acme/documents" };
            let reply = connection.send(Ask::post(path, body.clone()).bearer(&stage.token())).await;
            assert_eq!(
                (reply.status.as_u16(), reply.json()["sha256"].clone()),
                (200, json!(sha256(&body))),
                "{size}"
            );
        }
    }
}

#[tokio::test]
async fn an_empty_body_is_empty_or_refused_behind_a_body_gate() {
    let stage = stage(|_| {}).await;
    for client in [stage.http1(), stage.http2()] {
        for chunked in [false, true] {
            let mut ask = Ask::post("/v1/acme/documents", "").bearer(&stage.token());
            ask.chunked = chunked;
            let before = stage.backend.requests().len();
            let reply = client.send(ask).await;
            let after = stage.backend.requests();
            match reply.status.as_u16() {
                200 => assert_eq!((after.len(), after.last().unwrap().length), (before + 1, 0)),
                400 | 403 => assert_eq!(after.len(), before),
                other => panic!("an empty body gave {other}"),
            }
        }
    }
}

#[tokio::test]
async fn another_tenant_in_the_body_stops_there() {
    let stage = stage(|_| {}).await;
    let token = stage.token();
    for client in [stage.http1(), stage.http2()] {
        for size in [100, 65_536, 65_537, 1024 * 1024] {
            for chunked in [false, true] {
                let mut ask = Ask::post("/v1/acme/documents", document("globex", size)).bearer(&token);
                ask.chunked = chunked;
                assert_eq!(client.send(ask).await.verdict(), "403 tenant_mismatch", "{size} {chunked}");
            }
        }
    }
    let hidden: &[&str] = &[
        r#"{"tenant_id":"acme","tenant_id":"globex"}"#,
        r#"{"tenant_id":"globex","tenant_id":"acme"}"#,
        r#"{"tenant_id":["acme"]}"#,
        r#"{"tenant_id":null}"#,
        r#"{"tenant_id":"acme"} {"tenant_id":"globex"}"#,
        r#"{"tenant_id":"acme""#,
        "tenant_id=acme",
        "\u{feff}{\"tenant_id\":\"globex\"}",
    ];
    for body in hidden {
        let reply = stage.send(Ask::post("/v1/acme/documents", *body).bearer(&token)).await;
        assert!(matches!(reply.status.as_u16(), 400 | 403), "{body} gave {}", reply.verdict());
    }
    stage.assert_untouched().await;
}

#[tokio::test]
async fn an_escaped_tenant_is_the_same_tenant() {
    let stage = stage(|_| {}).await;
    let body = r#"{ "tenant_id" : "\u0061cme" }"#;
    arrives(&stage, &stage.http1(), "/v1/acme/documents", body.as_bytes(), false).await;
}

#[tokio::test]
async fn too_large_a_body_does_not_arrive() {
    let stage = stage(|_| {}).await;
    let token = stage.token();
    let limits = [
        ("/auth/login", 4 * 1024),
        ("/v1/acme/conversations", 64 * 1024),
        ("/v1/acme/documents", 10 * 1024 * 1024),
    ];
    for client in [stage.http1(), stage.http2()] {
        for (path, max) in limits {
            let over = document("acme", max + 1);
            let ask = Ask::post(path, over).bearer(&token);
            assert_eq!(client.send(ask).await.verdict(), "413 body_too_large", "{path} {}", max + 1);
        }
        // Without a length, a body gate still holds everything back.
        for (path, max) in &limits[1..] {
            let ask = Ask::post(path, document("acme", max + 1)).bearer(&token).chunked();
            let verdict = client.try_send(ask).await.map_or("closed".to_owned(), |reply| reply.verdict());
            assert!(["413 body_too_large", "closed"].contains(&verdict.as_str()), "{path}: {verdict}");
        }
    }
    stage.assert_untouched().await;
    for (path, max) in &limits[..2] {
        arrives(&stage, &stage.http1(), path, &document("acme", *max), false).await;
        arrives(&stage, &stage.http2(), path, &document("acme", *max), true).await;
    }
}

/// A refusal comes before the body's end, and is there for whoever reads only after having sent everything
/// (RFC 9112, section 9.6).
#[tokio::test]
async fn a_refusal_waits_for_who_is_still_writing() {
    let stage = stage(|_| {}).await;
    for (path, chunked) in [("documents", false), ("documents", true), ("files", false)] {
        let body = document("acme", 12 * 1024 * 1024);
        let framing = if chunked { "transfer-encoding: chunked" } else { "content-length: 12582912" };
        let head = format!(
            "POST /v1/acme/{path} HTTP/1.1\r\nhost: app.example.test\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\n{framing}\r\n\r\n{}",
            stage.token(),
            if chunked { "c00000\r\n" } else { "" }
        );
        let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
        let taken =
            raw.write(&[head.as_bytes(), &body, if chunked { b"\r\n0\r\n\r\n" } else { b"" }].concat()).await;
        let reply = raw.reply().await;
        assert!(taken, "{path} {chunked}: reset while the body was on its way");
        assert_eq!((reply.status, reply.code().as_str()), (Some(413), "body_too_large"), "{path} {chunked}");
    }
    stage.assert_untouched().await;
}

#[tokio::test]
async fn too_large_a_stream_never_arrives_whole() {
    let stage = stage(|_| {}).await;
    for client in [stage.http1(), stage.http2()] {
        let ask = Ask::post("/auth/login", vec![b' '; 200_000]).chunked();
        if let Ok(reply) = client.try_send(ask).await {
            assert_eq!(reply.verdict(), "413 body_too_large");
        }
    }
    for seen in stage.backend.requests() {
        assert!(
            !seen.complete && seen.length <= 4 * 1024,
            "{} bytes arrived, complete: {}",
            seen.length,
            seen.complete
        );
    }
}

#[tokio::test]
async fn an_expectation_is_met() {
    let stage = stage(|_| {}).await;
    let body = document("acme", 2000);
    let file = stage.site.path("body.json");
    std::fs::write(&file, &body).unwrap();
    let bearer = format!("authorization: Bearer {}", stage.token());
    let data = format!("@{}", file.display());
    for path in ["/v1/acme/documents", "/v1/acme/files"] {
        let json = "content-type: application/json";
        let args =
            ["--http1.1", "-H", "expect: 100-continue", "-H", &bearer, "-H", json, "--data-binary", &data];
        let reply = harness::curl::curl(&stage, path, &args).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.stderr);
        assert_eq!(reply.json()["sha256"], sha256(&body), "{path}");
    }
    let args = ["--http1.1", "-H", "expect: 100-continue", "--data-binary", &data];
    let refused = harness::curl::curl(&stage, "/v1/acme/documents", &args).await;
    assert_eq!(refused.verdict(), "401 token_missing");
    assert_eq!(stage.backend.requests().len(), 2);
}
