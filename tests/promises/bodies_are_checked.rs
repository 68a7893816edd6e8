//! What a body may be: type, coding and form. What is refused has not reached the backend.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use harness::raw::Raw;
use harness::stage::stage_with;
use harness::{Ask, Backend, Certificates, Received, Site, Stage, json, sha256, stage, within};

async fn staged() -> Stage {
    stage(|c| {
        let body = json!({ "max": "64KiB", "types": ["application/json"], "json_depth": 4, "json_keys": 50 });
        c.set("defaults.body", body);
        c.route("files")["body"] =
            json!({ "max": "10MiB", "types": ["application/pdf", "multipart/form-data", "image/*"] });
        c.route("files")["relax"] =
            json!({ "body.max": "uploads up to 10 MiB", "body.types": "PDF, forms and pictures" });
        c.route("anything")["body"] = json!({
            "types": ["application/json", "text/plain"], "json_depth": 9, "json_keys": 100, "encodings": ["gzip"],
        });
        let why = "written by hand";
        c.route("anything")["relax"] =
            json!({ "body.types": why, "body.json_depth": why, "body.json_keys": why, "body.encodings": why });
    })
    .await
}

fn typed(path: &str, kind: &str, body: impl Into<bytes::Bytes>) -> Ask {
    Ask::new("POST", path).header("content-type", kind).body(body)
}

