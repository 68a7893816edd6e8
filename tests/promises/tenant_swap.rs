//! Nobody gets into another tenant's data, whatever the request's shape: a generated table of attempts, each with an
//! honest twin that shows that the shape alone is not what was refused.

mod rows;
mod shapes;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use harness::client::{Connection, HOST};
use harness::raw::Raw;
use harness::{Ask, Client, Configuration, Reply, Stage, json, stage};
use rows::{Row, rows};

fn places(c: &mut Configuration) {
    let optional = |place: &str| json!({ "place": place, "optional": true });
    c.set("listen.limits.requests_per_connection", 1_000_000);
    // A refusal may close the connection, and a handshake costs more than all the rest.
    c.set("listen.http", json!({ "bind": "127.0.0.1:0", "plaintext": "the test's own machine" }));
    for (name, pattern, tenant) in [
        ("in-path", "* /p/{tenant}/x", json!("path.tenant")),
        ("in-query", "* /q", json!("query.tenant_id")),
        ("in-header", "* /h", json!("header.x-tenant")),
        ("in-cookie", "* /c", json!("cookie.tenant_id")),
        ("in-body", "* /b", json!("body:/tenant_id")),
        ("in-depth", "* /d", json!("body:/meta/tenant_id")),
        (
            "everywhere",
            "* /m/{tenant}",
            json!([
                "path.tenant",
                optional("query.tenant_id"),
                optional("header.x-tenant"),
                optional("cookie.tenant_id"),
                optional("body:/tenant_id"),
            ]),
        ),
        (
            "optional",
            "* /o",
            json!([
                optional("query.tenant_id"),
                optional("header.x-tenant"),
                optional("cookie.tenant_id"),
                optional("body:/tenant_id"),
            ]),
        ),
    ] {
        c.add_route(json!({ "name": name, "match": pattern, "tenant": tenant }));
    }
    c.add_route(
        json!({ "name": "globex", "match": "* /site/globex/**", "require": { "roles": ["globex"] } }),
    );
    c.add_route(json!({ "name": "site", "match": "* /site/**", "public": "the rest of the site" }));
}

#[tokio::test]
async fn no_request_reaches_another_tenant_and_its_honest_twin_is_admitted() {
    let stage = stage(places).await;
    let rows = rows();
    // The other protocol: what has no body, and what has one.
    let again: Vec<Row> = rows.iter().filter(|row| ["GET", "POST"].contains(&row.method)).cloned().collect();
    let names: BTreeSet<(&str, &str)> = rows.iter().map(|row| (row.method, row.name.as_str())).collect();
    assert_eq!(names.len(), rows.len(), "two rows have one name");
    let (one, two) = tokio::join!(
        play(&stage, "HTTP/1", stage.plain(), &rows),
        play(&stage, "HTTP/2", stage.http2(), &again)
    );
    let wrong = [one, two].concat();
    println!("{} rows over HTTP/1, {} of them over HTTP/2 too", rows.len(), again.len());
    let shown: Vec<_> = wrong.iter().take(40).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), shown.join("\n"));
    assert!(rows.len() > 3000, "the table has shrunk to {} rows", rows.len());
}

