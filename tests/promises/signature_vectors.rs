//! Every signature of the tables in `corpus/jws` ends as they say, through the gateway as in the verifier's own tests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::{Ask, Backend, Certificates, Site, Value, json, stage::stage_with};

fn groups() -> Vec<Value> {
    let path = format!("{}/corpus/jws/own.json", env!("CARGO_MANIFEST_DIR"));
    let table: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    table["groups"].as_array().unwrap().clone()
}

fn name(group: &Value) -> String {
    group["alg"].as_str().unwrap().to_lowercase()
}

/// Each algorithm is an identity of its own, with a route of its own and nothing but its key.
#[tokio::test]
async fn each_ends_as_it_says() {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    let groups = groups();
    for group in &groups {
        let (name, key) = (name(group), &group["key"]);
        match key["k"].as_str() {
            Some(secret) => {
                let secret = URL_SAFE_NO_PAD.decode(secret).unwrap();
                site.write(&format!("keys/{name}"), std::str::from_utf8(&secret).unwrap());
            }
            None => site.write(&format!("keys/{name}.json"), &json!({ "keys": [key] }).to_string()),
        }
    }
    let stage = stage_with(Backend::http().await, certificates, site, |c| {
        for group in &groups {
            let name = name(group);
            let mut identity = c.root["identities"]["session"].clone();
            identity["algorithms"] = json!([group["alg"]]);
            identity["keys"] = if group["key"]["kty"] == "oct" {
                c.set(&format!("secrets.{name}"), json!({ "file": format!("keys/{name}") }));
                json!({ "secret": name })
            } else {
                json!({ "file": format!("keys/{name}.json") })
            };
            c.set(&format!("identities.{name}"), identity);
            c.add_route(json!({
                "name": name, "match": format!("GET /vectors/{name}"), "identity": name,
                "relax": { "identity": "it has a key of its own" },
            }));
        }
    })
    .await;
    let mut connection = stage.http2().connect().await.unwrap();
    let (mut admitted, mut wrong) = (0, Vec::new());
    for group in &groups {
        let path = format!("/vectors/{}", name(group));
        for test in group["tests"].as_array().unwrap() {
            let reply = connection.send(Ask::get(&path).bearer(test["jws"].as_str().unwrap())).await;
            let valid = test["result"] == "valid";
            admitted += usize::from(valid);
            let verdict = if valid { "200" } else { "401 token_invalid" };
            if reply.verdict() != verdict {
                wrong.push(format!("{path}, {}: {} instead of {verdict}", test["about"], reply.verdict()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        stage.backend.requests().len(),
        admitted,
        "the backend got what was admitted, and nothing else"
    );
}
