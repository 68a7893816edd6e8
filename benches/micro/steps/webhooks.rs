//! `webhooks/…`: deliveries of providers, as the tests of the rules have them, for each kind of scheme; the same changed by
//! somebody; and how the length of a body counts.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rules::problem::Place;
use rules::secret::Secret;
use rules::webhook::{
    Delivery, Keyring, Outcome, RawPublicKey, RawScheme, RawTerms, Scheme, SharedKey, Terms,
};
use serde_json::{Map, Value};

use crate::{Fallible, NOW_MS, Run, Step, plain};

/// One of each kind of scheme.
const KINDS: [&str; 8] =
    ["stripe", "gitlab_token", "google_oidc", "hubspot_v2", "discord", "sendgrid", "aws_sns", "paypal"];
/// More that sign by a shared secret, each over something else: fields, addresses, forms, lists.
const OTHERS: [&str; 8] =
    ["hubspot_v3", "mailgun", "meta", "shopify", "slack", "standard_webhooks", "twilio", "zoom"];
const SIZES: [usize; 3] = [0, 2_048, 65_536];

pub(crate) fn steps() -> Vec<Step> {
    let step = |name: &'static str, verdict: &str, expected: &'static str| {
        Step::new(format!("webhooks/{name}/{verdict}"), move || delivered(name, expected))
    };
    let verified = KINDS.into_iter().chain(OTHERS).map(|name| step(name, "verified", "valid"));
    let refused = KINDS.into_iter().map(|name| step(name, "refused", "bad_signature"));
    let sized = SIZES.map(|size| Step::new(format!("webhooks/github/{size}"), move || sized(size)));
    verified.chain(refused).chain(sized).map(|step| step.times(20)).collect()
}

/// The deliveries of the tests.
fn table() -> Fallible<Value> {
    Ok(serde_json::from_str(include_str!("../../../rules/cases-webhook/vectors.json"))?)
}

fn scheme(table: &Value, provider: &str) -> Fallible<Scheme> {
    let raw = table.pointer(&format!("/providers/{provider}/scheme")).ok_or("there is no such provider")?;
    let raw: RawScheme = plain::read(raw.clone())?;
    Scheme::compile(&raw, &Place::root()).map_err(|problems| format!("{problems:?}").into())
}

fn delivered(provider: &'static str, verdict: &'static str) -> Fallible<Run> {
    let table = table()?;
    let vectors = table.get("vectors").and_then(Value::as_array).ok_or("there are no deliveries")?;
    let vector = vectors.iter().find(|vector| {
        let alone = vector.get("prior").is_none();
        let accept = vector.get("accept").and_then(Value::as_array);
        let accepted = accept.is_some_and(|accept| accept.iter().any(|one| one == verdict));
        alone && accepted && vector.get("provider").is_some_and(|name| name == provider)
    });
    let vector = vector.ok_or("there is no such delivery")?;
    let hook = Hook::new(scheme(&table, provider)?, vector)?;
    let request = Sent::read(vector)?;
    let now_ms = vector.get("now_ms").and_then(Value::as_i64).ok_or("there is no time")?;
    Ok(Box::new(move || match hook.verify(&request.delivery(now_ms)) {
        Outcome::Verified(_) => verdict == "valid",
        Outcome::Refused(_) => verdict != "valid",
        Outcome::Handshake(_) | Outcome::Wants(_) => false,
    }))
}

fn sized(size: usize) -> Fallible<Run> {
    let hook =
        Hook::new(scheme(&table()?, "github")?, &serde_json::json!({ "keys": [{ "secret": "s3cret" }] }))?;
    let mut sent = Sent {
        method: Method::POST,
        scheme: "https".to_owned(),
        authority: "hooks.example.com".to_owned(),
        target: "/hooks/github".to_owned(),
        headers: HeaderMap::new(),
        body: crate::visit::body(size),
    };
    let signed = hook.scheme.sign(&hook.keys, &hook.terms, &sent.delivery(NOW_MS));
    sent.headers = signed.map_err(|why| why.to_string())?.headers;
    Ok(Box::new(move || matches!(hook.verify(&sent.delivery(NOW_MS)), Outcome::Verified(_))))
}