/// Plays every row, and says what came out wrong.
async fn play(stage: &Stage, protocol: &str, client: Client, rows: &[Row]) -> Vec<String> {
    let mut wire = Wire { client, open: None };
    let (mut wrong, mut twins) = (Vec::new(), BTreeMap::new());
    let mut tokens: BTreeMap<String, String> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let minted = || stage.issuer.token(&json!({ "org_id": row.tenants }));
        let token = tokens.entry(row.tenants.to_string()).or_insert_with(minted).clone();
        let mut send = async |ask: &Ask, mark: &str| {
            wire.send(ask.clone().bearer(&token).header("x-row", &format!("{protocol} {mark}"))).await
        };
        let reply = send(&row.attack, &format!("attempt {at}")).await;
        if !is_refusal(&reply) {
            wrong.push(format!(
                "{protocol} {row}: the attempt ended in {}: {:?}",
                reply.verdict(),
                row.attack
            ));
        }
        // Several rows may have the same one.
        let twin = format!("{:?} {}", row.honest, row.tenants);
        if let Entry::Vacant(entry) = twins.entry(twin) {
            entry.insert(at);
            let reply = send(&row.honest, &format!("twin {at}")).await;
            if reply.status != 200 {
                wrong.push(format!(
                    "{protocol} {row}: the twin ended in {}: {:?}",
                    reply.verdict(),
                    row.honest
                ));
            }
        }
    }
    let seen = stage.backend.requests();
    let marks: BTreeSet<&str> = seen.iter().filter_map(|request| request.header("x-row")).collect();
    let reached = |mark: &str| marks.contains(format!("{protocol} {mark}").as_str());
    for (at, row) in rows.iter().enumerate().filter(|(at, _)| reached(&format!("attempt {at}"))) {
        wrong.push(format!("{protocol} {row}: the attempt {at} reached the backend"));
    }
    for at in twins.values().filter(|at| !reached(&format!("twin {at}"))) {
        wrong.push(format!("{protocol} {}: the twin did not reach the backend", rows[*at]));
    }
    wrong
}

/// Refused for what it says, by a gate or before one; never for want of a token, and never by a fault of ours.
fn is_refusal(reply: &Reply) -> bool {
    let head = reply.body.is_empty() && [400, 403, 404].contains(&reply.status.as_u16());
    let codes = ["tenant_mismatch", "body_invalid", "bad_request", "no_route", "role_required", "media_type"];
    head || reply.status.is_client_error() && codes.iter().any(|code| reply.json()["code"] == *code)
}

/// A connection that is made again when a refusal closed it.
struct Wire {
    client: Client,
    open: Option<Connection>,
}

impl Wire {
    async fn send(&mut self, ask: Ask) -> Reply {
        if let Some(open) = &mut self.open
            && let Ok(reply) = open.try_send(ask.clone()).await
        {
            return reply;
        }
        let mut fresh = self.client.connect().await.expect("a connection");
        let reply = fresh.send(ask).await;
        self.open = Some(fresh);
        reply
    }
}

async fn ended(stage: &Stage, target: &str, claims: &harness::Value) -> String {
    stage.send(Ask::get(target).bearer(&stage.issuer.token(claims))).await.verdict()
}

