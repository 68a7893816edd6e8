//! Keys that are fetched: there before the first request, fresh when a token needs them, kept while the issuer is
//! down, and nobody else's.

use std::cell::{Cell, RefCell};
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use harness::backend::Canned;
use harness::issuer::{Algorithm, SECRET};
use harness::{
    Ask, Backend, Certificates, Client, Configuration, Gateway, Issuer, KeyServer, Mood, Site, Stage, Value,
    json, stage, until,
};

const OWN: &str = "/v1/acme/conversations";

/// Keys at `keys`, fetched over plain http from this machine.
fn fetching(c: &mut Configuration, keys: Value) {
    c.set("environment", "staging").set("identities.session.keys", keys);
    c.set("identities.session.algorithms", json!(["ES256", "ES384", "EdDSA"]));
}

async fn fetched(keys: Value) -> Stage {
    stage(|c| fetching(c, keys)).await
}

/// A token that is signed with the key of this algorithm.
fn token(algorithm: Algorithm) -> String {
    Issuer.sign(algorithm, &json!({}))
}

async fn verdict(stage: &Stage, token: &str) -> String {
    stage.send(Ask::get(OWN).bearer(token)).await.verdict()
}

async fn refreshed(stage: &Stage, outcome: &str) -> f64 {
    let labels = [("identity", "session"), ("outcome", outcome)];
    stage.metric("portcullis_jwks_refresh_total", &labels).await
}

async fn failed_once_more(stage: &Stage) {
    let before = refreshed(stage, "failed").await;
    until("another failed fetch", || async { (refreshed(stage, "failed").await > before).then_some(()) })
        .await;
}

async fn comes_to(stage: &Stage, token: &str, wanted: &str) {
    until(wanted, || async { (verdict(stage, token).await == wanted).then_some(()) }).await;
}

#[tokio::test]
async fn keys_are_there_before_the_first_request() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    let stage = fetched(json!({ "url": server.jwks() })).await;
    assert_eq!(server.sets(), 1);
    assert_eq!(verdict(&stage, &token(Algorithm::ES256)).await, "200");
    assert_eq!(verdict(&stage, &Issuer.forged(&json!({}))).await, "401 token_invalid");
    assert_eq!(server.sets(), 1, "nothing was fetched for these");
    for (outcome, count) in [("ok", 1.0), ("unchanged", 0.0), ("failed", 0.0)] {
        let told = refreshed(&stage, outcome).await;
        assert!((told - count).abs() < 0.5, "{outcome}: {told}");
    }
    let age = stage.metric("portcullis_jwks_age_seconds", &[("identity", "session")]).await;
    assert!((0.0..60.0).contains(&age), "{age}");
    assert_eq!(stage.admin("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_new_key_is_known_as_soon_as_it_signs_under_load() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    let stage = fetched(json!({ "url": server.jwks() })).await;
    let (old, new) = (token(Algorithm::ES256), token(Algorithm::ES384));
    let client = stage.http1();
    let load = |token: &str| {
        let asks = (0..100).map(|_| client.send(Ask::get(OWN).bearer(token)));
        let asks: Vec<_> = asks.collect();
        async move { join_all(asks).await.into_iter().map(|reply| reply.verdict()).collect::<Vec<_>>() }
    };
    let all_admitted = |verdicts: Vec<String>| {
        let others: Vec<_> = verdicts.iter().filter(|verdict| *verdict != "200").collect();
        assert!(others.is_empty(), "{others:?}");
    };
    all_admitted(load(&old).await);
    server.publish(Issuer.jwks(&[Algorithm::ES256, Algorithm::ES384]));
    let (before, after) = tokio::join!(load(&old), load(&new));
    all_admitted(before);
    all_admitted(after);
    assert_eq!(server.sets(), 2, "one fetch for all of them");
}

/// Each new key is published for a refresh before it signs, as issuers do; the first signs at once all the same.
#[tokio::test]
async fn rotation_under_steady_load_refuses_nobody() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    let stage = fetched(json!({ "url": server.jwks(), "refresh": "1s" })).await;
    let (signing, done) = (RefCell::new(token(Algorithm::ES256)), Cell::new(false));
    let worker = || async {
        let (mut connection, mut sent) = (stage.http1().connect().await.unwrap(), 0);
        while !done.get() {
            let bearer = signing.borrow().clone();
            let reply = connection.send(Ask::get(OWN).bearer(&bearer)).await;
            assert_eq!(reply.verdict(), "200", "after {sent} requests");
            sent += 1;
        }
        sent
    };
    let rotation = async {
        let mut old = Algorithm::ES256;
        for (new, lead) in [(Algorithm::ES384, 0), (Algorithm::EdDSA, 2), (Algorithm::ES256, 2)] {
            server.publish(Issuer.jwks(&[old, new]));
            server.asked(lead).await;
            signing.replace(token(new));
            old = new;
        }
        server.asked(1).await;
        done.set(true);
    };
    let (sent, ()) = tokio::join!(join_all((0..8).map(|_| worker())), rotation);
    assert!(sent.iter().sum::<i32>() > 100, "{sent:?} requests are no load");
}

