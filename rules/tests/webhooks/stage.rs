//! One webhook with what it remembers, and requests to it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rules::problem::Place;
use rules::secret::Secret;
use rules::webhook::{
    Delivery, Greeting, Keyring, Outcome, RawPublicKey, RawScheme, RawTerms, Reason, ReplayKey, Scheme,
    SharedKey, Terms,
};
use serde_json::Value;

use super::plain;

/// The scheme that some JSON is.
pub(crate) fn scheme(raw: &Value) -> Scheme {
    let raw: RawScheme = plain::read(raw.clone()).unwrap_or_else(|error| panic!("{raw}: {error}"));
    Scheme::compile(&raw, &Place::root()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// A webhook with what it remembers.
pub(crate) struct Stage {
    pub(crate) scheme: Scheme,
    pub(crate) keys: Keyring,
    pub(crate) terms: Terms,
    seen: BTreeSet<ReplayKey>,
}

/// A request as the gateway sees it.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A request of the vectors; `received` says how the gateway sees it where that differs.
    pub(crate) fn read(value: &Value, received: &Value) -> Self {
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

    pub(crate) fn delivery(&self, now_ms: i64) -> Delivery<'_> {
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
    /// A webhook with a vector's keys and settings.
    pub(crate) fn new(scheme: Scheme, vector: &Value) -> Self {
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
        let raw = RawTerms {
            name: "hook",
            base_url: config.get("external_base").and_then(Value::as_str),
            tolerance: None,
            settings,
        };
        let terms = Terms::compile(&scheme, raw, &at)
            .unwrap_or_else(|problems| panic!("{}: {problems:#?}", vector["id"]));
        Self { scheme, keys, terms, seen: BTreeSet::new() }
    }

    /// The verdict on a request that the upstream would answer with this status.
    pub(crate) fn send(
        &mut self,
        request: &Request,
        now_ms: i64,
        upstream: u64,
    ) -> (&'static str, Option<Greeting>) {
        let verdict = match self.scheme.verify(&self.keys, &self.terms, &request.delivery(now_ms), None) {
            Outcome::Handshake(greeting) => return ("challenge", Some(greeting)),
            Outcome::Wants(_) => "wants a key",
            Outcome::Refused(refused) => match refused.reason {
                Reason::Missing => "missing_header",
                Reason::Malformed | Reason::Ambiguous | Reason::Oversized | Reason::Unmet => {
                    "malformed_header"
                }
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
