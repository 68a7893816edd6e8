//! Public keys as providers hand them out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::Scheme;
use super::super::encoding::{pasted_base64, unhex};
use super::super::raw::Kind;
use super::{Check, Key, Material, material};
use crate::moment::Moment;
use crate::problem::{Place, Problem};
use crate::token::public::Public;
use crate::token::{Algorithm, jwk, pem};

/// A public key of a webhook as written: exactly one of `public`, `jwk` and `certificate`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPublicKey {
    /// The key's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
    /// A JSON Web Key (RFC 7517), as a mapping or as its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<Value>,
    /// An X.509 certificate, whose dates and issuer are not looked at: to write it here is to trust it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// How `public` or `certificate` is written. Without it: PEM where it looks so, else base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<KeyEncoding>,
    /// The id by which messages name it: a `kid`, or the address of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The only entry of the scheme's list of signatures that it may have made, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<usize>,
    /// From when on it no longer verifies: `2027-01-15` or `2027-01-15T09:30:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// How a public key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyEncoding {
    /// Hexadecimal digits.
    Hex,
    /// Base64.
    Base64,
    /// PEM (RFC 7468).
    Pem,
    /// DER in base64.
    Der,
}

pub(super) fn compile(scheme: &Scheme, raw: &RawPublicKey, index: usize, at: &Place) -> Result<Key, Problem> {
    super::check_slot(scheme, raw.slot, at)?;
    let until: Option<Moment> = raw.until.as_deref().map(str::parse).transpose().map_err(|error| {
        let told = format!("{error}");
        let (what, remedy) = told.split_once('\n').unwrap_or((&told, "write `2027-01-15`"));
        at.key("until").problem(what).remedy(remedy)
    })?;
    let (kid, material) = read(scheme, raw).map_err(|why| {
        at.problem(why).remedy("write one of `public`, `jwk` and `certificate`, as the provider shows it")
    })?;
    let until = until.or(expired(raw.jwk.as_ref()).then_some(Moment(0)));
    let id = raw.id.clone().or(kid);
    let name = id.clone().unwrap_or_else(|| format!("public_keys[{index}]"));
    Ok(Key { name, id, slot: raw.slot, until, material })
}

/// Whether a JWK says that its time is over, as Plaid writes it.
fn expired(jwk: Option<&Value>) -> bool {
    jwk.and_then(|jwk| jwk.get("expired_at")).is_some_and(|at| !at.is_null())
}

fn read(scheme: &Scheme, raw: &RawPublicKey) -> Result<(Option<String>, Material), String> {
    if scheme.takes_secrets() && !scheme.takes_public_keys() {
        return Err("the scheme verifies with a secret, not with a public key".to_owned());
    }
    let (key, kid, algorithms) = match (&raw.public, &raw.jwk, &raw.certificate) {
        (Some(text), None, None) => (plain(scheme, text, raw.encoding)?, None, scheme.algorithms().to_vec()),
        (None, Some(jwk), None) => {
            let parsed: Map<String, Value> = match jwk {
                Value::Object(jwk) => jwk.clone(),
                Value::String(text) => serde_json::from_str(text).map_err(|_| NO_JWK)?,
                _ => return Err(NO_JWK.to_owned()),
            };
            let any = Algorithm::ALL;
            let allowed = if scheme.kind() == Kind::Jwt { scheme.algorithms() } else { any };
            let (kid, key, algorithms) = jwk::read_public(&parsed, allowed)?;
            (key, kid, algorithms)
        }
        (None, None, Some(text)) => (certificate(text, raw.encoding)?, None, scheme.algorithms().to_vec()),
        _ => return Err("the key has not exactly one form".to_owned()),
    };
    let material = match scheme.kind() {
        Kind::Jwt => jwt_of(&key, &algorithms)?,
        kind => material(kind, &key)?,
    };
    Ok((kid, material))
}

const NO_JWK: &str = "the `jwk` is not a JSON object";

fn plain(scheme: &Scheme, text: &str, encoding: Option<KeyEncoding>) -> Result<Public, String> {
    let text = text.trim();
    let text = scheme
        .secret_form()
        .strip_prefix
        .as_deref()
        .and_then(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    let bytes = match encoding {
        None if text.starts_with("-----") => return from_pem(text),
        Some(KeyEncoding::Pem) => return from_pem(text),
        Some(KeyEncoding::Hex) => unhex(text.as_bytes()),
        None | Some(KeyEncoding::Base64 | KeyEncoding::Der) => pasted_base64(text),
    };
    let bytes = bytes.ok_or("the key is not written in its `encoding`")?;
    match (scheme.kind(), bytes.len()) {
        // The bare points, which some providers hand out.
        (Kind::Ed25519, 32) => Ok(Public::Ed25519(bytes)),
        (Kind::EcdsaP256Sha256, 33 | 65) => Ok(Public::P256(bytes)),
        _ => pem::spki(&bytes).map_err(|error| error.to_string()),
    }
}

fn from_pem(text: &str) -> Result<Public, String> {
    pem::read(text.as_bytes()).map_err(|error| error.to_string())
}

fn certificate(text: &str, encoding: Option<KeyEncoding>) -> Result<Public, String> {
    let text = text.trim();
    let der = match encoding {
        None if text.starts_with("-----") => return from_pem(text),
        Some(KeyEncoding::Pem) => return from_pem(text),
        Some(KeyEncoding::Hex) => unhex(text.as_bytes()),
        None | Some(KeyEncoding::Base64 | KeyEncoding::Der) => STANDARD.decode(text).ok(),
    };
    pem::certificate(&der.ok_or("the certificate is not written in its `encoding`")?)
        .map_err(|error| error.to_string())
}

/// What a DER certificate verifies under a scheme.
pub(in super::super) fn of_certificate(kind: Kind, der: &[u8]) -> Result<Material, String> {
    material(kind, &pem::certificate(der).map_err(|error| error.to_string())?)
}

/// What a public key verifies of JWTs.
pub(in super::super) fn jwt_of(key: &Public, algorithms: &[Algorithm]) -> Result<Material, String> {
    let checks = key.checks(algorithms)?;
    if checks.is_empty() {
        return Err("the key can verify none of the algorithms that the scheme allows".to_owned());
    }
    Ok(Material::Jwt(checks.into_iter().map(|(algorithm, key)| (algorithm, Check::Public(key))).collect()))
}