/// An object with so many members.
fn object(members: usize) -> String {
    format!("{{{}}}", (0..members).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(","))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_is_refused_did_not_arrive() {
    let stage = staged().await;
    let token = stage.token();
    let (files, json) = ("/v1/acme/files", "application/json");
    let many = object(51);
    let packed = |bytes: &[u8]| typed("/any/a", json, gzip(bytes)).header("content-encoding", "gzip");
    let rows = [
        (typed(files, "text/html", "<p>"), "415 media_type"),
        (Ask::new("POST", files).body("%PDF"), "415 media_type"),
        (typed(files, json, "{}"), "415 media_type"),
        (typed("/any/a", "text/html", "<p>"), "415 media_type"),
        (typed("/openai/v1/chat/completions", "text/plain", "{}"), "415 media_type"),
        (typed("/openai/v1/chat/completions", json, "{\"a\":1,\"a\":2}"), "400 body_invalid"),
        (typed("/openai/v1/chat/completions", json, "[[[[[]]]]]"), "400 body_invalid"),
        (typed("/openai/v1/chat/completions", json, many), "400 body_invalid"),
        (typed("/openai/v1/chat/completions", json, "{"), "400 body_invalid"),
        (typed("/openai/v1/chat/completions", json, &b"\"\xff\""[..]), "400 body_invalid"),
        (typed("/openai/v1/chat/completions", json, " ".repeat(65_537)), "413 body_too_large"),
        (
            typed("/openai/v1/chat/completions", json, gzip(b"{}")).header("content-encoding", "gzip"),
            "415 media_type",
        ),
        (packed(&vec![b' '; 70_000]), "413 body_too_large"),
        (packed(b"{\"a\":1,\"a\":2}"), "400 body_invalid"),
        (typed("/any/a", json, "{}").header("content-encoding", "gzip"), "400 body_invalid"),
        (typed("/any/a", json, gzip(b"{}")).header("content-encoding", "deflate"), "415 media_type"),
    ];
    for client in [stage.http1(), stage.http2()] {
        for (ask, verdict) in &rows {
            for chunked in [false, true] {
                let ask = Ask { chunked, ..ask.clone() };
                let (target, reply) = (ask.target.clone(), client.send(ask.bearer(&token)).await);
                assert_eq!(reply.verdict(), *verdict, "{target}, chunked: {chunked}, {:?}", reply.version);
            }
        }
    }
    stage.assert_untouched().await;
    let reply =
        stage.send(typed("/any/a", json, gzip(b"{}")).header("content-encoding", "br").bearer(&token)).await;
    assert_eq!(reply.header("accept-encoding"), "gzip, identity");
}

#[tokio::test]
async fn what_is_accepted_arrives_as_it_was_sent() {
    let stage = staged().await;
    let token = stage.token();
    let form =
        "--x\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a.bin\"\r\n\r\n\u{0}\r\n--x--\r\n";
    let packed = gzip(br#"{"tenant_id":"acme"}"#);
    let many = object(99);
    let rows = [
        (typed("/v1/acme/files", "application/pdf", "%PDF-1.7"), "%PDF-1.7".as_bytes()),
        (typed("/v1/acme/files", "image/webp", "RIFF"), b"RIFF"),
        (typed("/v1/acme/files", "multipart/form-data; boundary=x", form), form.as_bytes()),
        (typed("/any/a", "text/plain; charset=latin1", "a\"a"), b"a\"a"),
        (typed("/any/a", "application/json; charset=utf-8", "[[[[[[1]]]]]]"), b"[[[[[[1]]]]]]"),
        (typed("/any/a", "application/json", many.clone()), many.as_bytes()),
        (typed("/any/a", "application/json", packed.clone()).header("content-encoding", "gzip"), &packed),
        (Ask::get("/any/a"), b""),
    ];
    for client in [stage.http1(), stage.http2()] {
        for (ask, body) in &rows {
            for chunked in [false, true] {
                let chunked = chunked && !body.is_empty();
                let reply = client.send(Ask { chunked, ..ask.clone() }.bearer(&token)).await;
                let what = format!("{}, chunked: {chunked}, {:?}", ask.target, reply.version);
                assert_eq!(reply.verdict(), "200", "{what}: {}", reply.text());
                assert_eq!(stage.backend.last().sha256, sha256(body), "{what}");
            }
        }
    }
}

/// A body that no gate reads is not held: the backend is asked before its end is there.
#[tokio::test]
async fn a_body_that_no_gate_reads_streams() {
    let stage = staged().await;
    for (path, kind) in
        [("/openai/v1/chat/completions", "application/json"), ("/v1/acme/files", "application/pdf")]
    {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: app.example.test\r\nauthorization: Bearer {}\r\n\
             content-type: {kind}\r\ncontent-length: 10\r\n\r\n%PDF",
            stage.token()
        );
        let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
        assert!(raw.write(head.as_bytes()).await);
        drop(raw);
    }
    let broken = |seen: &Received| (!seen.complete).then(|| seen.target.clone());
    assert_eq!(stage.backend.received(broken).await, "/v1/acme/files");
    assert_eq!(stage.backend.requests().len(), 1, "the JSON body was to be read first, and broke off");
}

#[tokio::test]
async fn a_body_fits_its_schema() {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    let schema =
        |limit: usize| json!({ "required": ["text"], "properties": { "text": { "maxLength": limit } } });
    site.write("schemas/all.json", &schema(20).to_string());
    site.write("schemas/chat.json", &schema(5).to_string());
    let stage = stage_with(Backend::http().await, certificates, site, |c| {
        c.set("defaults.body.schema", "schemas/all.json");
        c.route("chat")["body"] = json!({ "schema": "schemas/chat.json" });
    })
    .await;
    for client in [stage.http1(), stage.http2()] {
        for (path, body, verdict) in [
            ("/any/a", r#"{"text":"0123456789"}"#, "200"),
            ("/any/a", r#"{"text":"0123456789 0123456789"}"#, "422 schema_invalid"),
            ("/openai/v1/chat/completions", r#"{"text":"01234"}"#, "200"),
            ("/openai/v1/chat/completions", r#"{"text":"012345"}"#, "422 schema_invalid"),
        ] {
            let before = stage.backend.requests().len();
            let reply = client.send(Ask::post(path, body).bearer(&stage.token())).await;
            assert_eq!(reply.verdict(), verdict, "{path} {body}");
            assert_eq!(stage.backend.requests().len() - before, usize::from(verdict == "200"));
            if verdict != "200" {
                assert_eq!(reply.json()["errors"], json!([{ "pointer": "/text", "keyword": "maxLength" }]));
                assert!(!reply.text().contains("0123"), "values stay with the client: {}", reply.text());
            }
        }
    }
}

#[tokio::test]
async fn held_bodies_have_a_ceiling() {
    let stage = stage(|c| {
        c.set("defaults.body", json!({ "max": "64KiB", "json_depth": 9 }));
        c.set("listen.limits.buffered_bytes", "128KiB");
    })
    .await;
    let ask = || Ask::post("/any/a", format!("[{}0]", " ".repeat(40_000))).bearer(&stage.token());
    assert_eq!(stage.send(ask()).await.verdict(), "200");
    // Bodies that stop before their end keep what they were given.
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let head = format!(
            "POST /any/a HTTP/1.1\r\nhost: app.example.test\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: 60000\r\n\r\n{}",
            stage.token(),
            " ".repeat(50_000)
        );
        let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
        assert!(raw.write(head.as_bytes()).await);
        stalled.push(raw);
    }
    let verdict = within("the ceiling", async {
        loop {
            let verdict = stage.send(ask()).await.verdict();
            if verdict != "200" {
                return verdict;
            }
        }
    });
    assert_eq!(verdict.await, "503 overloaded");
    drop(stalled);
    within("room again", async { while stage.send(ask()).await.verdict() != "200" {} }).await;
}
