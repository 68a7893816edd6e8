//! `portcullis swap` proves on a running deployment what the configuration promises, and sees where it does not hold.

use harness::stage::stage_with;
use harness::{Backend, Certificates, Gateway, Outcome, Site, Stage, Value, json, stage};

struct Pair {
    stage: Stage,
    tokens: [String; 2],
}

/// A stage with tokens of users in two tenants: one in the environment, one in a file.
async fn pair(change: impl FnOnce(&mut harness::Configuration)) -> Pair {
    furnish(stage(change).await)
}

fn furnish(mut stage: Stage) -> Pair {
    let tokens = [stage.token(), stage.issuer.token(&json!({ "sub": "bob", "org_id": "globex" }))];
    stage.site.env("TOKEN_A", Some(&tokens[0]));
    stage.site.write("bob.token", &format!("{}\n", tokens[1]));
    Pair { stage, tokens }
}

impl Pair {
    fn here(&self) -> String {
        format!("https://localhost:{}", self.stage.gateway.https().port())
    }

    /// `portcullis swap` at `base`, with both tokens and the stage's authority.
    async fn swap(&self, base: &str, more: &[&str]) -> Outcome {
        let args = ["swap", "--token", "env:TOKEN_A", "--token", "@bob.token", "--base-url", base];
        let outcome = self.stage.site.run(&[&args[..], &["--ca", "tls/ca.pem"], more].concat()).await;
        for token in &self.tokens {
            let signature = token.rsplit('.').next().unwrap();
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(!said.contains(signature), "a token is in the output:\n{said}");
        }
        outcome
    }

    async fn table(&self, base: &str, more: &[&str], code: i32) -> Value {
        self.swap(base, &[more, &["--format", "json"]].concat()).await.expect(code).json()
    }
}

fn tries<'t>(table: &'t Value, verdict: &str) -> Vec<&'t Value> {
    table["tries"].as_array().unwrap().iter().filter(|row| row["verdict"] == verdict).collect()
}

