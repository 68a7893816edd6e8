//! A token is taken from the places that are named, there is one of it, and one in the query is nobody else's to see.

use harness::websocket::Socket;
use harness::{Ask, Stage, json, stage};

const OWN: &str = "/v1/acme/conversations";
const COOKIE: &str = "__Host-session";

async fn taken_from(places: &[&str]) -> Stage {
    stage(|c| {
        c.set("identities.session.token_from", json!(places));
        c.set("logs.access.headers", json!(["user-agent", "referer"]));
        // What the log leaves out it shall not need to blot out.
        c.set("logs.redact", json!(["email"]));
    })
    .await
}

fn cookie(token: &str) -> String {
    format!("theme=dark; {COOKIE}={token}; a=b")
}

#[tokio::test]
async fn each_place_is_looked_at() {
    let stage = taken_from(&["header", "cookie:__Host-session", "query:token"]).await;
    let token = stage.token();
    let query = format!("{OWN}?page=2&token={token}&x");
    for client in [stage.http1(), stage.http2()] {
        for (what, ask) in [
            ("the header", Ask::get(OWN).bearer(&token)),
            ("the cookie", Ask::get(OWN).header("cookie", &cookie(&token))),
            (
                "a second cookie field",
                Ask::get(OWN).header("cookie", "a=b").header("cookie", &cookie(&token)),
            ),
            ("the query", Ask::get(&query)),
        ] {
            let reply = client.send(ask).await;
            assert_eq!(reply.status, 200, "{what}: {}", reply.text());
            assert_eq!(stage.backend.last().header("x-user-id"), Some("ada"), "{what}");
        }
    }
    assert_eq!(stage.send(Ask::get(OWN)).await.verdict(), "401 token_missing");
}

#[tokio::test]
async fn of_two_tokens_none_is_believed() {
    let stage = taken_from(&["header", "cookie:__Host-session", "query:token"]).await;
    let (token, other) = (stage.token(), stage.issuer.forged(&json!({})));
    for second in [&token, &other] {
        let in_cookie = Ask::get(OWN).header("cookie", &cookie(&token));
        for (what, ask) in [
            ("header and cookie", in_cookie.clone().bearer(second)),
            ("header and query", Ask::get(&format!("{OWN}?token={second}")).bearer(&token)),
            (
                "cookie and query",
                Ask::get(&format!("{OWN}?token={second}")).header("cookie", &cookie(&token)),
            ),
            ("cookie twice", in_cookie.clone().header("cookie", &cookie(second))),
            ("query twice", Ask::get(&format!("{OWN}?token={token}&token={second}"))),
            ("query twice, once escaped", Ask::get(&format!("{OWN}?token={token}&%74oken={second}"))),
            (
                "cookie and an empty one in the query",
                Ask::get(&format!("{OWN}?token=")).header("cookie", &cookie(second)),
            ),
            ("an empty cookie", Ask::get(OWN).header("cookie", &cookie("")).bearer(second)),
        ] {
            for client in [stage.http1(), stage.http2()] {
                assert_eq!(client.send(ask.clone()).await.verdict(), "401 token_invalid", "{what}");
            }
        }
    }
    stage.assert_untouched().await;
}

#[tokio::test]
async fn a_bearer_token_counts_only_where_it_is_named_and_spoils_the_others() {
    let stage = taken_from(&["cookie:__Host-session"]).await;
    let token = stage.token();
    let in_cookie = Ask::get(OWN).header("cookie", &cookie(&token));
    assert_eq!(stage.send(Ask::get(OWN).bearer(&token)).await.verdict(), "401 token_missing");
    let query = format!("{OWN}?token={token}");
    assert_eq!(stage.send(Ask::get(&query)).await.verdict(), "401 token_missing");
    for bearer in ["Bearer x", "bearer\tx", "Basic YTpi, Bearer x"] {
        let reply = stage.send(in_cookie.clone().header("authorization", bearer)).await;
        assert_eq!(reply.verdict(), "401 token_invalid", "{bearer}");
    }
    stage.assert_untouched().await;
    assert_eq!(stage.send(in_cookie.header("authorization", "Basic YTpi")).await.status, 200);
}

