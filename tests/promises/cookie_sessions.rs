//! A session in a cookie works from pages of the service's own, and from those that `cors` trusts with it.

use harness::websocket::Socket;
use harness::{Ask, Certificates, Configuration, Login, Received, Says, Site, Stage, json, stage};

use crate::cross_site::{EVIL, SHOP};

const OWN: &str = "https://app.example.test";

fn ada(question: &Received) -> Says {
    let shown =
        question.header("cookie") == Some("s=ada") || question.header("authorization") == Some("Basic YWRh");
    if shown { Says::status(200).field("x-user", "ada") } else { Says::status(401) }
}

/// A login service says who calls, by cookie or by Authorization.
async fn guarded(change: impl FnOnce(&mut Configuration)) -> (Login, Stage) {
    let login = Login::http(ada).await;
    let identity =
        json!({ "kind": "forward_auth", "url": login.url("/auth"), "claims": { "user": "x-user" } });
    let stage =
        stage(|c| {
            c.set("routes", json!([
            { "name": "health", "match": "GET /healthz", "public": "the uptime monitor has no account" },
            { "name": "anything", "match": "* /any/**" },
            { "name": "socket", "match": "GET /ws", "websocket": true },
        ]));
            c.set("identities", json!({ "sso": identity })).set("defaults.identity", "sso");
            c.set("defaults.csrf", "cookie_sessions");
            change(c);
        })
        .await;
    (login, stage)
}

fn post(fields: &[(&str, &str)]) -> Ask {
    let ask = Ask::post("/any/a", "{}");
    fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value))
}

const COOKIE: (&str, &str) = ("cookie", "s=ada");

#[tokio::test]
async fn what_changes_something_comes_from_a_page_of_ones_own() {
    let (_login, stage) = guarded(|_| {}).await;
    let refused = [
        vec![],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site"), ("referer", "https://app.example.test/")],
        vec![("sec-fetch-site", "cross-site"), ("origin", EVIL)],
        vec![("origin", EVIL)],
        vec![("origin", "null")],
        vec![("referer", "https://evil.example.test/https://app.example.test/")],
    ];
    for fields in refused {
        let ask = post(&[&[COOKIE][..], &fields].concat());
        for client in [stage.http1(), stage.http2()] {
            assert_eq!(client.send(ask.clone()).await.verdict(), "403 csrf_failed", "{fields:?}");
        }
    }
    stage.assert_untouched().await;
    let line = stage.gateway.log_line(|line| line["code"] == "csrf_failed").await;
    assert_eq!((&line["gate"], &line["user"]), (&json!("csrf"), &json!("ada")), "{line}");
    let admitted = [
        vec![("sec-fetch-site", "same-origin")],
        vec![("sec-fetch-site", "none")],
        vec![("origin", OWN)],
        vec![("referer", "https://app.example.test/form")],
    ];
    for fields in admitted {
        let ask = post(&[&[COOKIE][..], &fields].concat());
        assert_eq!(stage.send(ask).await.verdict(), "200", "{fields:?}");
    }
    let token = post(&[("authorization", "Basic YWRh"), ("sec-fetch-site", "cross-site"), ("origin", EVIL)]);
    assert_eq!(stage.send(token).await.verdict(), "200", "a program's credential is no browser's to add");
    let read = Ask::get("/any/a").header("cookie", "s=ada").header("sec-fetch-site", "cross-site");
    assert_eq!(stage.send(read).await.verdict(), "200", "a link from elsewhere");
}

#[tokio::test]
async fn a_signed_token_in_a_cookie_is_a_session_too() {
    let stage = stage(|c| {
        c.set("identities.session.token_from", json!(["header", "cookie:__Host-session"]));
        c.set("defaults.csrf", "cookie_sessions");
    })
    .await;
    let cookie = format!("__Host-session={}", stage.token());
    let foreign = post(&[("cookie", &cookie), ("origin", EVIL)]);
    assert_eq!(stage.send(foreign).await.verdict(), "403 csrf_failed");
    stage.assert_untouched().await;
    assert_eq!(stage.send(post(&[("cookie", &cookie), ("origin", OWN)])).await.verdict(), "200");
    assert_eq!(stage.send(post(&[("origin", EVIL)]).bearer(&stage.token())).await.verdict(), "200");
}

#[tokio::test]
async fn a_websocket_is_not_hijacked() {
    let (_login, stage) = guarded(|_| {}).await;
    let fields = |more: &[(&'static str, &str)]| {
        let all = [&[COOKIE][..], more].concat();
        all.into_iter().map(|(name, value)| (name, value.to_owned())).collect::<Vec<_>>()
    };
    for more in [&[][..], &[("origin", EVIL)], &[("origin", EVIL), ("sec-fetch-site", "cross-site")]] {
        assert_eq!(Socket::open(&stage, "/ws", &fields(more)).await.err(), Some(403), "{more:?}");
    }
    stage.assert_untouched().await;
    for more in [("origin", OWN), ("sec-fetch-site", "same-origin")] {
        let mut socket = Socket::open(&stage, "/ws", &fields(&[more])).await.expect("an open socket");
        assert_eq!(socket.echo("hello").await, "hello");
    }
}

#[tokio::test]
async fn only_origins_that_may_send_cookies_are_trusted_with_them() {
    for (credentials, verdict) in [(true, "200"), (false, "403 csrf_failed")] {
        let (_login, stage) = guarded(|c| {
            c.set("defaults.cors", json!({ "origins": [SHOP], "credentials": credentials }));
        })
        .await;
        let ask = post(&[COOKIE, ("origin", SHOP), ("sec-fetch-site", "cross-site")]);
        assert_eq!(stage.send(ask).await.verdict(), verdict, "credentials: {credentials}");
    }
}

#[tokio::test]
async fn a_route_may_guard_itself_and_one_that_does_not_is_told() {
    let (_login, stage) = guarded(|c| {
        c.remove("defaults.csrf");
        c.route("anything")["csrf"] = json!("cookie_sessions");
    })
    .await;
    assert_eq!(stage.send(post(&[COOKIE, ("origin", EVIL)])).await.verdict(), "403 csrf_failed");
    stage.gateway.err.containing("the route socket takes a session from a cookie").await;
    assert!(!stage.gateway.err.text().contains("the route anything takes"), "it is guarded");
}

/// A tightening route loads, and a wider one says why.
#[tokio::test]
async fn a_session_in_a_cookie_is_guarded_unless_a_reason_is_written() {
    let site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    let mut check = async |change: fn(&mut Configuration), code: i32, part: &str| {
        change(&mut configuration);
        site.configure(&configuration);
        let outcome = site.run(&["test", "--config", "portcullis.yaml"]).await.expect(code);
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    };
    check(|c| c.route("list")["csrf"] = json!("off"), 2, "nothing switches it on").await;
    check(
        |c| {
            c.set("defaults.csrf", "cookie_sessions");
        },
        2,
        "which widens what `defaults` allows",
    )
    .await;
    check(|c| c.route("list")["relax"] = json!({ "csrf": "the backend has its own" }), 0, "").await;
    check(|c| c.route("list")["csrf"] = json!("cookie_sessions"), 2, "nothing here widens `csrf`").await;
}
