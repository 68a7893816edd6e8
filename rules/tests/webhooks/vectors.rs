//! Every webhook of `cases-webhook/vectors.json` ends as it says: 545 requests over 65 providers' schemes, published ones
//! and ones that the providers' own packages signed among them. Once with the scheme as it stands there, once with the
//! preset.

use http::{HeaderName, HeaderValue};
use rules::webhook::{Greeting, Scheme};
use serde_json::{Value, json};

use super::presets;
use super::stage::{Request, Stage, scheme};

pub(crate) fn table() -> Value {
    let path = format!("{}/cases-webhook/vectors.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Whether an answer is the one that is wanted.
fn answers(wanted: &Value, given: &Greeting) -> bool {
    let Greeting::Answer(answer) = given else { return wanted["forward"] == true };
    let status = wanted["status"].as_u64() == Some(answer.status.as_u16().into());
    let pairs = wanted["headers"].as_array().cloned().unwrap_or_default();
    let headers = pairs.iter().all(|pair| {
        let is = |(name, value): &(HeaderName, HeaderValue)| {
            name.as_str().eq_ignore_ascii_case(pair[0].as_str().unwrap())
                && value == pair[1].as_str().unwrap()
        };
        answer.headers.iter().any(is)
    });
    let text = wanted["text"].as_str().is_none_or(|text| text.as_bytes() == answer.body);
    let body = || serde_json::from_slice::<Value>(&answer.body).ok();
    status && headers && text && wanted.get("json").is_none_or(|json| body().as_ref() == Some(json))
}

/// What is wrong with how a vector ends.
pub(crate) fn run(scheme: Scheme, vector: &Value) -> Result<(), String> {
    let mut stage = Stage::new(scheme, vector);
    let now = |value: &Value| value["now_ms"].as_i64();
    let clock = now(vector).unwrap();
    for prior in vector["prior"].as_array().cloned().unwrap_or_default() {
        let request = Request::read(&prior["request"], &json!({}));
        let (verdict, _) =
            stage.send(&request, now(&prior).unwrap_or(clock), prior["upstream_status"].as_u64().unwrap());
        if verdict != "valid" {
            return Err(format!("the request before it: {verdict}"));
        }
    }
    let request = Request::read(&vector["request"], &vector["received"]);
    let (verdict, greeting) = stage.send(&request, clock, 200);
    let accepted = vector["accept"].as_array().unwrap().iter().any(|one| one == verdict);
    if !accepted {
        return Err(format!("{verdict} instead of {}", vector["accept"]));
    }
    match (greeting, vector["respond_any"].as_array()) {
        (Some(given), Some(wanted)) if !wanted.iter().any(|wanted| answers(wanted, &given)) => {
            Err(format!("{given:?} instead of {wanted:?}"))
        }
        _ => Ok(()),
    }
}

fn run_all(scheme: impl Fn(&str) -> Scheme, prepare: impl Fn(&mut Value)) {
    let mut table = table();
    let vectors = table["vectors"].as_array_mut().unwrap();
    assert_eq!(vectors.len(), 545);
    let mut wrong = Vec::new();
    for vector in vectors {
        prepare(vector);
        if let Err(told) = run(scheme(vector["provider"].as_str().unwrap()), vector) {
            wrong.push(format!("{} {}: {told}", vector["id"], vector["case"]));
        }
    }
    assert!(wrong.is_empty(), "{} vectors: {wrong:#?}", wrong.len());
}

#[test]
fn every_vector_ends_as_it_says() {
    let table = table();
    run_all(|provider| scheme(&table["providers"][provider]["scheme"]), |_| {});
}

#[test]
fn every_vector_ends_the_same_with_its_preset() {
    run_all(
        |provider| scheme(&presets::read(provider)["scheme"]),
        |vector| {
            // The test's own issuer is written into its scheme; a preset reads it as a setting.
            if vector["provider"] == "livekit" {
                vector["config"] = json!({ "api_key": "APIportcullis" });
            }
        },
    );
}