/// A webhook.
struct Hook {
    scheme: Scheme,
    keys: Keyring,
    terms: Terms,
}

impl Hook {
    /// With a delivery's keys and settings.
    fn new(scheme: Scheme, vector: &Value) -> Fallible<Self> {
        let at = Place::root();
        let given = vector.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
        let secret = |key: &Value| Some(Secret::new(text(key, "secret")?.into_bytes()));
        let secrets: Vec<(Secret, &Value)> =
            given.iter().filter_map(|key| Some((secret(key)?, key))).collect();
        let shared: Vec<SharedKey<'_>> = secrets
            .iter()
            .map(|(secret, key)| SharedKey {
                name: "key",
                id: key.get("id").and_then(Value::as_str),
                slot: key.get("slot").and_then(Value::as_u64).and_then(|slot| usize::try_from(slot).ok()),
                until: None,
                secret,
            })
            .collect();
        let public: Vec<RawPublicKey> = given
            .iter()
            .filter(|key| key.get("secret").is_none())
            .map(public_key)
            .collect::<Fallible<_>>()?;
        let keys = Keyring::compile(&scheme, &shared, &public, &at);
        let keys = keys.map_err(|problems| format!("{problems:?}"))?;
        let config = vector.get("config").and_then(Value::as_object).cloned().unwrap_or_default();
        let raw = RawTerms {
            name: "hook",
            base_url: config.get("external_base").and_then(Value::as_str),
            tolerance: None,
            settings: settings(&config),
        };
        let terms = Terms::compile(&scheme, raw, &at).map_err(|problems| format!("{problems:?}"))?;
        Ok(Self { scheme, keys, terms })
    }

    fn verify(&self, delivery: &Delivery<'_>) -> Outcome {
        self.scheme.verify(&self.keys, &self.terms, delivery, None)
    }
}

fn settings(config: &Map<String, Value>) -> BTreeMap<String, Secret> {
    let own = config.iter().filter(|(name, _)| *name != "external_base");
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    own.map(|(name, value)| (name.clone(), Secret::new(plain(value).into_bytes()))).collect()
}

fn public_key(key: &Value) -> Fallible<RawPublicKey> {
    Ok(RawPublicKey {
        public: text(key, "public"),
        jwk: key.get("jwk").cloned(),
        certificate: text(key, "certificate_der_b64"),
        encoding: key.get("encoding").cloned().map(plain::read).transpose()?,
        id: text(key, "id"),
        ..RawPublicKey::default()
    })
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// A delivery as the gateway sees it.
struct Sent {
    method: Method,
    scheme: String,
    authority: String,
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Sent {
    fn read(vector: &Value) -> Fallible<Self> {
        let request = vector.get("request").ok_or("there is no request")?;
        let or_none = |key: &str| text(request, key).ok_or_else(|| format!("there is no `{key}`"));
        let url = or_none("url")?;
        let (scheme, rest) = url.split_once("://").ok_or("no address")?;
        let (authority, target) = rest.split_at(rest.find('/').ok_or("no path")?);
        let received = |key: &str, own: &str| {
            vector.get("received").and_then(|received| text(received, key)).unwrap_or_else(|| own.to_owned())
        };
        let mut headers = HeaderMap::new();
        for pair in request.get("headers").and_then(Value::as_array).into_iter().flatten() {
            let part = |index| pair.get(index).and_then(Value::as_str).unwrap_or_default();
            let name = HeaderName::from_bytes(part(0).as_bytes())?;
            headers.append(name, HeaderValue::from_bytes(part(1).as_bytes())?);
        }
        Ok(Self {
            method: or_none("method")?.parse()?,
            scheme: received("scheme", scheme),
            authority: received("host", authority),
            target: received("target", target),
            headers,
            body: STANDARD.decode(or_none("body_b64")?)?,
        })
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
