//! What the providers' own packages sign is let in once, and with one bit of it changed not at all.

use std::path::PathBuf;
use std::process::Stdio;

use harness::site::workspace;
use harness::webhooks::add_written;
use harness::{Ask, Reply, Stage, Value, json, stage, within};
use tokio::process::Command;

const BASE_URL: &str = "https://app.example.test";

/// The deliveries that a program signs.
async fn signed_by(program: PathBuf, args: &[&str]) -> Vec<Value> {
    assert!(program.is_absolute() || program.ends_with("node"), "{}", program.display());
    let mut command = Command::new(&program);
    command.args(args).current_dir(workspace().join("tests/clients/webhooks"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = within("the packages to sign", command.output()).await;
    let output = output.unwrap_or_else(|error| panic!("{}: {error}: run tests/run once", program.display()));
    assert!(
        output.status.success(),
        "run tests/run once, it installs the packages\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn deliveries() -> Vec<Value> {
    let python = std::env::var_os("PORTCULLIS_PYTHON")
        .map_or_else(|| workspace().join(".venv/bin/python"), PathBuf::from);
    let mut all = signed_by(python, &["../webhooks_sign.py", BASE_URL]).await;
    all.extend(signed_by("node".into(), &["sign.mjs"]).await);
    all
}

fn ask(delivery: &Value) -> Ask {
    let mut ask = Ask::new("POST", delivery["target"].as_str().unwrap());
    for (name, value) in delivery["headers"].as_object().unwrap() {
        ask = ask.header(name, value.as_str().unwrap());
    }
    ask.body(delivery["body"].as_str().unwrap().as_bytes().to_vec())
}

/// The same with one bit of it changed, each byte once: of the body, and of every field that proves it.
fn flipped(delivery: &Value) -> Vec<(String, Ask)> {
    let whole = ask(delivery);
    let mut all = Vec::new();
    for at in 0..whole.body.len() {
        let mut body = whole.body.to_vec();
        body[at] ^= 1 << (at % 8);
        all.push((format!("the body at {at}"), whole.clone().body(body)));
    }
    for signed in delivery["signed"].as_array().unwrap() {
        let place = whole.headers.iter().position(|(name, _)| signed == name).unwrap();
        for at in 0..whole.headers[place].1.len() {
            // The lowest bit keeps a field's letters printable.
            let mut value = whole.headers[place].1.clone().into_bytes();
            value[at] ^= 1;
            let mut ask = whole.clone();
            ask.headers[place].1 = String::from_utf8(value).unwrap();
            all.push((format!("{signed} at {at}"), ask));
        }
    }
    all
}

fn is_duplicate(reply: &Reply) -> bool {
    reply.status == 200 && reply.header("portcullis-webhook") == "duplicate"
}

async fn configured(deliveries: &[Value]) -> Stage {
    stage(|c| {
        c.set("environment", "development");
        for delivery in deliveries {
            let name = delivery["package"].as_str().unwrap();
            c.root["secrets"][name] = json!({ "value": delivery["secret"] });
            let webhook = json!({
                "name": name, "path": format!("/sdk/{name}"), "provider": delivery["provider"], "secret": name,
                "base_url": BASE_URL,
            });
            add_written(c, webhook);
        }
    })
    .await
}

async fn none_is_let_in(stage: &Stage, delivery: &Value) {
    let mut connection = stage.http2().connect().await.unwrap();
    for (what, ask) in flipped(delivery) {
        let reply = connection.send(ask).await;
        let verdict = reply.verdict();
        let refused = reply.status == 401 && verdict.starts_with("401 signature_");
        assert!(refused, "{}: {what}: {verdict}", delivery["package"]);
    }
}

#[tokio::test]
async fn what_the_providers_packages_sign_is_let_in_once() {
    let deliveries = deliveries().await;
    assert_eq!(deliveries.len(), 9);
    let stage = configured(&deliveries).await;
    for (number, delivery) in deliveries.iter().enumerate() {
        let package = delivery["package"].as_str().unwrap();
        none_is_let_in(&stage, delivery).await;
        assert_eq!(stage.backend.requests().len(), number, "{package}: none of those arrived");
        let reply = stage.send(ask(delivery)).await;
        assert!(reply.status == 200 && !is_duplicate(&reply), "{package}: {reply:?}");
        let seen = stage.backend.last();
        assert_eq!(seen.body, delivery["body"].as_str().unwrap().as_bytes(), "{package}");
        assert_eq!(seen.target, delivery["target"].as_str().unwrap(), "{package}");
        assert_eq!(seen.header("portcullis-webhook"), Some(package));
        for client in [stage.http1(), stage.http2()] {
            assert!(is_duplicate(&client.send(ask(delivery)).await), "{package}");
        }
        assert_eq!(stage.backend.requests().len(), number + 1, "{package}: it was forwarded once");
    }
}
