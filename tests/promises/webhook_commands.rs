//! Webhooks without their providers: what is listed, what a signed line does, and what the log says of it.

use std::process::Stdio;

use harness::{Backend, Certificates, Configuration, Site, Stage, Value, json, within};

/// Good as text, as hexadecimal digits and as base64.
const SECRET: &str = "5ca1ab1e0ddba11f00dcafe0decade5eed5ea5ca1ab1e0ddba11f00dcafe0dec";
const HOST: &str = "app.example.test";

/// Every provider, as the command explains it.
async fn providers(site: &Site) -> Vec<Value> {
    let list = site.run(&["webhooks", "--format", "json"]).await.expect(0).json();
    let mut all = Vec::new();
    for row in list.as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        all.push(site.run(&["webhooks", name, "--format", "json"]).await.expect(0).json());
    }
    all
}

fn is_shared(provider: &Value) -> bool {
    ["hmac", "keyed_hash", "token"].contains(&provider["kind"].as_str().unwrap())
}

/// The webhook of a provider, and its secrets.
fn configure(provider: &Value, configuration: &mut Configuration) {
    let name = provider["name"].as_str().unwrap();
    let slots = provider["scheme"]["signature"].as_array().map_or(1, Vec::len);
    let secrets: Vec<Value> = (0..slots)
        .map(|slot| if slots > 1 { json!({ "env": "HOOK", "slot": slot }) } else { json!({ "env": "HOOK" }) })
        .map(|mut secret| {
            let scheme = &provider["scheme"];
            if !scheme["key_by"].is_null() || scheme["signature"]["pick"] == "$key_id" {
                secret["id"] = json!("key-1");
            }
            secret
        })
        .collect();
    configuration.set(&format!("secrets.{name}"), secrets);
    let settings = provider["settings"].as_array().unwrap().iter().map(|setting| {
        let name = setting["name"].as_str().unwrap();
        let value = if name.ends_with("token") { json!({ "secret": "session" }) } else { json!("value") };
        (name.to_owned(), value)
    });
    let settings = Value::Object(settings.collect());
    let webhook = json!({
        "name": name, "path": format!("/hooks/{name}"), "provider": name, "secret": name, "settings": settings,
    });
    configuration.root["webhooks"].as_array_mut().unwrap().push(webhook);
}

async fn furnished(only: Option<&str>) -> (Stage, Vec<Value>) {
    let certificates = Certificates::new();
    let mut site = Site::furnished(&certificates);
    site.env("HOOK", Some(SECRET));
    let mut all = providers(&site).await;
    all.retain(|provider| only.is_none_or(|only| provider["name"] == only));
    let shared: Vec<Value> = all.iter().filter(|provider| is_shared(provider)).cloned().collect();
    let stage = harness::stage::stage_with(Backend::http().await, certificates, site, |configuration| {
        configuration.set("webhooks", json!([]));
        for provider in &shared {
            configure(provider, configuration);
        }
    })
    .await;
    let curlrc = format!(
        "silent\nshow-error\noutput = \"{}\"\nwrite-out = \"%{{http_code}}\"\ncacert = \"{}\"\nnoproxy = \"*\"\n",
        stage.site.path("answer").display(),
        stage.site.path("tls/ca.pem").display()
    );
    stage.site.write(".curlrc", &curlrc);
    (stage, shared)
}

/// A line for a webhook, as it is printed.
async fn line(stage: &Stage, name: &str, body: &str, more: &[&str]) -> String {
    let url = format!("https://127.0.0.1:{}", stage.gateway.https().port());
    let args = ["webhook", "sign", "--webhook", name, "--body", body, "--url", &url, "--host", HOST];
    stage.site.run(&[&args[..], more].concat()).await.expect(0).stdout
}