#[tokio::test]
async fn a_token_in_the_query_goes_no_further() {
    let stage = taken_from(&["header", "query:token"]).await;
    let token = stage.token();
    for client in [stage.http1(), stage.http2()] {
        for (sent, forwarded) in [
            (format!("{OWN}?token={token}"), OWN.to_owned()),
            (format!("{OWN}?page=2&token={token}&x=%20"), format!("{OWN}?page=2&x=%20")),
            (format!("{OWN}?%74oken={token}&page=2"), format!("{OWN}?page=2")),
        ] {
            let page = format!("https://app.example.test/?page=1&token={token}");
            let reply = client.send(Ask::get(&sent).header("referer", &page)).await;
            assert_eq!(reply.status, 200, "{sent}: {}", reply.text());
            assert_eq!(stage.backend.last().target, forwarded, "{sent}");
            let line = stage.gateway.log_line(|line| line["path"] == OWN && line["status"] == 200).await;
            assert_eq!(line["headers"]["referer"], "https://app.example.test/?page=1");
        }
        let query = format!("{OWN}?a=1;b=2&c");
        assert_eq!(client.send(Ask::get(&query).bearer(&token)).await.status, 200);
        assert_eq!(stage.backend.last().target, query, "what hides nothing is as it came");
        // A route that accepts another identity, or none, forwards what it got; and still logs nothing of it.
        assert_eq!(client.send(Ask::get(&format!("/healthz?token={token}&page=3"))).await.status, 200);
        assert_eq!(stage.backend.last().target, format!("/healthz?token={token}&page=3"));
    }
    let mut socket = Socket::open(&stage, &format!("/ws?token={token}&room=1"), &[]).await.unwrap();
    assert_eq!(socket.echo("hello").await, "hello");
    assert_eq!(stage.backend.last().target, "/ws?room=1");
    socket.close().await;
    // A `;` is an `&` to some readers: the listed value before it does not take the token along.
    for path in [OWN, "/healthz", "/nowhere"] {
        stage.send(Ask::get(&format!("{path}?page=7;token={token}"))).await;
        let line = stage.gateway.log_line(|line| line["path"] == path && line["query"]["page"] == "7").await;
        assert_eq!(line["query"], json!({ "page": "7" }));
    }
    let said = stage.gateway.out.text() + &stage.gateway.err.text();
    assert!(
        !said.contains("eyJ") && !said.contains(token.rsplit_once('.').unwrap().1),
        "a token is in the logs"
    );
}

#[tokio::test]
async fn offline_commands_hide_it_too() {
    let stage = taken_from(&["query:token"]).await;
    let token = stage.token();
    let request = format!("GET {OWN}?token={token}&page=2");
    for host in ["app.example.test", "www.example.test"] {
        for format in ["text", "json"] {
            let args = ["explain", &request, "--host", host, "--format", format];
            let told = stage.site.run(&args).await.expect(0).stdout;
            assert!(told.contains("page=2") && !told.contains("eyJ"), "{told}");
        }
    }
    let record = json!({
        "id": "1", "at": time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap(),
        "peer": "127.0.0.1", "tls": true, "method": "GET", "url": format!("https://app.example.test{OWN}?token={token}&page=2"),
        "headers": [["host", "app.example.test"]],
    });
    let told = stage
        .site
        .run_with(&["replay", "--config", "portcullis.yaml", "-"], &record.to_string())
        .await
        .expect(0);
    let verdict = &told.json_lines()[0];
    assert_eq!((&verdict["decision"], &verdict["user"]), (&json!("allow"), &json!("ada")), "{verdict}");
    assert_eq!(verdict["forwarded"]["url"], format!("https://app.example.test{OWN}?page=2"));
    assert!(!told.stdout.contains("eyJ"), "{}", told.stdout);
}
