//! A broken configuration never serves: it does not start, and it does not replace a good one.

use harness::issuer::SECRET;
use harness::{Ask, Backend, Certificates, Configuration, Gateway, Site, Stage, json, stage, until};

async fn route_answers(stage: &Stage, path: &str, status: u16) {
    until(&format!("{path} to answer {status}"), || async {
        (stage.send(Ask::get(path)).await.status == status).then_some(())
    })
    .await;
}

/// Whether a reload had another outcome than being applied.
async fn refused_once(stage: &Stage) -> Option<()> {
    let all = stage.metric("portcullis_config_reloads_total", &[]).await;
    let applied = stage.metric("portcullis_config_reloads_total", &[("outcome", "applied")]).await;
    (all - applied > 0.5).then_some(())
}

#[tokio::test]
async fn a_good_file_is_taken_over_on_sighup() {
    let mut stage = stage(|_| {}).await;
    assert_eq!(stage.send(Ask::get("/fresh")).await.status, 404);
    let before = stage.gateway.log_line(|line| line["path"] == "/fresh").await;
    stage.configuration.add_route(json!({ "name": "fresh", "match": "GET /fresh", "public": "new" }));
    stage.site.configure(&stage.configuration);
    stage.gateway.signal("HUP").await;
    route_answers(&stage, "/fresh", 200).await;
    let after = stage.gateway.log_line(|line| line["path"] == "/fresh" && line["status"] == 200).await;
    assert_ne!(before["config"], after["config"], "the log names the configuration in force");
    assert!(stage.metric("portcullis_config_reloads_total", &[]).await > 0.5);
}

#[tokio::test]
async fn a_changed_file_is_taken_over_without_a_signal() {
    let mut stage = stage(|_| {}).await;
    assert_eq!(stage.send(Ask::get("/fresh")).await.verdict(), "404 no_route");
    stage.configuration.add_route(json!({ "name": "fresh", "match": "GET /fresh", "public": "new" }));
    stage.site.configure(&stage.configuration);
    route_answers(&stage, "/fresh", 200).await;
}

#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart() {
    let mut stage = stage(|_| {}).await;
    let renewed = Certificates::new();
    let pair = renewed.issue(&["app.example.test"]);
    stage.site.write("tls/app.key", &pair.key);
    stage.site.write("tls/app.pem", &pair.cert);
    stage.certificates = renewed;
    until("the new certificate", || async { stage.http2().connect().await.ok() }).await;
    let other = Certificates::new().issue(&["app.example.test"]);
    stage.site.write("tls/app.pem", &other.cert);
    stage.gateway.signal("HUP").await;
    until("a certificate of another key to be refused", || refused_once(&stage)).await;
    assert_eq!(stage.send(Ask::get("/healthz")).await.status, 200, "the pair in force stays");
}

#[tokio::test]
async fn a_broken_file_leaves_the_old_one_serving() {
    let stage = stage(|_| {}).await;
    let mut broken = stage.configuration.clone();
    broken.add_route(json!({ "name": "fresh", "match": "GET /fresh", "public": "new" }));
    broken.add_route(json!({ "name": "wrong", "match": "GET /wrong", "publick": "a slip of the pen" }));
    stage.site.configure(&broken);
    let line = stage.site.line_of("publick");
    let told = stage.gateway.reload(&format!("portcullis.yaml:{line}")).await;
    assert!(!told.contains(SECRET));
    until("the refused reload to be counted", || refused_once(&stage)).await;
    assert_eq!(stage.send(Ask::get("/fresh")).await.status, 404, "nothing of the broken file is in force");
    assert_eq!(stage.send(Ask::get("/v1/acme/conversations").bearer(&stage.token())).await.status, 200);
    assert_eq!(stage.send(Ask::get("/v1/acme/conversations")).await.verdict(), "401 token_missing");

    // And it recovers.
    let mut mended = stage.configuration.clone();
    mended.add_route(json!({ "name": "fresh", "match": "GET /fresh", "public": "new" }));
    stage.site.configure(&mended);
    stage.gateway.signal("HUP").await;
    route_answers(&stage, "/fresh", 200).await;
}

#[tokio::test]
async fn a_file_whose_own_tests_fail_is_not_taken_over() {
    let stage = stage(|_| {}).await;
    let mut failing = stage.configuration.clone();
    failing.add_route(json!({ "name": "fresh", "match": "GET /fresh", "public": "new" }));
    failing.set("tests", json!([{ "send": "GET /fresh", "expect": "401 token_missing" }]));
    stage.site.configure(&failing);
    stage.gateway.signal("HUP").await;
    until("the reload to be refused", || refused_once(&stage)).await;
    assert_eq!(stage.send(Ask::get("/fresh")).await.status, 404);
}