/// What a shell makes of a line: the status.
async fn paste(stage: &Stage, line: &str) -> String {
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", line]).current_dir(stage.site.path("")).env("CURL_HOME", stage.site.path(""));
    let output = within("curl", shell.stdin(Stdio::null()).output()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}\n{told}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn every_signed_line_passes_when_it_is_pasted() {
    let (stage, shared) = furnished(None).await;
    assert!(shared.len() > 50, "only {}", shared.len());
    stage.site.write("event's.json", "{ \"id\": \"evt-1\", \"text\": \"it's $(here)\" }\n");
    let items = json!({ "notificationItems": [
        { "NotificationRequestItem": { "pspReference": "1", "amount": { "value": 5 }, "additionalData": {} } },
    ] });
    stage.site.write("items.json", &items.to_string());
    stage.site.write("form.txt", "bt_payload=abc%3D&a=it%27s");
    for provider in &shared {
        let name = provider["name"].as_str().unwrap();
        let payload = provider["scheme"]["payload"].to_string();
        let form = payload.contains("form") || payload.contains("rfc3986") && name == "twilio_sharedkey";
        let is_form = form || name == "twilio";
        let body = match () {
            () if !provider["scheme"]["each"].is_null() => "items.json",
            () if is_form => "form.txt",
            () => "event's.json",
        };
        let kind = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
        let line = line(&stage, name, body, &["--header", &format!("content-type: {kind}")]).await;
        let status = paste(&stage, &line).await;
        let answer = std::fs::read_to_string(stage.site.path("answer")).unwrap_or_default();
        assert_eq!(status, "200", "{name}\n{line}{answer}");
        assert_eq!(stage.backend.last().header("portcullis-webhook"), Some(name), "{line}");
    }
}

#[tokio::test]
async fn a_line_is_good_for_its_body_and_once() {
    let (stage, _) = furnished(Some("stripe")).await;
    stage.site.write("event.json", "{\"id\":\"evt_1\"}");
    let line = line(&stage, "stripe", "event.json", &[]).await;
    assert!(line.contains("--data-binary @event.json") && !line.contains(SECRET), "{line}");
    stage.site.write("event.json", "{\"id\":\"evt_2\"}");
    assert_eq!(paste(&stage, &line).await, "401");
    assert_eq!(stage.backend.requests().len(), 0);
    stage.site.write("event.json", "{\"id\":\"evt_1\"}");
    assert_eq!(paste(&stage, &line).await, "200");
    assert_eq!(paste(&stage, &line).await, "200");
    assert_eq!(stage.backend.requests().len(), 1, "the second one is a repetition");
}

#[tokio::test]
async fn the_log_names_webhook_event_and_key() {
    let (stage, _) = furnished(Some("stripe")).await;
    stage.site.write("event.json", "{\"id\":\"evt_1\"}");
    let line = line(&stage, "stripe", "event.json", &[]).await;
    assert_eq!(paste(&stage, &line).await, "200");
    let told = stage.gateway.log_line(|line| line["route"] == "stripe").await;
    assert_eq!(told["webhook"], "stripe", "{told}");
    assert_eq!(told["event"], "evt_1", "{told}");
    assert_eq!(told["webhook_key"], "stripe", "{told}");
    stage.site.write("event.json", "{\"id\":\"evt_2\"}");
    assert_eq!(paste(&stage, &line).await, "401");
    let told = stage.gateway.log_line(|line| line["status"] == 401).await;
    for key in ["webhook", "event", "webhook_key"] {
        assert!(told.get(key).is_some_and(Value::is_null), "nothing is proved: {told}");
    }
}

#[tokio::test]
async fn what_cannot_be_signed_is_told_with_a_remedy() {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    configuration.set("secrets.hook", json!({ "env": "HOOK" }));
    configuration.set(
        "webhooks",
        json!([
            { "name": "stripe", "path": "/hooks/stripe", "provider": "stripe", "secret": "hook" },
            { "name": "sns", "path": "/hooks/sns", "provider": "aws_sns", "settings": { "topic_arn": "arn:x" } },
        ]),
    );
    site.configure(&configuration);
    site.write("event.json", "{}");
    for (name, told) in [
        ("stripe", "the environment variable `HOOK` is not set"),
        ("sns", "private key"),
        ("strip", "did you mean `stripe`?"),
    ] {
        let args =
            ["webhook", "sign", "--webhook", name, "--body", "event.json", "--url", "https://localhost"];
        let outcome = site.run(&args).await.expect(2);
        assert!(outcome.stderr.contains("error: ") && outcome.stderr.contains(told), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("help: ") && outcome.stdout.is_empty(), "{}", outcome.stderr);
    }
}

#[tokio::test]
async fn init_writes_webhooks_that_pass() {
    let site = Site::new();
    let args =
        ["init", "--upstream", "http://127.0.0.1:3000", "--provider", "stripe", "--provider", "discord"];
    let outcome = site.run(&args).await.expect(0);
    assert!(outcome.stdout.contains("STRIPE_WEBHOOK_SECRET"), "{}", outcome.stdout);
    let tested = site.run(&["test"]).await.expect(0);
    assert!(tested.stdout.contains("POST /hooks/stripe"), "{}", tested.stdout);
}

#[tokio::test]
async fn the_scheme_in_the_documentation_loads_and_refuses() {
    let text = std::fs::read_to_string(harness::site::workspace().join("docs/webhooks.md")).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let whole: Vec<&str> = blocks.filter(|block| block.starts_with("version: 1")).collect();
    assert_eq!(whole.len(), 1);
    let mut site = Site::new();
    site.write("portcullis.yaml", whole[0]);
    site.env("SHOP_SECRET", Some(SECRET));
    let tested = site.run(&["test"]).await.expect(0);
    assert!(tested.stdout.contains("0 failed"), "{}", tested.stdout);
    site.write("order.json", "{}");
    let url = ["--url", "https://localhost"];
    let line = site
        .run(&[&["webhook", "sign", "--webhook", "shop", "--body", "order.json"][..], &url].concat())
        .await;
    let line = line.expect(0).stdout;
    let field = |name: &str| {
        let (_, rest) = line.split_once(&format!("'{name}: ")).expect(&line);
        format!("{name}: {}", rest.split('\'').next().unwrap())
    };
    let (signature, id) = (field("x-shop-signature"), field("x-shop-delivery"));
    let mut args = vec!["explain", "POST /hooks/shop", "--body", "order.json", "--header", &signature];
    let told = site.run(&args).await.expect(0).stdout;
    assert!(told.contains("missing: the header `x-shop-delivery`"), "{told}");
    args.extend(["--header", &id]);
    let told = site.run(&args).await.expect(0).stdout;
    assert!(told.contains("verified by the key shop") && told.contains("→ allow"), "{told}");
    assert!(
        told.lines().any(|line| line.starts_with("dispatch") && line.ends_with("webhook shop")),
        "{told}"
    );
}
