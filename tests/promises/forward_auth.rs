//! An existing login service decides who calls: it is asked what it has to know and nothing else, and what it does
//! not clearly affirm is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::websocket::Socket;
use harness::{Ask, Login, Says, json, stage};

use self::service::{ada, as_session, conversations, session, sso, with};

mod service;
mod surroundings;

const LIE: &str = "mallory";

#[tokio::test]
async fn whom_the_service_knows_is_admitted_and_named_to_the_backend() {
    let (login, stage) = with(|_| {}).await;
    for client in [stage.http1(), stage.http2()] {
        assert_eq!(client.send(conversations("ada")).await.status, 200);
        let seen = stage.backend.last();
        for (name, value) in [
            ("x-user-id", "ada"),
            ("x-tenant-id", "acme"),
            ("x-roles", "user,admin"),
            ("x-auth-request-email", "ada@acme.test"),
        ] {
            assert_eq!(seen.header(name), Some(value), "{name}");
        }
        assert_eq!(seen.header("x-auth-request-user"), None, "only what is copied is copied");
    }
    assert_eq!(login.questions().len(), 2, "without a cache it is asked each time");
    let line = stage.gateway.log_line(|line| line["path"] == "/v1/acme/conversations").await;
    assert_eq!((&line["user"], &line["tenant"]), (&json!("ada"), &json!("acme")), "{line}");
    // What the other gates ask, they ask of the same caller.
    for (ask, verdict) in [
        (Ask::get("/v1/globex/conversations"), "403 tenant_mismatch"),
        (Ask::get("/admin/users"), "200"),
        (Ask::new("POST", "/writers/a"), "403 scope_required"),
    ] {
        let target = ask.target.clone();
        assert_eq!(stage.send(as_session(ask, "ada")).await.verdict(), verdict, "{target}");
    }
    let reply = stage.send(as_session(Ask::get("/admin/users"), "not-an-admin")).await;
    assert_eq!(reply.verdict(), "403 role_required");
    assert_eq!(stage.send(conversations("fits")).await.status, 200, "64 KiB are no more than 64 KiB");
}