#[tokio::test]
async fn a_withdrawn_key_admits_nobody_after_the_next_refresh() {
    let server = KeyServer::start(&[Algorithm::ES256, Algorithm::ES384]).await;
    let stage = fetched(json!({ "url": server.jwks(), "refresh": "1s" })).await;
    let (old, new) = (token(Algorithm::ES256), token(Algorithm::ES384));
    assert_eq!(verdict(&stage, &old).await, "200");
    server.publish(Issuer.jwks(&[Algorithm::ES384]));
    // It was admitted before, so this shows that what was verified once is forgotten, too.
    comes_to(&stage, &old, "401 token_invalid").await;
    assert_eq!(verdict(&stage, &new).await, "200");
}

#[tokio::test]
async fn an_issuer_that_is_down_for_longer_than_refresh_locks_nobody_out() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    let stage = fetched(json!({ "url": server.jwks(), "refresh": "1s" })).await;
    server.mood(Mood::Down);
    for _ in 0..3 {
        failed_once_more(&stage).await;
        assert_eq!(verdict(&stage, &token(Algorithm::ES256)).await, "200");
    }
    server.publish(Issuer.jwks(&[Algorithm::ES384]));
    server.mood(Mood::Serving);
    comes_to(&stage, &token(Algorithm::ES384), "200").await;
}

#[tokio::test]
async fn a_restart_outlasts_an_issuer_that_is_down() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    let mut stage = stage(|c| {
        fetching(c, json!({ "url": server.jwks() }));
        c.set("state.path", "elsewhere/kept");
    })
    .await;
    let copy = stage.site.path("elsewhere/kept/keys/session.json");
    until("the copy", || async { copy.exists().then_some(()) }).await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&copy), mode(copy.parent().unwrap())), (0o600, 0o700));
    assert!(!stage.site.path("state").exists());

    server.mood(Mood::Down);
    assert_eq!(stage.gateway.stop().await, 0);
    stage.gateway = Gateway::start(&stage.site).await;
    assert_eq!(verdict(&stage, &token(Algorithm::ES256)).await, "200");
    failed_once_more(&stage).await;
    assert_eq!(verdict(&stage, &token(Algorithm::ES256)).await, "200");

    // A copy that is no copy does not count, and is spoken of.
    assert_eq!(stage.gateway.stop().await, 0);
    std::fs::write(&copy, "{\"source\":").unwrap();
    stage.gateway = Gateway::start(&stage.site).await;
    assert_eq!(verdict(&stage, &token(Algorithm::ES256)).await, "503 keys_unavailable");
    let told = stage.gateway.err.text();
    assert!(told.contains("session.json") && told.contains("passed over"), "{told}");
    server.mood(Mood::Serving);
    comes_to(&stage, &token(Algorithm::ES256), "200").await;
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_written_is_only_told_of() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    let site = Site::furnished(&Certificates::new());
    site.write("state", "a file where the folder should be");
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    fetching(&mut configuration, json!({ "url": server.jwks() }));
    site.configure(&configuration);
    let gateway = Gateway::start(&site).await;
    let told = gateway.err.first(|line| line.contains("cannot be copied").then_some(()));
    harness::within("a warning", told).await.unwrap();
}

#[tokio::test]
async fn without_any_key_callers_are_asked_to_come_again() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    server.mood(Mood::Down);
    let stage = fetched(json!({ "url": server.jwks() })).await;
    let reply = stage.send(Ask::get(OWN).bearer(&token(Algorithm::ES256))).await;
    assert_eq!((reply.verdict().as_str(), reply.header("retry-after")), ("503 keys_unavailable", "1"));
    assert_eq!(stage.send(Ask::get(OWN)).await.verdict(), "401 token_missing");
    let ready = stage.admin("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("session has no keys yet"), "{}", ready.text());
    stage.assert_untouched().await;
    server.mood(Mood::Serving);
    comes_to(&stage, &token(Algorithm::ES256), "200").await;
    assert_eq!(stage.admin("/readyz").await.status, 200);
}

