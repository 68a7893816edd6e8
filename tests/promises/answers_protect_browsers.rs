//! What an answer tells the browser: cookies under the configured terms, and the header preset, on every answer.

use harness::backend::Canned;
use harness::{Ask, Stage, json, stage};

const COOKIES: [(&str, &str); 4] = [
    ("set-cookie", "session=1; Path=/"),
    ("set-cookie", "theme=dark"),
    ("set-cookie", "third=1; SameSite=None"),
    ("set-cookie", "__Host-id=1; Domain=example.test"),
];

fn cookies(reply: &harness::Reply) -> Vec<&str> {
    reply.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
}

async fn staged() -> Stage {
    stage(|c| {
        c.set("defaults.cookies.secure", true).set("defaults.cookies.http_only", true);
        c.set("defaults.cookies.same_site", "lax").set("defaults.headers", "strict");
        c.set(
            "defaults.cookies.except",
            json!({ "theme": { "http_only": false, "reason": "a script reads it" } }),
        );
        c.route("list")["headers"] = json!("api");
        c.route("chat")["headers"] = json!("none");
        c.route("login")["cookies"] = json!({
            "secure": true, "http_only": false, "same_site": "none",
            "except": {
                "session": { "http_only": true, "reason": "no script needs the session" },
                "third": { "same_site": "strict", "reason": "only ever sent from our own pages" },
                "theme": { "secure": false, "same_site": "lax", "reason": "read on the plain page" },
            },
        });
        c.route("login")["relax"] = json!({ "cookies": "the widget runs in other pages' frames" });
    })
    .await
}

#[tokio::test]
async fn the_upstreams_cookies_are_rewritten() {
    let stage = staged().await;
    let canned = || Canned { status: 200, headers: COOKIES.to_vec(), body: "made" };
    stage.backend.answer("/any/cookies", canned());
    stage.backend.answer("/auth/login", canned());
    for client in [stage.http1(), stage.http2()] {
        let reply = client.send(Ask::get("/any/cookies").bearer(&stage.token())).await;
        assert_eq!(
            cookies(&reply),
            [
                "session=1; Path=/; Secure; HttpOnly; SameSite=Lax",
                "theme=dark; Secure; SameSite=Lax",
                "third=1; Secure; HttpOnly; SameSite=Lax",
                "__Host-id=1; Path=/; Secure; HttpOnly; SameSite=Lax",
            ]
        );
        let reply = client.send(Ask::post("/auth/login", "{}")).await;
        assert_eq!(
            cookies(&reply),
            [
                "session=1; Path=/; Secure; HttpOnly; SameSite=None",
                "theme=dark; SameSite=Lax",
                "third=1; Secure; SameSite=Strict",
                "__Host-id=1; Path=/; Secure; SameSite=None",
            ]
        );
    }
}

#[tokio::test]
async fn the_preset_is_on_every_answer_and_leaves_the_upstreams_own_word() {
    let stage = staged().await;
    let own = vec![("content-security-policy", "default-src 'self'"), ("x-frame-options", "SAMEORIGIN")];
    stage.backend.answer("/any/own", Canned { status: 200, headers: own, body: "page" });
    let token = stage.token();
    for client in [stage.http1(), stage.http2()] {
        for (ask, status) in [
            (Ask::get("/healthz"), 200),
            (Ask::get("/any/a").bearer(&token), 200),
            (Ask::get("/any/a"), 401),
            (Ask::get("/nowhere"), 404),
            (Ask::get("/auth/login"), 405),
            (Ask::get("/admin/x").bearer(&token), 403),
        ] {
            let (target, reply) = (ask.target.clone(), client.send(ask).await);
            assert_eq!(reply.status.as_u16(), status, "{target}");
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("content-security-policy", "frame-ancestors 'none'"),
            ] {
                assert_eq!(reply.header(name), value, "{target}: {name}");
            }
            assert!(reply.header("permissions-policy").contains("camera=()"), "{target}");
        }
        let reply = client.send(Ask::get("/any/own").bearer(&token)).await;
        assert_eq!(reply.header("content-security-policy"), "default-src 'self'");
        assert_eq!(reply.header("x-frame-options"), "SAMEORIGIN");
        let reply = client.send(Ask::get("/v1/acme/conversations").bearer(&token)).await;
        assert_eq!(reply.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(reply.header("cache-control"), "no-store");
        let reply = client.send(Ask::post("/openai/v1/chat/completions", "{}")).await;
        assert_eq!((reply.status.as_u16(), reply.header("x-frame-options")), (401, ""));
    }
}
