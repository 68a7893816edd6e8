//! Webhooks: whether a delivery comes from who says so, and what makes it a repetition.
//!
//! How a provider signs is data, a [`RawScheme`]; one interpreter covers all of them. A [`Scheme`] is compiled once and
//! says then what would prove nothing. It verifies the bytes as they came, with every key that is still active, and
//! compares in constant time. It fetches and remembers nothing: it says which key it [wants](Outcome::Wants), and by
//! which [keys](ReplayKey) a store knows a repetition.

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