#[tokio::test]
async fn made_up_key_names_do_not_flood_the_issuer() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    let stage = stage(|c| {
        fetching(c, json!({ "url": server.jwks() }));
        c.set("listen.limits.connections_per_ip", 1000);
    })
    .await;
    let good = token(Algorithm::ES256);
    let (_, rest) = good.split_once('.').unwrap();
    let made_up = |nth: usize| {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": format!("made-up-{nth}") });
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
    };
    let client = stage.http1();
    let flood = join_all((0..300).map(|nth| client.send(Ask::get(OWN).bearer(&made_up(nth)))));
    let (flooded, honest) = tokio::join!(flood, client.send(Ask::get(OWN).bearer(&good)));
    assert!(flooded.iter().all(|reply| reply.verdict() == "401 token_invalid"));
    assert_eq!(honest.status, 200);
    assert_eq!(stage.backend.requests().len(), 1);
    assert!(server.sets() <= 2, "{} fetches", server.sets());
}

#[tokio::test]
async fn redirects_stay_where_they_are() {
    let foreign = KeyServer::start(&[Algorithm::ES384]).await;
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    for (to, wanted) in [
        ("/moved".to_owned(), "200"),
        (format!("{}/moved", server.url()), "200"),
        ("/jwks".to_owned(), "503 keys_unavailable"),
        (foreign.jwks(), "503 keys_unavailable"),
        (foreign.jwks().replace("http:", ""), "503 keys_unavailable"),
        (server.url().replace("http:", "https:"), "503 keys_unavailable"),
        (server.url().replace("//", "//ada@"), "503 keys_unavailable"),
    ] {
        server.mood(Mood::Redirecting(to.clone()));
        let before = server.sets();
        let stage = fetched(json!({ "url": server.jwks() })).await;
        assert_eq!(verdict(&stage, &token(Algorithm::ES256)).await, wanted, "{to}");
        assert_ne!(verdict(&stage, &token(Algorithm::ES384)).await, "200", "{to}");
        assert!(to != "/jwks" || server.sets() - before >= 4, "three are followed");
    }
    assert_eq!(foreign.sets(), 0);
}

#[tokio::test]
async fn an_answer_that_is_none_leaves_the_keys_as_they_were() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    let stage = fetched(json!({ "url": server.jwks(), "refresh": "1s" })).await;
    let large = format!("{{\"keys\":[]{}}}", " ".repeat(256 * 1024));
    let padded = Issuer.jwks(&[Algorithm::ES384]) + &" ".repeat(256 * 1024);
    let oct = json!({ "keys": [{ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET), "kid": "secret" }] });
    for mood in [
        Mood::Saying(large),
        Mood::Saying(padded),
        Mood::Saying("<html>".to_owned()),
        Mood::Saying("{\"keys\":[]}".to_owned()),
        Mood::Saying(oct.to_string()),
        Mood::Status(500),
        Mood::Status(304),
        Mood::Status(203),
        Mood::Stalling,
    ] {
        server.mood(mood.clone());
        failed_once_more(&stage).await;
        assert_eq!(verdict(&stage, &token(Algorithm::ES256)).await, "200", "{mood:?}");
    }
    assert!(refreshed(&stage, "ok").await < 1.5);
    assert_eq!(verdict(&stage, &stage.issuer.token(&json!({}))).await, "401 token_invalid");
}

#[tokio::test]
async fn a_set_that_did_not_change_is_not_sent_again() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    server.etag("W/\"one\"");
    let stage = fetched(json!({ "url": server.jwks(), "refresh": "1s", "stale_for": "3s" })).await;
    // For longer than the keys would last unconfirmed.
    until("five answers", || async { (server.unmodified() >= 5).then_some(()) }).await;
    comes_to(&stage, &token(Algorithm::ES256), "200").await;
    assert!(refreshed(&stage, "unchanged").await > 3.5);
    assert!(refreshed(&stage, "ok").await < 1.5);
    server.publish(Issuer.jwks(&[Algorithm::ES384]));
    server.etag("W/\"two\"");
    comes_to(&stage, &token(Algorithm::ES384), "200").await;
}