#[tokio::test]
async fn the_question_is_what_it_says_and_nothing_of_the_clients_own() {
    let (login, stage) = with(|c| {
        c.set("identities.sso.send", json!(["cookie", "X-Session"]));
    })
    .await;
    let ask = || {
        Ask::post("/v1/acme/conversations?a=b&c=%2F", r#"{"tenant_id":"acme"}"#)
            .header("x-session", "1")
            .header("authorization", "Basic eDp5")
            .header("x-forwarded-for", "203.0.113.7")
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", "/public")
            .header("x-forwarded-host", "evil.example.test")
            .header("x-forwarded-proto", "http")
            .header("forwarded", "for=203.0.113.7")
            .header("x-original-url", "/public")
            .header("x-auth-request-user", LIE)
            .header("accept", "text/html")
            .header("user-agent", "a browser")
    };
    for client in [stage.http1(), stage.http2()] {
        let reply = client.send(ask().header("cookie", "theme=dark").header("cookie", "s=ada")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let question = login.questions().pop().unwrap();
        assert_eq!((question.method.as_str(), question.target.as_str()), ("GET", "/oauth2/auth?app=chat"));
        let host = login.url("").trim_start_matches("http://").to_owned();
        let expected = BTreeMap::from([
            ("host", host.as_str()),
            ("cookie", "theme=dark; s=ada"),
            ("x-session", "1"),
            ("x-forwarded-method", "POST"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example.test"),
            ("x-forwarded-uri", "/v1/acme/conversations?a=b&c=%2F"),
            ("x-forwarded-for", "127.0.0.1"),
        ]);
        let fields: BTreeMap<_, _> =
            question.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(fields, expected);
        assert_eq!(fields.len(), question.headers.len(), "each once: {:?}", question.headers);
    }
}

/// A service that decides by path must hear of the path that the backend gets, however the client spelled it.
#[tokio::test]
async fn the_service_hears_of_the_path_that_the_backend_gets() {
    let (login, stage) = with(|_| {}).await;
    for spelled in ["/any/a", "//any//a", "/%61ny/%61", "/any/%5Ba%5D", "/any/[a]", "/any/%e4%ba%ba?q=//"] {
        assert_eq!(stage.send(as_session(Ask::get(spelled), "ada")).await.status, 200, "{spelled}");
        let question = login.questions().pop().unwrap();
        assert_eq!(
            question.header("x-forwarded-uri"),
            Some(stage.backend.last().target.as_str()),
            "{spelled}"
        );
    }
}

#[tokio::test]
async fn what_the_service_does_not_affirm_is_refused() {
    let (login, stage) = with(|_| {}).await;
    let closed = "503 keys_unavailable";
    for (session, verdict) in [
        ("401", "401 token_invalid"),
        ("redirect", "401 token_invalid"),
        ("304", "401 token_invalid"),
        ("403", "403 claim_required"),
        ("400", closed),
        ("404", closed),
        ("429", closed),
        ("500", closed),
        ("502", closed),
        ("hangs-up", closed),
        ("oversize", closed),
        ("two-names", closed),
        ("two-groups", closed),
        ("two-mails", closed),
        ("no-name", closed),
        ("not-text", closed),
        ("unwritable", "403 claim_required"),
    ] {
        let before = login.questions().len();
        let reply = stage.send(as_session(Ask::get("/any/a"), session)).await;
        assert_eq!(reply.verdict(), verdict, "{session}");
        assert_eq!(reply.header("location"), "", "{session}");
        assert_eq!(reply.header("retry-after").is_empty(), verdict != closed, "{session}");
        let asked: BTreeSet<_> =
            login.questions().into_iter().skip(before).map(|question| question.target).collect();
        assert_eq!(asked, BTreeSet::from(["/oauth2/auth?app=chat".to_owned()]), "{session}");
    }
    stage.assert_untouched().await;
    let line = stage.gateway.log_line(|line| line["code"] == "keys_unavailable").await;
    assert_eq!((&line["gate"], &line["user"]), (&json!("identity"), &json!(null)), "{line}");
}

#[tokio::test]
async fn who_shows_nothing_is_refused_without_a_question() {
    let (login, stage) = with(|_| {}).await;
    for ask in [
        Ask::get("/any/a"),
        Ask::get("/any/a").header("cookie", ""),
        Ask::get("/any/a").header("x-auth-request-user", LIE).header("x-user-id", LIE),
        Ask::get("/any/a?s=ada").header("x-cookie", "s=ada").header("referer", "s=ada"),
    ] {
        assert_eq!(stage.send(ask).await.verdict(), "401 token_missing");
    }
    assert_eq!(login.questions().len(), 0);
    stage.assert_untouched().await;
    // The other default.
    let reply = stage.send(Ask::get("/any/a").header("authorization", "Custom s=ada")).await;
    assert_eq!((reply.status.as_u16(), login.questions().len()), (200, 1));
}

#[tokio::test]
async fn a_dead_service_closes_the_gate_and_the_log_says_so_once() {
    let (login, stage) = with(|_| {}).await;
    assert_eq!(stage.send(conversations("ada")).await.status, 200);
    let before = stage.backend.requests().len();
    drop(login);
    // The connection that was kept may break only now; no question is ever answered on it.
    for _ in 0..3 {
        assert_eq!(stage.send(conversations("ada")).await.verdict(), "503 keys_unavailable");
    }
    assert_eq!(stage.send(Ask::get("/healthz")).await.status, 200, "public routes are nobody's business");
    assert_eq!(stage.backend.requests().len(), before + 1);
    let told = stage.gateway.err.containing("the login service cannot be asked").await;
    assert!(told.contains("sso"), "{told}");
    assert_eq!(stage.gateway.err.text().matches("the login service cannot be asked").count(), 1);
}

#[tokio::test]
async fn clients_cannot_say_what_the_service_says() {
    let (_login, stage) = with(|_| {}).await;
    let names = ["x-user-id", "x-tenant-id", "x-roles", "x-auth-request-email", "x-auth-request-user"];
    for client in [stage.http1(), stage.http2()] {
        for name in names {
            for ask in [Ask::get("/healthz"), Ask::get("/assets/a.js"), conversations("ada")] {
                let target = ask.target.clone();
                let reply = client.send(ask.header(name, LIE).header(name, LIE)).await;
                assert_eq!(reply.status, 200, "{name} {target}");
                let seen = stage.backend.last();
                assert!(!format!("{:?}", seen.headers).contains(LIE), "{name} {target}: {:?}", seen.headers);
            }
            let folded = name.replace('-', "_");
            let reply = client.send(Ask::get("/healthz").header(&folded, LIE)).await;
            assert_eq!(reply.verdict(), "400 bad_request", "{folded}");
        }
        assert_eq!(client.send(as_session(Ask::get("/any/a"), "not-an-admin")).await.status, 200);
        let seen = stage.backend.last();
        for name in ["x-roles", "x-tenant-id", "x-auth-request-email"] {
            assert_eq!(seen.header(name), None, "what the service did not say is not there");
        }
    }
}

#[tokio::test]
async fn an_answer_is_used_again_for_the_same_question_only() {
    let login =
        Login::http(|question| match (session(question).as_str(), question.header("x-forwarded-uri")) {
            ("ada", Some("/any/open" | "/any/open?x=1")) => ada(),
            _ => Says::status(403),
        })
        .await;
    let url = login.url("/auth");
    let stage = stage(|c| {
        sso(c, &url);
        c.set("identities.sso.cache", "5m");
    })
    .await;
    let open = || as_session(Ask::get("/any/open"), "ada");
    for _ in 0..5 {
        assert_eq!(stage.send(open()).await.status, 200);
    }
    assert_eq!(login.questions().len(), 1, "the answer is kept");
    assert_eq!(stage.backend.last().header("x-auth-request-email"), Some("ada@acme.test"));
    let denied = [
        as_session(Ask::get("/any/closed"), "ada"),
        as_session(Ask::get("/any/open/"), "ada"),
        as_session(Ask::get("/any/open?x=2"), "ada"),
        as_session(Ask::get("/any/open"), "eve"),
        as_session(Ask::get("/any/open"), "ada2"),
    ];
    let before = stage.backend.requests().len();
    for round in 0..2 {
        for ask in &denied {
            assert_eq!(stage.send(ask.clone()).await.verdict(), "403 claim_required", "{}", ask.target);
        }
        assert_eq!(login.questions().len(), 1 + denied.len() * (round + 1), "no refusal is kept");
    }
    assert_eq!(stage.backend.requests().len(), before);
    // Another method, host or field is another question too, though it gets the same answer.
    let asked = login.questions().len();
    for ask in [
        as_session(Ask::new("DELETE", "/any/open"), "ada"),
        as_session(Ask::get("/any/open?x=1"), "ada"),
        open().host("api.example.test"),
        open().header("authorization", "x"),
    ] {
        assert_eq!(stage.send(ask).await.status, 200);
    }
    assert_eq!(login.questions().len(), asked + 4);
    assert_eq!(stage.send(open()).await.status, 200);
    assert_eq!(login.questions().len(), asked + 4);
}

#[tokio::test]
async fn a_kept_answer_expires() {
    let ended = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&ended);
    let login =
        Login::http(move |_| if over.load(Ordering::SeqCst) { Says::status(401) } else { ada() }).await;
    let url = login.url("/auth");
    let stage = stage(|c| {
        sso(c, &url);
        c.set("identities.sso.cache", "2s");
    })
    .await;
    assert_eq!(stage.send(conversations("ada")).await.status, 200);
    ended.store(true, Ordering::SeqCst);
    let refused = harness::until("the answer to expire", || async {
        let reply = stage.send(conversations("ada")).await;
        (reply.status != 200).then(|| reply.verdict())
    });
    assert_eq!(refused.await, "401 token_invalid");
    assert_eq!(login.questions().len(), 2, "and until then nobody was asked");
}

#[tokio::test]
async fn the_service_may_take_as_long_as_it_is_given() {
    let login = Login::http(|_| ada().once_released()).await;
    let url = login.url("/auth");
    let stage = stage(|c| {
        sso(c, &url);
        c.set("identities.hasty", c.root["identities"]["sso"].clone());
        c.set("identities.hasty.timeout", "200ms").set("identities.sso.timeout", "20s");
        c.route("chat")["identity"] = json!("hasty");
        c.route("chat")["relax"] = json!({ "identity": "it does not wait" });
    })
    .await;
    let (client, ask) = (stage.http1(), as_session(Ask::get("/any/a"), "ada"));
    let patient = tokio::spawn(async move { client.send(ask).await });
    login.asked(1).await;
    // Three times the hasty one gives up, and the patient one waits on.
    for _ in 0..3 {
        let reply = stage.send(as_session(Ask::post("/openai/v1/chat/completions", "{}"), "ada")).await;
        assert_eq!(reply.verdict(), "503 keys_unavailable");
    }
    stage.backend.assert_untouched();
    assert!(!patient.is_finished());
    login.release();
    assert_eq!(harness::within("the patient answer", patient).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_websocket_and_a_stream_pass_the_same_gate() {
    let (_login, stage) = with(|_| {}).await;
    let cookie = |session: &str| [("cookie", format!("s={session}"))];
    assert_eq!(Socket::open(&stage, "/ws", &[]).await.err(), Some(401));
    assert_eq!(Socket::open(&stage, "/ws", &cookie("401")).await.err(), Some(401));
    assert_eq!(Socket::open(&stage, "/ws", &cookie("403")).await.err(), Some(403));
    assert_eq!(Socket::open(&stage, "/ws", &cookie("500")).await.err(), Some(503));
    stage.assert_untouched().await;
    let mut socket = Socket::open(&stage, "/ws", &cookie("ada")).await.expect("an open socket");
    assert_eq!(socket.echo("hello").await, "hello");
    socket.close().await;
    let seen = stage.backend.received(|seen| (seen.target == "/ws").then(|| seen.clone())).await;
    assert_eq!(seen.header("x-user-id"), Some("ada"));
    let body = r#"{"stream":true,"messages":[{"content":"one two"}]}"#;
    let reply = stage.send(as_session(Ask::post("/openai/v1/chat/completions", body), "ada")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
}

#[tokio::test]
async fn tokens_and_the_service_can_stand_side_by_side() {
    let (login, stage) = with(|c| {
        c.set("defaults.identity", json!(["session", "sso"]));
    })
    .await;
    let any = || Ask::get("/any/a");
    let forged = stage.issuer.forged(&json!({}));
    assert_eq!(stage.send(any().bearer(&stage.token())).await.status, 200);
    assert_eq!(stage.send(as_session(any().bearer(&stage.token()), "401")).await.status, 200);
    assert_eq!(stage.send(as_session(any().bearer(&forged), "ada")).await.verdict(), "401 token_invalid");
    assert_eq!(stage.send(any()).await.verdict(), "401 token_missing");
    assert_eq!(login.questions().len(), 0, "the token decided");
    assert_eq!(stage.send(as_session(any(), "ada")).await.status, 200);
    assert_eq!(stage.send(as_session(any(), "401")).await.verdict(), "401 token_invalid");
    assert_eq!(stage.send(any().header("authorization", "Basic s=ada")).await.status, 200);
    assert_eq!(login.questions().len(), 3);
    assert_eq!(stage.backend.requests().len(), 4);
}
