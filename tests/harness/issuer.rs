//! An issuer of tokens: good ones, and every kind of bad one.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use rcgen::{KeyPair, PublicKeyData as _, RsaKeySize};
use serde_json::{Value, json};

pub use jsonwebtoken::Algorithm;

/// The `iss` of every token.
pub const ISSUER: &str = "https://issuer.example.test/";
/// The `aud` of every token.
pub const AUDIENCE: &str = "chat.example.test";
/// The HMAC secret, handed to the gateway by environment.
pub const SECRET: &str = "correct-horse-battery-staple-correct-horse-battery-staple-0123456789";

static RSA: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap());
static P256: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap());
static P384: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap());
static ED25519: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());

/// Mints tokens with the test's keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Issuer;

impl Issuer {
    /// The claims of `ada`, a user of tenant `acme`, good for ten minutes.
    pub fn claims() -> Value {
        let now = now();
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "org_id": "acme", "roles": ["user"],
            "scope": "chat:read chat:write", "iat": now, "exp": now + 600,
        })
    }

    /// An HS256 token of [`Issuer::claims`] with `changes` laid over; `null` removes a claim.
    pub fn token(self, changes: &Value) -> String {
        self.sign(Algorithm::HS256, changes)
    }

    /// The same, signed with `algorithm` and the key of its family.
    pub fn sign(self, algorithm: Algorithm, changes: &Value) -> String {
        let mut header = Header::new(algorithm);
        header.kid = Some(kid(algorithm).to_owned());
        encode(&header, &changed(changes), &signing_key(algorithm)).unwrap()
    }

    /// A token signed with a secret that the gateway does not know.
    pub fn forged(self, changes: &Value) -> String {
        let key =
            EncodingKey::from_secret(b"not-the-secret-not-the-secret-not-the-secret-not-the-secret-0000");
        encode(&Header::new(Algorithm::HS256), &changed(changes), &key).unwrap()
    }

    /// `alg: none`, with an empty signature.
    pub fn unsigned(self, changes: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(&json!({ "alg": "none", "typ": "JWT" })), part(&changed(changes)))
    }

    /// HS256 keyed with the public PEM: the classic confusion of families.
    pub fn confused(self, algorithm: Algorithm, changes: &Value) -> String {
        let key = EncodingKey::from_secret(self.public_pem(algorithm).as_bytes());
        encode(&Header::new(Algorithm::HS256), &changed(changes), &key).unwrap()
    }

    /// A token of exactly these parts, signed all the same.
    pub fn raw(self, algorithm: Algorithm, header: &[u8], claims: &[u8]) -> String {
        signed(algorithm, &signing_key(algorithm), header, claims)
    }

    /// HS256 of exactly these parts, keyed with whatever the forger could get hold of.
    pub fn keyed(self, secret: &[u8], header: &[u8], claims: &[u8]) -> String {
        signed(Algorithm::HS256, &EncodingKey::from_secret(secret), header, claims)
    }

    /// The header of a good token, with `changes` laid over; `null` removes a member.
    pub fn header(self, algorithm: Algorithm, changes: &Value) -> Value {
        let mut header = json!({ "alg": format!("{algorithm:?}"), "typ": "JWT", "kid": kid(algorithm) });
        lay_over(&mut header, changes);
        header
    }

    /// The claims of a good token, likewise.
    pub fn claims_with(self, changes: &Value) -> Value {
        changed(changes)
    }

    /// The public key of the algorithm's family, SPKI DER.
    pub fn public_der(self, algorithm: Algorithm) -> Vec<u8> {
        pair(algorithm).subject_public_key_info()
    }

    /// The public key of the algorithm's family, SPKI PEM.
    pub fn public_pem(self, algorithm: Algorithm) -> String {
        pair(algorithm).public_key_pem()
    }

    /// A key set with the public key of each algorithm.
    pub fn jwks(self, algorithms: &[Algorithm]) -> String {
        let keys: Vec<Value> = algorithms.iter().map(|algorithm| jwk(*algorithm)).collect();
        json!({ "keys": keys }).to_string()
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn signed(algorithm: Algorithm, key: &EncodingKey, header: &[u8], claims: &[u8]) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(text.as_bytes(), key, algorithm).unwrap();
    format!("{text}.{signature}")
}

fn changed(changes: &Value) -> Value {
    let mut claims = Issuer::claims();
    lay_over(&mut claims, changes);
    claims
}

fn lay_over(object: &mut Value, changes: &Value) {
    let map = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().into_iter().flatten() {
        if value.is_null() {
            map.remove(name);
        } else {
            map.insert(name.clone(), value.clone());
        }
    }
}

fn pair(algorithm: Algorithm) -> &'static KeyPair {
    match algorithm {
        Algorithm::ES256 => &P256,
        Algorithm::ES384 => &P384,
        Algorithm::EdDSA => &ED25519,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => panic!("a secret has no public half"),
        _ => &RSA,
    }
}

fn kid(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "p256",
        Algorithm::ES384 => "p384",
        Algorithm::EdDSA => "ed25519",
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => "secret",
        _ => "rsa",
    }
}

fn signing_key(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => EncodingKey::from_secret(SECRET.as_bytes()),
        Algorithm::ES256 | Algorithm::ES384 => {
            EncodingKey::from_ec_pem(pair(algorithm).serialize_pem().as_bytes()).unwrap()
        }
        Algorithm::EdDSA => EncodingKey::from_ed_pem(pair(algorithm).serialize_pem().as_bytes()).unwrap(),
        _ => EncodingKey::from_rsa_pem(pair(algorithm).serialize_pem().as_bytes()).unwrap(),
    }
}

fn jwk(algorithm: Algorithm) -> Value {
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let raw = pair(algorithm).public_key_raw();
    let mut key = match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => {
            let (x, y) = raw[1..].split_at((raw.len() - 1) / 2);
            let curve = if algorithm == Algorithm::ES256 { "P-256" } else { "P-384" };
            json!({ "kty": "EC", "crv": curve, "x": b64(x), "y": b64(y) })
        }
        Algorithm::EdDSA => json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(raw) }),
        _ => {
            let (n, e) = rsa_numbers(raw);
            json!({ "kty": "RSA", "n": b64(n), "e": b64(e) })
        }
    };
    let map = key.as_object_mut().unwrap();
    map.insert("kid".into(), kid(algorithm).into());
    map.insert("use".into(), "sig".into());
    map.insert("alg".into(), format!("{algorithm:?}").into());
    key
}

/// `SEQUENCE { INTEGER n, INTEGER e }` of RFC 8017, without the sign octet.
fn rsa_numbers(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = element(der);
    let (n, rest) = element(sequence);
    let (e, _) = element(rest);
    (n.strip_prefix(&[0]).unwrap_or(n), e)
}

fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, start) = match der[1] {
        short @ 0..=127 => (usize::from(short), 2),
        long => {
            let count = usize::from(long & 0x7f);
            let length = der[2..2 + count].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, 2 + count)
        }
    };
    der[start..].split_at(length)
}
