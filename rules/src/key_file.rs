//! The file of an identity's API keys: a list of entries, each with the hash of a key and what it may do.
//!
//! Whoever reads the file finds what is wrong with a value by these types; what only shows between entries,
//! [`crate::identities::api_key`] finds.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

use crate::moment::Moment;
use crate::shapes::OneOrMany;

/// An entry as written.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawKey {
    /// The key's SHA-256 in hexadecimal. The key itself stands nowhere.
    pub sha256: Sha256,
    /// What people call the key: it stands in explanations.
    #[serde(default)]
    pub name: Option<Name>,
    /// Who has the key.
    pub user: Name,
    /// The tenants that the user may act in.
    #[serde(default)]
    pub tenant: OneOrMany<Name>,
    /// The user's roles.
    #[serde(default)]
    pub roles: Vec<Word>,
    /// The key's scopes.
    #[serde(default)]
    pub scopes: Vec<Word>,
    /// When it ends: a date or a time.
    #[serde(default)]
    pub expires: Option<Moment>,
    /// Further claims, for `require.claims`.
    #[serde(default)]
    pub claims: Map<String, Value>,
}

/// An entry, and where it stands.
#[derive(Clone, Debug)]
pub struct Listed {
    /// `keys/partners.yaml:3:5`
    pub at: String,
    /// The entry.
    pub key: RawKey,
}

/// One thing that is wrong with a key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where and what, in a sentence without its full stop.
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// The SHA-256 of a key.
#[derive(Clone, Copy, Debug)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; 32];
        // It is as long as that.
        for (to, from) in hash.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()) {
            *to = *from;
        }
        Self(hash)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let (digits, odd) = text.as_bytes().as_chunks::<2>();
        if digits.len() != 32 || !odd.is_empty() {
            return None;
        }
        let mut hash = [0; 32];
        for (to, [high, low]) in hash.iter_mut().zip(digits) {
            *to = hexadecimal(*high)? << 4 | hexadecimal(*low)?;
        }
        Some(Self(hash))
    }
}

/// In constant time: how much of a hash fits is nobody's business.
impl PartialEq for Sha256 {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Sha256 {}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What stands here by mistake may be the key itself, so it is not repeated.
        Self::parse(&String::deserialize(deserializer)?).ok_or_else(|| {
            D::Error::custom(
                "a SHA-256 has 64 hexadecimal digits\nwrite the hash of the key, never the key: \
                 `printf %s \"$KEY\" | sha256sum`",
            )
        })
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $good:expr, $sentence:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub String);

        impl FromStr for $name {
            /// With the remedy after a line break.
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let good: fn(&str) -> bool = $good;
                if good(text) { Ok(Self(text.to_owned())) } else { Err($sentence) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

text!(
    /// A name: it may have spaces within, but no control characters.
    Name,
    |text| !text.is_empty() && text.trim() == text && !text.contains(char::is_control),
    "this cannot be a name\nwrite text without spaces around it"
);
text!(
    /// A role or a scope.
    Word,
    |text| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control()),
    "this cannot be a role or a scope\nwrite one word an item"
);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(value: Value) -> Result<RawKey, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_hash_is_read_in_either_case_and_printed_in_one() {
        for text in [EMPTY.to_owned(), EMPTY.to_uppercase()] {
            let hash = Sha256::parse(&text).unwrap();
            assert!(hash == Sha256::of(b"") && hash != Sha256::of(b"x"));
            assert_eq!(hash.to_string(), EMPTY);
        }
    }

    #[test]
    fn what_is_no_hash_is_not_repeated() {
        let long = format!("{EMPTY}0");
        let prefixed = format!("0x{}", EMPTY.get(2..).unwrap());
        for text in ["", "pc_the-key-itself", EMPTY.get(1..).unwrap(), &long, &prefixed, &"é".repeat(32)] {
            let told = read(json!({"sha256": text, "user": "u"})).unwrap_err();
            assert!(told.contains("64 hexadecimal digits") && !told.contains("pc_"), "{told}");
        }
    }

    #[test]
    fn entries_say_nothing_else() {
        for (key, value) in [
            ("user", json!("")),
            ("user", json!(" u")),
            ("user", json!("a\nb")),
            ("user", json!(7)),
            ("tenants", json!(["acme"])),
            ("roles", json!(["a b"])),
            ("roles", json!("admin")),
            ("scopes", json!([""])),
            ("expires", json!("soon")),
            ("claims", json!([])),
            ("name", json!("")),
        ] {
            let mut entry = json!({"sha256": EMPTY, "user": "u"});
            assert!(read(entry.clone()).is_ok());
            entry[key] = value;
            assert!(read(entry.clone()).is_err(), "{entry}");
        }
        assert!(read(json!({"sha256": EMPTY})).is_err());
    }
}
