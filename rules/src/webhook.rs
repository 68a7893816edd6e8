//! Webhooks: whether a delivery comes from who says so, and what makes it a repetition.
//!
//! How a provider signs is data, a [`RawScheme`]; one interpreter covers all of them. A [`Scheme`] is compiled once and
//! says then what would prove nothing. It verifies the bytes as they came, with every key that is still active, and
//! compares in constant time. It fetches and remembers nothing: it says which key it [wants](Outcome::Wants), and by
//! which [keys](ReplayKey) a store knows a repetition.
//!
//! ```
//! use http::{HeaderMap, Method};
//! use rules::problem::Place;
//! use rules::secret::Secret;
//! use rules::webhook::{Delivery, Keyring, Outcome, RawScheme, RawTerms, Scheme, SharedKey, Terms};
//!
//! # fn scheme() -> RawScheme {
//! #     let base = r#"{"kind":"hmac","hash":"sha256","encoding":"hex"}"#;
//! #     let mut raw: RawScheme = serde_json::from_str(base).unwrap();
//! #     raw.signature.0.push("header:X-Signature".into());
//! #     raw.payload.0.push("{body}".to_owned());
//! #     raw
//! # }
//! let at = Place::root();
//! // As in `scheme: { kind: hmac, hash: sha256, encoding: hex, signature: "header:X-Signature", payload: "{body}" }`
//! let scheme = Scheme::compile(&scheme(), &at).unwrap();
//! let secret = Secret::new(b"It's a Secret to Everybody".to_vec());
//! let key = SharedKey { name: "current", id: None, slot: None, until: None, secret: &secret };
//! let keys = Keyring::compile(&scheme, &[key], &[], &at).ok().unwrap();
//! let terms = Terms::compile(&scheme, RawTerms { name: "hook", ..RawTerms::default() }, &at).ok().unwrap();
//!
//! let mut headers = HeaderMap::new();
//! let signature = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";
//! headers.insert("x-signature", signature.parse().unwrap());
//! let mut delivery = Delivery {
//!     method: &Method::POST,
//!     scheme: "https",
//!     authority: "hooks.example.com",
//!     target: "/hook",
//!     headers: &headers,
//!     body: b"Hello World!",
//!     now_ms: 1_800_000_000_000,
//! };
//! assert!(matches!(scheme.verify(&keys, &terms, &delivery, None), Outcome::Verified(_)));
//! delivery.body = b"Hello world!";
//! assert!(matches!(scheme.verify(&keys, &terms, &delivery, None), Outcome::Refused(_)));
//! ```

mod certificate;
mod delivery;
mod encoding;
mod extract;
mod filter;
mod form;
mod handshake;
mod header_list;
mod jwt;
mod key;
mod mac;
mod pointer;
mod preset;
mod raw;
mod refused;
mod replay;
mod scheme;
mod sign;
mod sns;
mod source;
mod stamp;
mod template;
mod terms;
mod url;
mod verify;

pub use certificate::{Fetched, Want};
pub use delivery::{Delivery, MAX_CANDIDATES, MAX_VALUE};
pub use encoding::Encoding;
pub use handshake::{Answer, Greeting};
pub use key::{KeyEncoding, Keyring, RawPublicKey, SharedKey};
pub use mac::Hash;
pub use preset::{Evidence, PRESETS, RawPreset, preset};
pub use raw::{
    Derive, Kind, Phase, RawAnswer, RawBodyDigest, RawBodyHash, RawClaims, RawEach, RawExtract, RawHandshake,
    RawReplay, RawRequire, RawScheme, RawSecretForm, RawTimestamp, RawWhen, RawWindow, SecretCoding,
    TimeFormat,
};
pub use refused::{Reason, Refused};
pub use replay::ReplayKey;
pub use scheme::Scheme;
pub use sign::{SignError, Signed};
pub use terms::{RawTerms, Setting, Terms};
pub use verify::{Outcome, Verified};
