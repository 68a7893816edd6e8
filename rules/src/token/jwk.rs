//! JWK sets (RFC 7517): which keys are for us, and which are better left out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use zeroize::{Zeroize as _, Zeroizing};

use super::keys::Key;
use super::public::Public;
use super::{Algorithm, KeyError};
use crate::strict_json;

/// More than any issuer publishes: a set is compiled key by key.
const MAX_KEYS: usize = 128;

/// The usable keys, and a sentence for each other.
pub(super) fn read_set(
    json: &[u8],
    algorithms: &[Algorithm],
    allow_oct: bool,
) -> Result<(Vec<Key>, Vec<String>), KeyError> {
    let mut set = strict_json::object(json)
        .ok_or(KeyError::new("the key set is not a JSON object whose names differ"))?;
    let Some(Value::Array(entries)) = set.get_mut("keys") else {
        return Err(KeyError::new("the key set has no list `keys` (RFC 7517, 5)"));
    };
    if entries.len() > MAX_KEYS {
        return Err(KeyError::new(format!("the key set has more than {MAX_KEYS} keys")));
    }
    let (mut keys, mut skipped) = (Vec::new(), Vec::new());
    for (nth, entry) in entries.iter_mut().enumerate() {
        match entry.as_object_mut().ok_or("it is not a JSON object".into()).and_then(|entry| {
            let key = read(entry, algorithms, allow_oct);
            erase(entry);
            key
        }) {
            Ok(key) => keys.push(key),
            Err(why) => skipped.push(format!("key {} is left out: {why}", nth + 1)),
        }
    }
    Ok((keys, skipped))
}

fn read(jwk: &Map<String, Value>, algorithms: &[Algorithm], allow_oct: bool) -> Result<Key, String> {
    check_purpose(jwk)?;
    let pinned = pinned(jwk, algorithms)?;
    let kid = optional(jwk, "kid")?.map(str::to_owned);
    let kty = optional(jwk, "kty")?.ok_or("it has no `kty`")?;
    if kty == "oct" {
        if !allow_oct {
            return Err("it is a shared secret, and whoever can read the set could sign with it".to_owned());
        }
        let secret = Zeroizing::new(bytes(jwk, "k")?);
        return Key::secret(kid, &secret, &pinned).map_err(|why| why.to_string());
    }
    if jwk.contains_key("d") {
        return Err("it is a private key, and whoever can read the set could sign with it".to_owned());
    }
    Key::public(kid, &public(jwk, kty)?, &pinned).map_err(|why| why.to_string())
}

/// The `kid` and the key of one public JWK for `algorithms`, with those of them that its `alg` leaves.
pub(crate) fn read_public(
    jwk: &Map<String, Value>,
    algorithms: &[Algorithm],
) -> Result<(Option<String>, Public, Vec<Algorithm>), String> {
    check_purpose(jwk)?;
    let pinned = pinned(jwk, algorithms)?;
    let kid = optional(jwk, "kid")?.map(str::to_owned);
    let kty = optional(jwk, "kty")?.ok_or("it has no `kty`")?;
    if jwk.contains_key("d") || kty == "oct" {
        return Err(
            "it is a private key or a shared secret, and only the public half belongs here".to_owned()
        );
    }
    Ok((kid, public(jwk, kty)?, pinned))
}

fn pinned(jwk: &Map<String, Value>, algorithms: &[Algorithm]) -> Result<Vec<Algorithm>, String> {
    let pinned: Vec<Algorithm> = match optional(jwk, "alg")? {
        None => algorithms.to_vec(),
        Some(name) => algorithms.iter().copied().filter(|algorithm| algorithm.name() == name).collect(),
    };
    if pinned.is_empty() {
        return Err("its `alg` is not one of the algorithms that are allowed".to_owned());
    }
    Ok(pinned)
}

/// RFC 7517, 4.2 and 4.3.
fn check_purpose(jwk: &Map<String, Value>) -> Result<(), String> {
    if optional(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err("its `use` is not `sig`".to_owned());
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|one| one == "verify") => Ok(()),
        Some(_) => Err("its `key_ops` do not include `verify`".to_owned()),
    }
}

fn public(jwk: &Map<String, Value>, kty: &str) -> Result<Public, String> {
    let curve = optional(jwk, "crv")?;
    match (kty, curve) {
        ("RSA", _) => Ok(Public::Rsa { n: bytes(jwk, "n")?, e: bytes(jwk, "e")? }),
        ("EC", Some("P-256")) => point::<32>(jwk).map(Public::P256),
        ("EC", Some("P-384")) => point::<48>(jwk).map(Public::P384),
        ("OKP", Some("Ed25519")) => Ok(Public::Ed25519(bytes(jwk, "x")?)),
        _ => Err("its kind is unsupported; RSA, P-256, P-384 and Ed25519 are accepted".to_owned()),
    }
}

/// RFC 7518, 6.2.1: both coordinates have the full length of the field.
fn point<const LENGTH: usize>(jwk: &Map<String, Value>) -> Result<Vec<u8>, String> {
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = bytes(jwk, name)?;
        if coordinate.len() != LENGTH {
            return Err(format!("its `{name}` does not have {LENGTH} bytes"));
        }
        point.extend(coordinate);
    }
    Ok(point)
}

fn optional<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("its `{name}` is not a string")),
    }
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let text = optional(jwk, name)?.ok_or_else(|| format!("it has no `{name}`"))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("its `{name}` is not unpadded base64url"))
}

/// Secrets do not stay behind in the parsed text.
fn erase(jwk: &mut Map<String, Value>) {
    for name in ["k", "d", "p", "q", "dp", "dq", "qi"] {
        if let Some(Value::String(secret)) = jwk.get_mut(name) {
            secret.zeroize();
        }
    }
}
