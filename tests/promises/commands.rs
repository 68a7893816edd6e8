//! Every command explains itself, exits as the contract says and never shows a secret.

use std::time::Duration;

use harness::issuer::{Algorithm, SECRET};
use harness::{Ask, Backend, Certificates, Configuration, Issuer, Outcome, Site, Value, json, stage, within};

const COMMANDS: &[&str] = &[
    "run", "demo", "init", "test", "explain", "replay", "import", "schema", "token", "key", "swap",
    "webhooks", "webhook",
];

fn site() -> Site {
    let site = Site::furnished(&Certificates::new());
    site.configure(&Configuration::complete("http://127.0.0.1:1"));
    site
}

#[tokio::test]
async fn every_command_has_help_with_an_example() {
    let site = Site::new();
    let overview = site.run(&["--help"]).await.expect(0).stdout;
    for command in COMMANDS {
        assert!(overview.contains(command), "{command} is not in\n{overview}");
        let help = site.run(&[command, "--help"]).await.expect(0).stdout;
        assert!(help.to_lowercase().contains("example"), "{command}: no example in\n{help}");
        assert!(help.contains(&format!("portcullis {command}")), "{command}: no line to paste in\n{help}");
    }
    let version = site.run(&["--version"]).await.expect(0).stdout;
    assert!(version.starts_with("portcullis "), "{version}");
}

