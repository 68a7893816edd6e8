//! A login service that knows `ada`, and the gateway before which it stands.

use harness::{Ask, Configuration, Login, Received, Says, Stage, json, stage};

/// `ada` of `acme`, as the service tells of her.
pub(super) fn ada() -> Says {
    Says::status(202)
        .field("X-Auth-Request-User", "ada")
        .field("X-Auth-Request-Org", "acme")
        .field("X-Auth-Request-Groups", "user,admin")
        .field("X-Auth-Request-Email", "ada@acme.test")
}

/// The session that the question shows, as `s=…` in a cookie or in Authorization.
pub(super) fn session(question: &Received) -> String {
    let shown = question.header("cookie").or(question.header("authorization")).unwrap_or_default();
    let (_, session) = shown.split_once("s=").unwrap_or_default();
    session.split(';').next().unwrap_or_default().to_owned()
}

pub(super) fn script(question: &Received) -> Says {
    match session(question).as_str() {
        "ada" => ada(),
        "hangs-up" => Says::goodbye(),
        "redirect" => Says::status(302).field("location", "/elsewhere").field("x-auth-request-user", "ada"),
        "oversize" => ada().bytes(64 * 1024 + 1),
        "fits" => ada().bytes(64 * 1024),
        "two-names" => ada().field("X-Auth-Request-User", "root"),
        "two-groups" => ada().field("x-auth-request-groups", "admin"),
        "two-mails" => ada().field("x-auth-request-email", "root@acme.test"),
        "no-name" => Says::status(200).field("x-auth-request-org", "acme"),
        "not-text" => Says::status(200).field("x-auth-request-user", [0xff, 0xfe]),
        "unwritable" => Says::status(200).field("x-auth-request-user", "ad\u{e4}"),
        "not-an-admin" => Says::status(200).field("x-auth-request-user", "eve"),
        status => Says::status(status.parse().unwrap_or(401)).field("x-auth-request-user", "ada"),
    }
}

/// The identity `sso` in front of everything.
pub(super) fn sso(c: &mut Configuration, url: &str) {
    let identity = json!({
        "kind": "forward_auth", "url": url, "timeout": "10s",
        "claims": {
            "user": "X-Auth-Request-User", "tenant": "x-auth-request-org", "roles": "x-auth-request-groups",
            "scopes": "x-auth-request-scopes",
        },
        "forward": { "x-user-id": "user", "x-tenant-id": "tenant", "x-roles": "roles" },
        "copy": ["X-Auth-Request-Email"],
    });
    c.set("identities.sso", identity).set("defaults.identity", "sso");
}

pub(super) async fn with(change: impl FnOnce(&mut Configuration)) -> (Login, Stage) {
    let login = Login::http(script).await;
    let url = login.url("/oauth2/auth?app=chat");
    let stage = stage(|c| {
        sso(c, &url);
        change(c);
    })
    .await;
    (login, stage)
}

pub(super) fn as_session(ask: Ask, session: &str) -> Ask {
    ask.header("cookie", &format!("theme=dark; s={session}"))
}

pub(super) fn conversations(session: &str) -> Ask {
    as_session(Ask::get("/v1/acme/conversations"), session)
}