#[tokio::test]
async fn each_place_is_one_that_is_looked_at() {
    let stage = stage(places).await;
    let token = stage.token();
    let form = "application/x-www-form-urlencoded";
    for (own, other) in [
        (Ask::get("/p/acme/x"), Ask::get("/p/globex/x")),
        (Ask::get("/q?tenant_id=acme"), Ask::get("/q?tenant_id=globex")),
        (Ask::get("/h").header("x-tenant", "acme"), Ask::get("/h").header("x-tenant", "globex")),
        (
            Ask::get("/c").header("cookie", "tenant_id=acme"),
            Ask::get("/c").header("cookie", "tenant_id=globex"),
        ),
        (Ask::post("/b", r#"{"tenant_id":"acme"}"#), Ask::post("/b", r#"{"tenant_id":"globex"}"#)),
        (
            Ask::new("POST", "/b").header("content-type", form).body("tenant_id=acme"),
            Ask::new("POST", "/b").header("content-type", form).body("tenant_id=globex"),
        ),
    ] {
        let what = own.target.clone();
        assert_eq!(stage.send(own.bearer(&token)).await.verdict(), "200", "{what}");
        assert_eq!(stage.send(other.bearer(&token)).await.verdict(), "403 tenant_mismatch", "{what}");
    }
}

#[tokio::test]
async fn an_optional_place_may_be_left_out_and_a_required_one_may_not() {
    let stage = stage(|c| {
        places(c);
        let alone = json!({ "place": "query.tenant_id", "optional": true });
        c.add_route(json!({ "name": "alone", "match": "* /alone", "tenant": alone }));
    })
    .await;
    for (target, verdict) in [
        ("/alone", "200"),
        ("/alone?tenant_id=acme", "200"),
        ("/alone?tenant_id=globex", "403 tenant_mismatch"),
        ("/o", "200"),
        ("/o?tenant_id=acme", "200"),
        ("/o?tenant_id=globex", "403 tenant_mismatch"),
        ("/q", "403 tenant_mismatch"),
    ] {
        assert_eq!(ended(&stage, target, &json!({})).await, verdict, "{target}");
    }
}

#[tokio::test]
async fn defaults_may_name_a_place_in_full() {
    for (tenant, verdicts) in [
        (json!({ "place": "query.org", "optional": true }), ["200", "403 tenant_mismatch"]),
        (json!([{ "place": "query.org", "optional": true }]), ["200", "403 tenant_mismatch"]),
        (json!([{ "place": "query.org" }, "header.x-org"]), ["403 tenant_mismatch", "403 tenant_mismatch"]),
    ] {
        let stage = stage(|c| {
            c.set("defaults.tenant", tenant.clone());
        })
        .await;
        for (target, verdict) in ["/any/a", "/any/a?org=globex"].into_iter().zip(verdicts) {
            assert_eq!(ended(&stage, target, &json!({})).await, verdict, "{tenant} {target}");
        }
    }
}

#[tokio::test]
async fn a_caller_of_several_tenants_acts_in_one_at_a_time() {
    let stage = stage(places).await;
    let both = json!({ "org_id": ["acme", "initech"] });
    for (target, verdict) in [
        ("/p/acme/x", "200"),
        ("/p/initech/x", "200"),
        ("/p/globex/x", "403 tenant_mismatch"),
        ("/m/initech?tenant_id=initech", "200"),
        ("/m/initech?tenant_id=acme", "403 tenant_mismatch"),
    ] {
        assert_eq!(ended(&stage, target, &both).await, verdict, "{target}");
    }
}

/// What no ordinary client can say.
#[tokio::test]
async fn a_tenant_is_neither_dropped_on_the_way_nor_added_behind_the_body() {
    let stage = stage(places).await;
    let head = |method: &str, more: &str| {
        let token = stage.token();
        format!(
            "{method} /h HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\nx-tenant: acme\r\n{more}\r\n"
        )
    };
    for options in ["x-tenant", "X-Tenant", "close, x-tenant", "keep-alive,x-tenant "] {
        let dropped = head("GET", &format!("connection: {options}\r\n"));
        let reply = Raw::plain(stage.gateway.http()).await.exchange(dropped.as_bytes()).await;
        assert_eq!((reply.status, reply.code().as_str()), (Some(403), "tenant_mismatch"), "{options}");
    }
    stage.assert_untouched().await;
    let trailed = head("POST", "transfer-encoding: chunked\r\n") + "1\r\nx\r\n0\r\nx-tenant: globex\r\n\r\n";
    Raw::plain(stage.gateway.http()).await.exchange(trailed.as_bytes()).await;
    let seen = stage.backend.requests();
    assert!(!seen.iter().any(|seen| format!("{:?}", seen.headers).contains("globex")), "{seen:?}");
}

#[tokio::test]
async fn a_path_that_a_lax_backend_takes_for_another_routes_is_refused() {
    let stage = stage(places).await;
    for client in [stage.http1(), stage.http2()] {
        for path in [
            "/site/Globex/x",
            "/site/%47lobex/x",
            "/site/globex;x/y",
            "/site/GLOBEX;a=b",
            "/Site/globex/x",
            "/site/;x/globex/y",
        ] {
            let verdict = client.send(Ask::get(path)).await.verdict();
            let refused = ["400 bad_request", "404 no_route"].contains(&verdict.as_str());
            assert!(refused, "{path}: {verdict}");
        }
        for path in ["/site/Other/x", "/site/other;x", "/site/other/", "/site/globexes"] {
            assert_eq!(client.send(Ask::get(path)).await.verdict(), "200", "{path}");
        }
        assert_eq!(client.send(Ask::get("/site/globex/")).await.verdict(), "401 token_missing");
    }
    assert!(stage.backend.requests().iter().all(|seen| !seen.target.to_lowercase().contains("/globex/")));
}
