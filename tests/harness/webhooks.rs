//! Deliveries as providers sign them.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{Ask, Configuration, hex};

/// The secret of the webhooks that [`github`] writes.
pub const SECRET: &str = "a-secret-of-webhooks-that-nobody-guesses";

/// Adds the webhook `name` at `/hooks/NAME`, of this provider, whose secret is [`SECRET`]; `more` is added to it.
pub fn add(configuration: &mut Configuration, name: &str, provider: &str, more: &Value) {
    let secret = format!("webhook-{name}");
    // A test's secrets may stand in its file.
    configuration.set("environment", "development");
    configuration.root["secrets"][&secret] = json!({ "value": SECRET });
    let mut webhook =
        json!({ "name": name, "path": format!("/hooks/{name}"), "provider": provider, "secret": secret });
    for (key, value) in more.as_object().expect("a map") {
        webhook[key] = value.clone();
    }
    add_written(configuration, webhook);
}

/// Adds a webhook as it is.
pub fn add_written(configuration: &mut Configuration, webhook: Value) {
    let root = &mut configuration.root;
    if !root["webhooks"].is_array() {
        root["webhooks"] = json!([]);
    }
    root["webhooks"].as_array_mut().expect("a list").push(webhook);
}

/// HMAC-SHA-256 in hex.
pub fn hmac_hex(secret: &str, message: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex(hmac::sign(&key, message).as_ref())
}

/// HMAC-SHA-1 in base64.
pub fn hmac_sha1_base64(secret: &str, message: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, message))
}

/// Now, in Unix seconds.
pub fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// A delivery to `path` as GitHub signs it.
pub fn github(path: &str, id: &str, body: impl Into<Vec<u8>>) -> Ask {
    github_by(SECRET, path, id, body)
}

/// The same with another secret.
pub fn github_by(secret: &str, path: &str, id: &str, body: impl Into<Vec<u8>>) -> Ask {
    let body = body.into();
    let signature = format!("sha256={}", hmac_hex(secret, &body));
    Ask::post(path, body).header("x-github-delivery", id).header("x-hub-signature-256", &signature)
}

/// The `Stripe-Signature` of a body at a time, one `v1` a secret.
pub fn stripe_signature(secrets: &[&str], at: i64, body: &str) -> String {
    let signed = format!("{at}.{body}");
    let each = secrets.iter().map(|secret| format!(",v1={}", hmac_hex(secret, signed.as_bytes())));
    format!("t={at}{}", each.collect::<String>())
}

/// A delivery to `path` as Stripe signs it, now.
pub fn stripe(path: &str, body: &str) -> Ask {
    let signature = stripe_signature(&[SECRET], now(), body);
    Ask::post(path, body.to_owned()).header("stripe-signature", &signature)
}

/// A delivery to `path` as Slack signs it, now.
pub fn slack(path: &str, body: &str) -> Ask {
    versioned(path, body, "x-slack-signature", "x-slack-request-timestamp")
}

/// A delivery to `path` as Zoom signs it, now.
pub fn zoom(path: &str, body: &str) -> Ask {
    versioned(path, body, "x-zm-signature", "x-zm-request-timestamp")
}

fn versioned(path: &str, body: &str, signature: &str, timestamp: &str) -> Ask {
    let at = now();
    let signed = format!("v0:{at}:{body}");
    Ask::post(path, body.to_owned())
        .header(timestamp, &at.to_string())
        .header(signature, &format!("v0={}", hmac_hex(SECRET, signed.as_bytes())))
}
