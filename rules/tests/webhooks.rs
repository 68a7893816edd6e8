//! Every webhook of `cases-webhook/vectors.json` ends as it says: 545 requests over 65 providers' schemes, published ones
//! and ones that the providers' own packages signed among them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rules::problem::Place;
use rules::secret::Secret;
use rules::webhook::{
    Delivery, Greeting, Keyring, Outcome, RawPublicKey, RawScheme, RawTerms, Reason, ReplayKey, Scheme, SharedKey,
    Terms,
};
use serde_json::{Value, json};

mod plain;

fn table() -> Value {
    let path = format!("{}/cases-webhook/vectors.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn scheme(table: &Value, provider: &str) -> Scheme {
    let raw: RawScheme = plain::read(table["providers"][provider]["scheme"].clone())
        .unwrap_or_else(|error| panic!("{provider}: {error}"));
    Scheme::compile(&raw, &Place::root()).unwrap_or_else(|problems| panic!("{provider}: {problems:#?}"))
}

/// A webhook with what it remembers.
struct Stage {
    scheme: Scheme,
    keys: Keyring,
    terms: Terms,
    seen: BTreeSet<ReplayKey>,
}

struct Request {
    method: Method,
    scheme: String,
    authority: String,
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Request {
    fn read(value: &Value, received: &Value) -> Self {
        let url = value["url"].as_str().unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, target) = rest.split_at(rest.find('/').unwrap());
        let or = |key: &str, own: &str| received[key].as_str().unwrap_or(own).to_owned();
        let mut headers = HeaderMap::new();
        for pair in value["headers"].as_array().unwrap() {
            let name = HeaderName::from_bytes(pair[0].as_str().unwrap().as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(pair[1].as_str().unwrap().as_bytes()).unwrap());
        }
        Self {
            method: value["method"].as_str().unwrap().parse().unwrap(),
            scheme: or("scheme", scheme),
            authority: or("host", authority),
            target: or("target", target),
            headers,
            body: STANDARD.decode(value["body_b64"].as_str().unwrap()).unwrap(),
        }
    }

    fn delivery(&self, now_ms: i64) -> Delivery<'_> {
        Delivery {
            method: &self.method,
            scheme: &self.scheme,
            authority: &self.authority,
            target: &self.target,
            headers: &self.headers,
            body: &self.body,
            now_ms,
        }
    }
}

impl Stage {
    fn new(scheme: Scheme, vector: &Value) -> Self {
        let at = Place::root();
        let given = vector["keys"].as_array().unwrap();
        let secrets: Vec<(Secret, &Value)> = given
            .iter()
            .filter_map(|key| Some((Secret::new(key["secret"].as_str()?.as_bytes().to_vec()), key)))
            .collect();
        let shared: Vec<SharedKey<'_>> = secrets
            .iter()
            .map(|(secret, key)| SharedKey {
                name: "key",
                id: key["id"].as_str(),
                slot: key["slot"].as_u64().map(|slot| usize::try_from(slot).unwrap()),
                until: None,
                secret,
            })
            .collect();
        let public: Vec<RawPublicKey> =
            given.iter().filter(|key| key["secret"].is_null()).map(public_key).collect();
        let keys = Keyring::compile(&scheme, &shared, &public, &at)
            .unwrap_or_else(|problems| panic!("{}: {problems:#?}", vector["id"]));
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let config = vector["config"].as_object().cloned().unwrap_or_default();
        let settings: BTreeMap<String, Secret> = config
            .iter()
            .filter(|(name, _)| *name != "external_base")
            .map(|(name, value)| (name.clone(), Secret::new(text(value).into_bytes())))
            .collect();
        let raw = RawTerms { name: "hook", base_url: config.get("external_base").and_then(Value::as_str), tolerance: None, settings };
        let terms = Terms::compile(&scheme, raw, &at)
            .unwrap_or_else(|problems| panic!("{}: {problems:#?}", vector["id"]));
        Self { scheme, keys, terms, seen: BTreeSet::new() }
    }

    /// What became of a request that the upstream would answer with this status.
    fn send(&mut self, request: &Request, now_ms: i64, upstream: u64) -> (&'static str, Option<Greeting>) {
        let verdict = match self.scheme.verify(&self.keys, &self.terms, &request.delivery(now_ms), None) {
            Outcome::Handshake(greeting) => return ("challenge", Some(greeting)),
            Outcome::Wants(_) => "wants a key",
            Outcome::Refused(refused) => match refused.reason {
                Reason::Missing => "missing_header",
                Reason::Malformed | Reason::Ambiguous | Reason::Oversized | Reason::Unmet => "malformed_header",
                Reason::UnknownKey | Reason::RetiredKey | Reason::Mismatch => "bad_signature",
                Reason::TooOld => "too_old",
                Reason::TooNew => "too_new",
            },
            Outcome::Verified(verified) => {
                assert!(!verified.replay.is_empty() && !verified.ttl.is_zero());
                if verified.replay.iter().any(|key| self.seen.contains(key)) {
                    "replay"
                } else {
                    if (200..300).contains(&upstream) {
                        self.seen.extend(verified.replay);
                    }
                    "valid"
                }
            }
        };
        (verdict, None)
    }
}

fn public_key(key: &Value) -> RawPublicKey {
    let text = |name: &str| key[name].as_str().map(str::to_owned);
    RawPublicKey {
        public: text("public"),
        jwk: key.get("jwk").cloned(),
        certificate: text("certificate_der_b64"),
        encoding: key.get("encoding").map(|encoding| plain::read(encoding.clone()).unwrap()),
        id: text("id"),
        ..RawPublicKey::default()
    }
}

/// Whether an answer is the one that is wanted.
fn answers(wanted: &Value, given: &Greeting) -> bool {
    let Greeting::Answer(answer) = given else { return wanted["forward"] == true };
    let status = wanted["status"].as_u64() == Some(answer.status.as_u16().into());
    let pairs = wanted["headers"].as_array().cloned().unwrap_or_default();
    let headers = pairs.iter().all(|pair| {
        let is = |(name, value): &(HeaderName, HeaderValue)| {
            name.as_str().eq_ignore_ascii_case(pair[0].as_str().unwrap()) && value == pair[1].as_str().unwrap()
        };
        answer.headers.iter().any(is)
    });
    let text = wanted["text"].as_str().is_none_or(|text| text.as_bytes() == answer.body);
    let body = || serde_json::from_slice::<Value>(&answer.body).ok();
    status && headers && text && wanted.get("json").is_none_or(|json| body().as_ref() == Some(json))
}

fn run(table: &Value, vector: &Value) -> Result<(), String> {
    let provider = vector["provider"].as_str().unwrap();
    let mut stage = Stage::new(scheme(table, provider), vector);
    let now = |value: &Value| value["now_ms"].as_i64();
    let clock = now(vector).unwrap();
    for prior in vector["prior"].as_array().cloned().unwrap_or_default() {
        let request = Request::read(&prior["request"], &json!({}));
        let (verdict, _) = stage.send(&request, now(&prior).unwrap_or(clock), prior["upstream_status"].as_u64().unwrap());
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

#[test]
fn every_vector_ends_as_it_says() {
    let table = table();
    let vectors = table["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 545);
    let wrong: Vec<String> = vectors
        .iter()
        .filter_map(|vector| {
            let told = run(&table, vector).err()?;
            Some(format!("{} {}: {told}", vector["id"], vector["case"]))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), vectors.len());
}
