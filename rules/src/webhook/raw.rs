//! A scheme as written: plain data, the same for a preset and for `scheme:` in a configuration.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use super::mac::Hash;
use crate::shapes::OneOrMany;
use crate::token::Algorithm;

mod extract;
mod handshake;

pub use extract::RawExtract;
pub use handshake::{Phase, RawAnswer, RawHandshake, RawWhen};

/// How a delivery is proved to come from who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A message authentication code (RFC 2104) with a shared secret.
    Hmac,
    /// A plain digest over data that contains the shared secret.
    KeyedHash,
    /// A shared secret that is sent as it is.
    Token,
    /// An Ed25519 signature (RFC 8032).
    Ed25519,
    /// An ECDSA signature on P-256 with SHA-256, in DER.
    EcdsaP256Sha256,
    /// An RSA signature, PKCS #1 v1.5 with SHA-256.
    RsaPkcs1Sha256,
    /// A signed JSON Web Token (RFC 7519).
    Jwt,
    /// Amazon SNS: fields of the body in a fixed order, and a certificate by URL.
    Sns,
}

impl Kind {
    /// Whether signing takes the same secret as verifying, so that the gateway could sign.
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Hmac | Self::KeyedHash | Self::Token)
    }
}

/// How a provider signs what it sends.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawScheme {
    /// What kind of proof a delivery carries.
    pub kind: Kind,
    /// The hash function of `hmac` and `keyed_hash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// How the signature is written, decoded strictly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// How the secret, or the public key's text, becomes the bytes of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<RawSecretForm>,
    /// Where the signature is. Of a list, a key with `slot: n` is tried on entry n only, counted from 0.
    #[serde(default, skip_serializing_if = "nothing")]
    pub signature: OneOrMany<RawExtract>,
    /// When it was sent, and how old or early it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<RawTimestamp>,
    /// Further named values for the payload.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, RawExtract>,
    /// A template of the signed bytes, or several alternatives of which one must fit.
    #[serde(default, skip_serializing_if = "nothing")]
    pub payload: OneOrMany<String>,
    /// Fields that must have a certain value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<RawRequire>,
    /// The source that says which key was used, by its `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_by: Option<RawExtract>,
    /// The body holds several messages, each with a signature of its own, and all of them must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<RawEach>,
    /// A digest of the body that stands somewhere that is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_digest: Option<RawBodyDigest>,
    /// Where the static token or the JWT is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<RawExtract>,
    /// The algorithms that a JWT may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algs: Vec<Algorithm>,
    /// Whether a JWT must name its key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kid_required: bool,
    /// How far the clock of a JWT's issuer may be off, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leeway_s: Option<u32>,
    /// What a JWT must claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<RawClaims>,
    /// The signature versions of SNS that are accepted: `1` (SHA-1) and `2` (SHA-256).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// A regular expression for the hosts from which a message may have its certificate fetched; all of the host
    /// must match. Nothing is fetched where certificates are configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_host: Option<String>,
    /// The same for the path of the certificate's URL. Without it, the path must end in `.pem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_path: Option<String>,
    /// The `https` address of the JWK set (RFC 7517) with which a JWT is verified where no keys are configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Requests that set the webhook up or probe it, which the gateway may answer itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handshakes: Vec<RawHandshake>,
    /// What makes a delivery a repetition of an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<RawReplay>,
    /// A remark for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// A remark for people, on bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note_body: Option<String>,
}

/// How the text of a secret becomes the bytes of a key.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSecretForm {
    /// A prefix that is taken off where it is there, such as `whsec_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<String>,
    /// How the rest is written; base64 may lack its padding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<SecretCoding>,
    /// What is made of the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derive: Option<Derive>,
}

/// How a secret is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretCoding {
    /// The text's own bytes.
    #[default]
    Utf8,
    /// Hexadecimal digits.
    Hex,
    /// Base64 (RFC 4648, section 4).
    Base64,
}

/// What is made of a secret's bytes before they are a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Derive {
    /// Nothing.
    #[default]
    None,
    /// Their SHA-1.
    Sha1,
}

/// When a message was sent.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTimestamp {
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<RawExtract>,
    /// How it is written, read strictly.
    pub format: TimeFormat,
    /// How many seconds old it may be, that age included. Without it, the age is not checked.
    #[serde(default)]
    pub past_s: Option<u32>,
    /// How many seconds ahead it may be, that many included. Without it, that is not checked.
    #[serde(default)]
    pub future_s: Option<u32>,
    /// Whether it is read only once the signature holds, because it is inside the signed body.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after: bool,
}

/// How a point in time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// Seconds since the Unix epoch: digits only.
    UnixS,
    /// Milliseconds since the Unix epoch: digits only.
    UnixMs,
    /// Date, time and offset (RFC 3339).
    Rfc3339,
}

/// A field that must have a certain value.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRequire {
    /// The source.
    pub from: RawExtract,
    /// All of its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// A part of its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

/// Where the messages of a body are.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawEach {
    /// A JSON pointer to their list; an empty list is refused.
    pub array: String,
    /// A JSON pointer from each entry to the message in it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub item: String,
}

/// A digest of the body.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBodyDigest {
    /// Where it is.
    pub from: RawExtract,
    /// Its hash function.
    pub hash: Hash,
    /// How it is written.
    pub encoding: Encoding,
}

/// What a JWT must claim. A text that begins with `$` is a setting of the webhook (`$audience`), and `$url` the
/// external address of the request.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawClaims {
    /// The issuer, one of these.
    #[serde(default, skip_serializing_if = "nothing")]
    pub iss: OneOrMany<String>,
    /// The audience, one of these.
    #[serde(default, skip_serializing_if = "nothing")]
    pub aud: OneOrMany<String>,
    /// The e-mail address, with `email_verified: true` beside it.
    #[serde(default, skip_serializing_if = "nothing")]
    pub email: OneOrMany<String>,
    /// The subject, one of these.
    #[serde(default, skip_serializing_if = "nothing")]
    pub sub: OneOrMany<String>,
    /// Whether it must say when it expires. Where it does, that counts in any case.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exp: bool,
    /// When it was issued, and how old or early that may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<RawWindow>,
    /// The SHA-256 of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_hash: Option<RawBodyHash>,
}

/// How far from now a time may be.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawWindow {
    /// How many seconds ago, that many included. Without it, that is not checked.
    #[serde(default)]
    pub past_s: Option<u32>,
    /// How many seconds ahead, that many included. Without it, that is not checked.
    #[serde(default)]
    pub future_s: Option<u32>,
}

/// The claim that holds the SHA-256 of the body.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBodyHash {
    /// Its name.
    pub claim: String,
    /// How the digest is written.
    pub encoding: Encoding,
}

/// What makes a delivery a repetition.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawReplay {
    /// Sources, vars, and `signed` for the digest of the signed bytes. One value that came before is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// How many seconds they are remembered; never fewer than a timestamp lets a message live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<u32>,
}

fn nothing<T>(items: &OneOrMany<T>) -> bool {
    items.0.is_empty()
}