#[tokio::test]
async fn keys_that_nobody_confirms_lapse() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    let stage = fetched(json!({ "url": server.jwks(), "refresh": "1s", "stale_for": "2s" })).await;
    let token = token(Algorithm::ES256);
    comes_to(&stage, &token, "200").await;
    server.mood(Mood::Down);
    comes_to(&stage, &token, "503 keys_unavailable").await;
    assert_eq!(stage.send(Ask::get(OWN).bearer(&token)).await.header("retry-after"), "1");
    server.mood(Mood::Serving);
    comes_to(&stage, &token, "200").await;
}

#[tokio::test]
async fn the_issuer_says_where_its_keys_are() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    for (slash, posed, wanted) in [
        ("", None, "200"),
        ("/", None, "503 keys_unavailable"),
        ("/", Some("/"), "200"),
        ("", Some("/"), "503 keys_unavailable"),
    ] {
        let issuer = server.url() + slash;
        server.pose_as(&(server.url() + posed.unwrap_or_default()));
        let stage = stage(|c| {
            fetching(c, json!({ "discover": true }));
            c.set("identities.session.issuer", issuer.clone());
        })
        .await;
        let token = Issuer.sign(Algorithm::ES256, &json!({ "iss": issuer }));
        assert_eq!(verdict(&stage, &token).await, wanted, "{issuer} {posed:?}");
    }
}

#[tokio::test]
async fn a_secret_that_is_published_signs_nothing() {
    let server = KeyServer::start(&[]).await;
    let mut set: Value = serde_json::from_str(&Issuer.jwks(&[Algorithm::ES256])).unwrap();
    let oct = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET), "kid": "secret" });
    set["keys"].as_array_mut().unwrap().push(oct);
    server.publish(set.to_string());
    let stage = stage(|c| {
        fetching(c, json!({ "url": server.jwks() }));
        c.remove("identities.session.algorithms");
    })
    .await;
    assert_eq!(verdict(&stage, &stage.token()).await, "401 token_invalid");
    assert_eq!(verdict(&stage, &token(Algorithm::ES256)).await, "200");
    let told = stage.gateway.err.text();
    assert!(told.contains("shared secret") && !told.contains(&URL_SAFE_NO_PAD.encode(SECRET)), "{told}");
}

#[tokio::test]
async fn a_reload_keeps_the_keys_while_the_issuer_is_down() {
    let server = KeyServer::start(&[Algorithm::ES256]).await;
    let mut stage = fetched(json!({ "url": server.jwks() })).await;
    server.mood(Mood::Down);
    let copy = stage.site.path("state/keys/session.json");
    until("the copy", || async { copy.exists().then_some(()) }).await;
    std::fs::remove_dir_all(stage.site.path("state")).unwrap();
    stage.configuration.add_route(json!({ "name": "fresh", "match": "GET /fresh" }));
    stage.site.configure(&stage.configuration);
    stage.gateway.reload("reloaded").await;
    let ask = Ask::get("/fresh").bearer(&token(Algorithm::ES256));
    assert_eq!(stage.send(ask).await.status, 200);
    assert_eq!(server.sets(), 1, "nothing was fetched for it");
}

#[tokio::test]
async fn over_tls_the_server_has_to_prove_its_name() {
    let certificates = Certificates::new();
    let server = Backend::https(&certificates, "localhost").await;
    let keys = Canned { status: 200, headers: Vec::new(), body: Issuer.jwks(&[Algorithm::ES256]).leak() };
    server.answer("/jwks", keys);
    let port = server.address().port();
    for (host, authority, wanted) in [
        ("localhost", Some("tls/ca.pem"), "200"),
        ("127.0.0.1", Some("tls/ca.pem"), "503 keys_unavailable"),
        ("localhost", None, "503 keys_unavailable"),
    ] {
        let mut site = Site::furnished(&certificates);
        site.env("SSL_CERT_FILE", authority);
        let backend = Backend::http().await;
        let mut configuration = Configuration::complete(backend.url());
        fetching(&mut configuration, json!({ "url": format!("https://{host}:{port}/jwks") }));
        site.configure(&configuration);
        let gateway = Gateway::start(&site).await;
        let client = Client::http1(gateway.https(), &certificates);
        let reply = client.send(Ask::get(OWN).bearer(&token(Algorithm::ES256))).await;
        assert_eq!(reply.verdict(), wanted, "{host} {authority:?}");
    }
}