#[tokio::test]
async fn what_holds_is_proved_without_changing_anything() {
    let pair = pair(|_| {}).await;
    let table = pair.table(&pair.here(), &[], 0).await;
    // Two routes, two methods, two tokens, one place each.
    let held = tries(&table, "held");
    assert_eq!((held.len(), &table["held"], &table["holds"]), (8, &json!(8), &json!(true)), "{table:#}");
    for row in &held {
        assert_eq!((&row["status"], &row["place"]), (&json!(403), &json!("path.tenant")), "{row}");
        assert_ne!(row["tenant"], row["named"]);
        // HEAD has no body to say it in.
        let code = if row["method"] == "GET" { json!("tenant_mismatch") } else { Value::Null };
        assert_eq!(row["code"], code, "{row}");
    }
    assert_eq!(tries(&table, "admitted").len(), 8, "each has its honest twin: {table:#}");
    let skipped: Vec<_> = table["skipped"].as_array().unwrap().iter().map(|row| &row["route"]).collect();
    assert_eq!(skipped, ["create", "documents", "files"], "{table:#}");
    assert_eq!(table["unbound"], json!(["chat", "anything", "admin", "writers", "careful", "socket"]));
    for seen in pair.stage.backend.requests() {
        assert!(matches!(seen.method.as_str(), "GET" | "HEAD"), "{seen:?}");
        let tenant = seen.header("x-tenant-id").unwrap();
        assert!(seen.target.starts_with(&format!("/v1/{tenant}/")), "{seen:?}");
    }
    let text = pair.swap(&pair.here(), &[]).await.expect(0).stdout;
    let line = pair.stage.site.line_of("\"create\"");
    for part in [
        "held",
        "path.tenant: globex",
        "403 tenant_mismatch",
        "own tenant",
        "`--active` tries it",
        "8 held, 0 leaked",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(text.contains(&format!("portcullis.yaml:{line}")), "{line}\n{text}");
}

#[tokio::test]
async fn every_place_is_swapped_alone_and_with_the_others() {
    let pair = pair(|_| {}).await;
    let table = pair.table(&pair.here(), &["--active"], 0).await;
    let places: Vec<_> = tries(&table, "held")
        .into_iter()
        .filter(|row| row["route"] == "create" && row["token"] == "A")
        .map(|row| (row["method"].as_str().unwrap(), row["place"].as_str().unwrap()))
        .collect();
    assert_eq!(places, [("POST", "path.tenant"), ("POST", "body:/tenant_id"), ("POST", "every place")]);
    assert_eq!((&table["held"], &table["skipped"]), (&json!(22), &json!([])), "{table:#}");
    let created = pair.stage.backend.requests();
    let created: Vec<_> = created
        .iter()
        .filter(|seen| seen.method == "POST" && seen.target.ends_with("/conversations"))
        .collect();
    assert_eq!(created.len(), 2, "the honest twins, and nothing else: {created:#?}");
    for seen in created {
        assert_eq!(seen.json(), json!({ "tenant_id": seen.header("x-tenant-id").unwrap() }));
    }
}

#[tokio::test]
async fn a_backend_without_its_gateway_leaks() {
    let pair = pair(|_| {}).await;
    let base = pair.stage.backend.url();
    let table = pair.table(base, &[], 1).await;
    assert_eq!((&table["held"], &table["leaks"]), (&json!(0), &json!(8)), "{table:#}");
    let text = pair.swap(base, &[]).await.expect(1).stdout;
    assert!(text.contains("LEAK") && text.contains("0 held, 8 leaked"), "{text}");
}

#[tokio::test]
async fn a_backend_that_says_no_in_its_own_words_is_no_gateway() {
    let pair = pair(|_| {}).await;
    for (content, body) in [
        ("application/json", r#"{"code":"tenant_mismatch","request_id":"1"}"#),
        ("application/problem+json", r#"{"code":"not_yours","request_id":"1"}"#),
        ("application/problem+json", r#"{"code":"tenant_mismatch"}"#),
        ("application/problem+json", r#"{"code":"role_required"}"#),
        ("text/plain", "no"),
    ] {
        for tenant in ["acme", "globex"] {
            let headers = vec![("content-type", content)];
            let canned = harness::backend::Canned { status: 403, headers, body };
            pair.stage.backend.answer(&format!("/v1/{tenant}/conversations"), canned);
        }
        let table = pair.table(pair.stage.backend.url(), &[], 1).await;
        let leaks = tries(&table, "leak");
        assert!(
            leaks.iter().any(|row| row["route"] == "list" && row["method"] == "GET"),
            "{body}: {table:#}"
        );
    }
}

#[tokio::test]
async fn a_route_that_runs_open_leaks_and_the_others_hold() {
    let pair = pair(|_| {}).await;
    for (name, change) in [
        ("public", json!({ "public": "somebody thought so" })),
        ("observed", json!({ "tenant": "path.tenant", "mode": "observe" })),
    ] {
        let certificates = Certificates::new();
        let open = Site::furnished(&certificates);
        let open = stage_with(Backend::http().await, certificates, open, |configuration| {
            let route = configuration.route("list").as_object_mut().unwrap();
            route.remove("tenant");
            route.extend(change.as_object().unwrap().clone());
        })
        .await;
        std::fs::copy(open.site.path("tls/ca.pem"), pair.stage.site.path("tls/ca.pem")).unwrap();
        let base = format!("https://localhost:{}", open.gateway.https().port());
        let table = pair.table(&base, &[], 1).await;
        assert_eq!((&table["held"], &table["leaks"]), (&json!(4), &json!(4)), "{name}: {table:#}");
        assert!(tries(&table, "leak").iter().all(|row| row["route"] == "list"), "{name}: {table:#}");
    }
}

#[tokio::test]
async fn what_is_passed_on_is_a_leak_although_no_backend_answers() {
    let pair = pair(|_| {}).await;
    let certificates = Certificates::new();
    let open = Site::furnished(&certificates);
    let mut configuration = harness::Configuration::complete("http://127.0.0.1:1");
    configuration.route("list")["mode"] = json!("observe");
    open.configure(&configuration);
    let gateway = Gateway::start(&open).await;
    std::fs::copy(open.path("tls/ca.pem"), pair.stage.site.path("tls/ca.pem")).unwrap();
    let table = pair.table(&format!("https://localhost:{}", gateway.https().port()), &[], 1).await;
    assert_eq!((&table["held"], &table["leaks"]), (&json!(4), &json!(4)), "{table:#}");
    assert_eq!(tries(&table, "admitted").len(), 8, "{table:#}");
}

#[tokio::test]
async fn a_token_that_is_refused_proves_nothing() {
    let pair = pair(|_| {}).await;
    pair.stage.site.write("bob.token", &pair.stage.issuer.forged(&json!({ "org_id": "globex" })));
    let table = pair.table(&pair.here(), &[], 1).await;
    assert_eq!((&table["held"], &table["not_proved"], &table["leaks"]), (&json!(4), &json!(4), &json!(0)));
    for row in tries(&table, "not_proved") {
        assert_eq!(
            (&row["token"], &row["why"]),
            (&json!("B"), &json!("the token itself is refused")),
            "{row}"
        );
    }
    assert_eq!(tries(&table, "refused").len(), 4, "{table:#}");
}

#[tokio::test]
async fn a_gateway_that_refuses_everybody_proves_nothing() {
    let pair = pair(|_| {}).await;
    // As if the tokens said nothing: who is tried as whom does not fit what the gateway reads.
    let table = pair.table(&pair.here(), &["--tenant", "A=initech", "--tenant", "B=hooli"], 1).await;
    assert_eq!((&table["held"], &table["not_proved"]), (&json!(0), &json!(8)), "{table:#}");
}

#[tokio::test]
async fn nobody_at_the_address_is_not_a_proof() {
    let pair = pair(|_| {}).await;
    for (base, ca) in [("https://localhost:1", "tls/ca.pem"), (pair.here().as_str(), "tls/other.pem")] {
        pair.stage.site.write("tls/other.pem", &Certificates::new().ca_pem());
        let table = pair.table(base, &[], i32::from(ca == "tls/ca.pem")).await;
        if ca == "tls/ca.pem" {
            assert_eq!((&table["held"], &table["unreachable"]), (&json!(0), &json!(8)), "{table:#}");
        }
        let args =
            ["swap", "--token", "env:TOKEN_A", "--token", "@bob.token", "--base-url", base, "--ca", ca];
        let text = pair.stage.site.run(&args).await.expect(1).stdout;
        assert!(text.contains("0 held") && text.contains("8 unreachable"), "{text}");
    }
    // The system trusts no authority of ours.
    let args = ["swap", "--token", "env:TOKEN_A", "--token", "@bob.token", "--base-url", &pair.here()];
    let text = pair.stage.site.run(&args).await.expect(1).stdout;
    assert!(text.contains("0 held") && text.contains("8 unreachable"), "{text}");
}

#[tokio::test]
async fn a_listener_that_only_redirects_is_named() {
    let pair = pair(|_| {}).await;
    let base = format!("http://localhost:{}", pair.stage.gateway.http().port());
    let text = pair.swap(&base, &[]).await.expect(1).stdout;
    assert!(text.contains("it only redirects: try `--base-url https://localhost"), "{text}");
    assert!(text.contains("0 held, 0 leaked, 8 not proved"), "{text}");
}

#[tokio::test]
async fn other_captures_are_what_one_says() {
    let pair = pair(|_| {}).await;
    let _ = pair.table(&pair.here(), &["--capture", "stream=s 1"], 0).await;
    let seen = pair.stage.backend.requests();
    assert!(seen.iter().any(|seen| seen.target == "/v1/acme/events/s%201"), "{seen:#?}");
    let outcome = pair.swap(&pair.here(), &["--capture", "steam=7"]).await.expect(2);
    assert!(outcome.stderr.contains("no route captures `steam`"), "{}", outcome.stderr);
}

#[tokio::test]
async fn misuse_is_told_before_anything_is_sent() {
    let pair = pair(|_| {}).await;
    let here = pair.here();
    for (args, word) in [
        (&["--token", "env:TOKEN_A"][..], "two tokens"),
        (&["--token", "env:TOKEN_A", "--token", "env:NOBODY"], "NOBODY"),
        (&["--token", "env:TOKEN_A", "--token", "@nowhere"], "nowhere"),
        (&["--token", "env:TOKEN_A", "--token", "two words"], "token B"),
        (&["--token", "env:TOKEN_A", "--token", "@bob.token", "--tenant", "C=acme"], "no token `C`"),
        (&["--token", "env:TOKEN_A", "--token", "@bob.token", "--tenant", "acme"], "A=acme"),
        (&["--token", "env:TOKEN_A", "--token", "@bob.token", "--ca", "nowhere.pem"], "nowhere.pem"),
        (&["--token", "env:TOKEN_A", "--token", "@bob.token", "--ca", "tls/app.key"], "no certificate"),
        (&["--token", "env:TOKEN_A", "--token", "@bob.token", "--config", "nowhere.yaml"], "nowhere.yaml"),
    ] {
        let outcome = pair.stage.site.run(&[&["swap", "--base-url", &here], args].concat()).await.expect(2);
        assert!(outcome.stderr.contains(word), "{args:?}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "", "{args:?}");
    }
    let remote =
        ["swap", "--token", "env:TOKEN_A", "--token", "@bob.token", "--base-url", "http://192.0.2.1"];
    let outcome = pair.stage.site.run(&remote).await.expect(2);
    assert!(outcome.stderr.contains("would read the tokens"), "{}", outcome.stderr);
    pair.stage.assert_untouched().await;
}

#[tokio::test]
async fn one_tenant_cannot_be_tried_against_itself() {
    let pair = pair(|_| {}).await;
    pair.stage.site.write("bob.token", &pair.stage.issuer.token(&json!({ "sub": "bob" })));
    let text = pair.swap(&pair.here(), &[]).await.expect(1).stdout;
    assert!(text.contains("may act in every tenant of the other") && text.contains("0 held"), "{text}");
    pair.stage.site.write("bob.token", "opaque-0123456789");
    let text = pair.swap(&pair.here(), &[]).await.expect(1).stdout;
    assert!(text.contains("`--tenant B=NAME`"), "{text}");
    // A user of several tenants is tried as one of those that the other is not in.
    let both = pair.stage.issuer.token(&json!({ "sub": "bob", "org_id": ["acme", "globex"] }));
    pair.stage.site.write("bob.token", &both);
    let text = pair.swap(&pair.here(), &[]).await.expect(1).stdout;
    assert!(text.contains("may act in every tenant of the other"), "{text}");
    pair.stage.assert_untouched().await;
}

#[tokio::test]
async fn every_kind_of_place_is_swapped() {
    let places = ["path.tenant", "query.org", "header.x-tenant", "cookie.tenant", "body:/a/tenant"];
    let pair = pair(|configuration| {
        configuration.add_route(json!({ "name": "all", "match": "PUT /v2/{tenant}", "tenant": places }));
        let optional = json!(["path.tenant", { "place": "query.org", "optional": true }]);
        configuration.add_route(json!({ "name": "some", "match": "GET /v3/{tenant}", "tenant": optional }));
    })
    .await;
    let table = pair.table(&pair.here(), &["--active"], 0).await;
    let held = |route: &str, method: &str| -> Vec<_> {
        let rows = tries(&table, "held").into_iter();
        let rows = rows.filter(|row| row["route"] == route && row["method"] == method && row["token"] == "A");
        rows.map(|row| row["place"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(held("all", "PUT"), [&places[..], &["every place"]].concat());
    assert_eq!(held("some", "GET"), ["path.tenant", "query.org", "every place"]);
    let reached = pair.stage.backend.received(|seen| (seen.method == "PUT").then(|| seen.clone())).await;
    assert_eq!((reached.target.as_str(), reached.header("x-tenant")), ("/v2/acme?org=acme", Some("acme")));
    assert_eq!(
        (reached.header("cookie"), reached.json()),
        (Some("tenant=acme"), json!({ "a": { "tenant": "acme" } }))
    );
}