/// The last line of a report, `error: 1 problem in portcullis.yaml`, tells nothing new.
fn counts(line: &str) -> bool {
    line.contains("1 problem in ")
}

/// A complete site, with one thing broken, does not start.
async fn refuses_to_start(what: &str, named: &str, breakage: impl FnOnce(&mut Site, &mut Configuration)) {
    let certificates = Certificates::new();
    let backend = Backend::http().await;
    let mut site = Site::furnished(&certificates);
    let mut configuration = Configuration::complete(backend.url());
    breakage(&mut site, &mut configuration);
    site.configure(&configuration);
    let Err(outcome) = Gateway::try_start(&site).await else { panic!("{what}: it serves") };
    assert_eq!(outcome.code, 2, "{what}: {}", outcome.stderr);
    let errors = outcome.stderr.lines().filter(|line| line.starts_with("error") && !counts(line)).count();
    assert_eq!(errors, 1, "{what}: one clear error, not\n{}", outcome.stderr);
    assert!(outcome.stderr.contains(named), "{what}: {named} is not named in\n{}", outcome.stderr);
    assert!(
        !outcome.stderr.contains("panicked") && !outcome.stderr.contains("PRIVATE KEY"),
        "{}",
        outcome.stderr
    );
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn what_is_missing_at_the_start_is_named() {
    refuses_to_start("no secret in the environment", "SESSION_SECRET", |site, _| {
        site.env("SESSION_SECRET", None);
    })
    .await;
    refuses_to_start("an empty secret", "SESSION_SECRET", |site, _| {
        site.env("SESSION_SECRET", Some(""));
    })
    .await;
    refuses_to_start("no secret file", "secrets/none", |_, c| {
        c.set("secrets.session", json!({ "file": "secrets/none" }));
    })
    .await;
    refuses_to_start("no key file", "keys/none.pem", |_, c| {
        c.set("identities.session.algorithms", json!(["RS256"])).remove("secrets.session");
        c.set("identities.session.keys", json!({ "pem": "keys/none.pem" }));
    })
    .await;
    refuses_to_start("a key file of nonsense", "keys/bad.pem", |site, c| {
        site.write("keys/bad.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
        c.set("identities.session.algorithms", json!(["RS256"])).remove("secrets.session");
        c.set("identities.session.keys", json!({ "pem": "keys/bad.pem" }));
    })
    .await;
    refuses_to_start("a key set that is no JSON", "keys/jwks.json", |site, c| {
        site.write("keys/jwks.json", "{");
        c.set("identities.session.algorithms", json!(["RS256"])).remove("secrets.session");
        c.set("identities.session.keys", json!({ "file": "keys/jwks.json" }));
    })
    .await;
    refuses_to_start("an empty key set", "keys/jwks.json", |site, c| {
        site.write("keys/jwks.json", r#"{"keys":[]}"#);
        c.set("identities.session.algorithms", json!(["RS256"])).remove("secrets.session");
        c.set("identities.session.keys", json!({ "file": "keys/jwks.json" }));
    })
    .await;
}

#[tokio::test]
async fn an_unreadable_certificate_is_named() {
    refuses_to_start("no certificate", "tls/app.pem", |site, _| {
        std::fs::remove_file(site.path("tls/app.pem")).unwrap();
    })
    .await;
    refuses_to_start("no key", "tls/app.key", |site, _| {
        std::fs::remove_file(site.path("tls/app.key")).unwrap();
    })
    .await;
    refuses_to_start("a certificate of nonsense", "tls/app.pem", |site, _| {
        site.write("tls/app.pem", "nonsense");
    })
    .await;
    refuses_to_start("a folder for a certificate", "tls/app.pem", |site, _| {
        std::fs::remove_file(site.path("tls/app.pem")).unwrap();
        std::fs::create_dir(site.path("tls/app.pem")).unwrap();
    })
    .await;
    refuses_to_start("the key of another certificate", "tls/app", |site, _| {
        let other = std::fs::read_to_string(site.path("tls/api.key")).unwrap();
        site.write("tls/app.key", &other);
    })
    .await;
}

#[tokio::test]
async fn no_file_is_an_error_and_not_a_default() {
    let site = Site::new();
    let outcome = site.run(&["run", "--config", "nowhere.yaml"]).await.expect(2);
    assert!(outcome.stderr.contains("nowhere.yaml"), "{}", outcome.stderr);
    site.write("portcullis.yaml", "");
    let outcome = site.run(&["run", "--config", "portcullis.yaml"]).await.expect(2);
    assert!(outcome.stderr.starts_with("error"), "{}", outcome.stderr);
}

#[tokio::test]
async fn the_state_folder_stays_where_it_is_until_a_restart() {
    let mut stage = stage(|_| {}).await;
    stage.configuration.set("state.path", "elsewhere");
    stage.site.configure(&stage.configuration);
    stage.gateway.reload("`state.path` cannot change").await;
}