#[tokio::test]
async fn misuse_exits_with_2() {
    let site = Site::new();
    for args in [
        &["nonsense"][..],
        &["run", "--nonsense"],
        &["explain"],
        &["replay"],
        &["init"],
        &["import", "cloudflare"],
        &["webhooks", "nobody"],
        &["webhook", "sign"],
    ] {
        let outcome = site.run(args).await.expect(2);
        assert!(outcome.stderr.contains("error"), "{args:?}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "", "{args:?}");
    }
}

#[tokio::test]
async fn the_schema_is_json() {
    let schema = Site::new().run(&["schema"]).await.expect(0).json();
    for key in ["listen", "upstreams", "identities", "routes", "defaults"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    assert!(schema["$schema"].as_str().is_some_and(|draft| draft.contains("2020-12")));
    assert_eq!(schema["additionalProperties"], false, "an unknown key is an error in the editor too");
}

async fn tested(tests: Value) -> (Outcome, Site) {
    let site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    configuration.set("tests", tests);
    site.configure(&configuration);
    (site.run(&["test", "--config", "portcullis.yaml"]).await, site)
}

#[tokio::test]
async fn test_says_which_expectation_failed_and_why() {
    let passing = json!([
        { "as": { "tenant": "acme" }, "send": "GET /v1/acme/conversations", "expect": "allow" },
        { "as": { "tenant": "acme" }, "send": "GET /v1/globex/conversations", "expect": "403 tenant_mismatch" },
        { "send": "GET /v1/acme/conversations", "expect": "401 token_missing" },
        { "as": { "roles": ["user"] }, "send": "GET /admin/users", "expect": "403 role_required" },
        { "send": "GET /nowhere", "expect": "404 no_route" },
    ]);
    let _ = tested(passing.clone()).await.0.expect(0);

    let mut failing = passing;
    failing[0]["expect"] = json!("403 tenant_mismatch");
    let (outcome, site) = tested(failing).await;
    let outcome = outcome.expect(1);
    assert!(outcome.stdout.contains("tenant_mismatch"), "{}", outcome.stdout);
    let table = site.run(&["test", "--config", "portcullis.yaml", "--format", "json"]).await.expect(1).json();
    assert!(table.is_array() || table.is_object(), "{table}");

    site.write("portcullis.yaml", "version: 1\nroutes: 7\n");
    let broken = site.run(&["test", "--config", "portcullis.yaml"]).await.expect(2);
    assert!(broken.stderr.contains("portcullis.yaml:2"), "{}", broken.stderr);
}

#[tokio::test]
async fn test_needs_no_network_and_no_backend() {
    let site = site();
    let outcome = site.run(&["test"]).await.expect(0);
    assert!(!format!("{}{}", outcome.stdout, outcome.stderr).contains(SECRET));
}

#[tokio::test]
async fn a_minted_token_opens_its_own_tenant_only() {
    let stage = stage(|_| {}).await;
    let args = ["token", "--config", "portcullis.yaml", "--identity", "session"];
    let claims = ["--claim", "sub=grace", "--claim", "org_id=acme"];
    let minted = stage.site.run(&[&args[..], &claims].concat()).await.expect(0).stdout;
    let token = minted.trim();
    assert_eq!(token.split('.').count(), 3, "{minted}");
    assert_eq!(stage.send(Ask::get("/v1/acme/conversations").bearer(token)).await.status, 200);
    assert_eq!(stage.backend.last().header("x-user-id"), Some("grace"));
    assert_eq!(
        stage.send(Ask::get("/v1/globex/conversations").bearer(token)).await.verdict(),
        "403 tenant_mismatch"
    );
    let unknown =
        stage.site.run(&["token", "--config", "portcullis.yaml", "--identity", "sesion"]).await.expect(2);
    assert!(unknown.stderr.contains("sesion"), "{}", unknown.stderr);
}

#[tokio::test]
async fn a_token_cannot_be_minted_without_the_signing_secret() {
    let site = Site::furnished(&Certificates::new());
    site.write("keys/jwks.json", &harness::Issuer.jwks(&[harness::issuer::Algorithm::ES256]));
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    configuration.set("identities.session.algorithms", json!(["ES256"])).remove("secrets.session");
    configuration.set("identities.session.keys", json!({ "file": "keys/jwks.json" }));
    site.configure(&configuration);
    let outcome =
        site.run(&["token", "--config", "portcullis.yaml", "--identity", "session"]).await.expect(2);
    assert!(outcome.stderr.contains("error"), "{}", outcome.stderr);
}

#[tokio::test]
async fn init_writes_what_passes_and_serves() {
    let backend = Backend::http().await;
    let site = Site::new();
    let _ = site.run(&["init", "--upstream", backend.url()]).await.expect(0);
    let text = std::fs::read_to_string(site.path("portcullis.yaml")).expect("init writes portcullis.yaml");
    assert!(text.contains(backend.url()) && text.contains('#'), "commented, with the upstream:\n{text}");
    let _ = site.run(&["test"]).await.expect(0);
    let again = site.run(&["init", "--upstream", backend.url()]).await.expect(2);
    assert!(again.stderr.contains("portcullis.yaml"), "it does not overwrite: {}", again.stderr);
    assert_eq!(std::fs::read_to_string(site.path("portcullis.yaml")).unwrap(), text);
}

#[tokio::test]
async fn explain_walks_through_the_gates() {
    let site = site();
    let text = std::fs::read_to_string(site.path("portcullis.yaml")).unwrap();
    let refused = ["explain", "GET /v1/globex/conversations", "--as", "tenant=acme"];
    let told = site.run(&refused).await.expect(0).stdout;
    for part in ["list", "tenant", "tenant_mismatch", "403"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    let line = text.lines().position(|line| line.contains("/v1/{tenant}/conversations")).unwrap() + 1;
    assert!(
        (line.saturating_sub(2)..line + 4).any(|line| told.contains(&format!("portcullis.yaml:{line}"))),
        "{told}"
    );
    let admitted =
        site.run(&["explain", "GET /v1/acme/conversations", "--as", "tenant=acme"]).await.expect(0).stdout;
    assert!(admitted.contains("allow"), "{admitted}");
    let nowhere = site.run(&["explain", "GET /nowhere"]).await.expect(0).stdout;
    assert!(nowhere.contains("no_route"), "{nowhere}");
    let _ = site.run(&["explain", "GET /nowhere", "--format", "json"]).await.expect(0).json();
}

#[tokio::test]
async fn colour_is_for_terminals_only() {
    let mut site = site();
    site.env("NO_COLOR", Some("1"));
    site.write("portcullis.yaml", "version: 1\nrotues: []\n");
    let outcome = site.run(&["test"]).await.expect(2);
    assert!(!outcome.stderr.contains('\u{1b}'), "{}", outcome.stderr);
    site.env("NO_COLOR", None);
    let outcome = site.run(&["test"]).await.expect(2);
    assert!(!outcome.stderr.contains('\u{1b}'), "not a terminal: {}", outcome.stderr);
}

#[tokio::test]
async fn the_demo_prints_lines_that_can_be_pasted() {
    let site = Site::new();
    let mut child = site.command(&["demo"]).spawn().unwrap();
    let out = harness::lines::Lines::collect(child.stdout.take().unwrap());
    let err = harness::lines::Lines::collect(child.stderr.take().unwrap());
    let either = async {
        tokio::select! { line = out.containing("curl ") => line, line = err.containing("curl ") => line }
    };
    let line = within("a curl line", either).await;
    let pasted = line.get(line.find("curl ").unwrap()..).unwrap().to_owned();
    let run = tokio::process::Command::new("sh").arg("-c").arg(&pasted).current_dir(site.path("")).output();
    let output = within("curl", run).await.unwrap();
    assert!(output.status.success(), "{pasted}\n{}", String::from_utf8_lossy(&output.stderr));
    let id = child.id().expect("it still runs");
    let status =
        tokio::process::Command::new("sh").args(["-c", &format!("kill -s INT {id}")]).status().await.unwrap();
    assert!(status.success());
    let ended = tokio::time::timeout(Duration::from_secs(10), child.wait()).await;
    assert_eq!(ended.expect("Ctrl-C stops it").unwrap().code(), Some(0));
}

#[tokio::test]
async fn offline_a_file_stands_in_for_what_would_be_fetched() {
    let own = "/v1/acme/conversations";
    let token = |algorithm| Issuer.sign(algorithm, &json!({}));
    let site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    configuration
        .set("environment", "staging")
        .set("identities.session.algorithms", json!(["ES256", "ES384"]));
    configuration.set("identities.session.keys", json!({ "url": "http://127.0.0.1:1/jwks" }));
    let bearer = format!("Bearer {}", token(Algorithm::ES256));
    let test =
        json!({ "send": format!("GET {own}"), "headers": { "authorization": bearer }, "expect": "allow" });
    configuration.set("tests", json!([test]));
    site.configure(&configuration);
    site.write("keys.json", &Issuer.jwks(&[Algorithm::ES256]));
    site.write("none.json", "{\"keys\":[]}");
    let at = |at: &str, headers: Value| {
        json!({ "id": "1", "at": at, "peer": "192.0.2.1", "tls": true, "method": "GET",
            "url": format!("https://app.example.test{own}"), "headers": headers })
        .to_string()
    };
    let now = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap();
    let lines = [
        at(&now, json!([["authorization", bearer]])),
        at("2099-01-01T00:00:00.000Z", json!([["authorization", bearer]])),
        at(&now, json!([["authorization", format!("Bearer {}", token(Algorithm::ES384))]])),
    ];
    site.write("requests.jsonl", &lines.join("\n"));
    let codes = |outcome: &Outcome| -> Vec<Value> {
        outcome.json_lines().iter().map(|line| line["code"].clone()).collect()
    };
    let without = site.run(&["replay", "requests.jsonl"]).await.expect(0);
    assert_eq!(codes(&without), vec![json!("keys_unavailable"); 3]);
    let with = site.run(&["replay", "--jwks", "session=keys.json", "requests.jsonl"]).await.expect(0);
    assert_eq!(codes(&with), [Value::Null, json!("token_expired"), json!("token_invalid")]);

    let _ = site.run(&["test"]).await.expect(1);
    let _ = site.run(&["test", "--jwks", "session=keys.json"]).await.expect(0);
    let explain = ["explain", &format!("GET {own}"), "--header", &format!("authorization: {bearer}")];
    assert!(site.run(&explain).await.expect(0).stdout.contains("keys_unavailable"));
    let explained =
        site.run(&[&explain[..], &["--jwks", "session=keys.json"]].concat()).await.expect(0).stdout;
    assert!(!explained.contains("keys_unavailable"), "{explained}");

    for (pair, why) in [
        ("session", "names no identity and file"),
        ("nobody=keys.json", "no identity `nobody`"),
        ("session=gone.json", "cannot be read"),
        ("session=none.json", "no usable key"),
    ] {
        let told = site.run(&["replay", "--jwks", pair, "requests.jsonl"]).await.expect(2).stderr;
        assert!(told.contains(why), "{pair}: {told}");
    }
    let twice = ["test", "--jwks", "session=keys.json", "--jwks", "session=keys.json"];
    assert!(site.run(&twice).await.expect(2).stderr.contains("a key set already"));
}
