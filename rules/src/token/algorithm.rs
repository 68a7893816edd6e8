//! The signature algorithms that are ever accepted.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! algorithms {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A signature algorithm (RFC 7518, RFC 8037). `none` is not one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Algorithm { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl Algorithm {
            /// Every one, in the order of the reference.
            pub const ALL: &'static [Algorithm] = &[$(Algorithm::$variant,)*];

            /// The name in a token's header.
            pub const fn name(self) -> &'static str {
                match self { $(Algorithm::$variant => $name,)* }
            }
        }
    };
}

algorithms! {
    /// HMAC with SHA-256.
    Hs256 = "HS256";
    /// HMAC with SHA-384.
    Hs384 = "HS384";
    /// HMAC with SHA-512.
    Hs512 = "HS512";
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256 = "RS256";
    /// RSA PKCS #1 v1.5 with SHA-384.
    Rs384 = "RS384";
    /// RSA PKCS #1 v1.5 with SHA-512.
    Rs512 = "RS512";
    /// RSA PSS with SHA-256.
    Ps256 = "PS256";
    /// RSA PSS with SHA-384.
    Ps384 = "PS384";
    /// RSA PSS with SHA-512.
    Ps512 = "PS512";
    /// ECDSA on P-256 with SHA-256.
    Es256 = "ES256";
    /// ECDSA on P-384 with SHA-384.
    Es384 = "ES384";
    /// Ed25519.
    EdDsa = "EdDSA";
}

impl Algorithm {
    /// Whether signing and verifying take the same secret.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is none of [`Algorithm::ALL`]; case counts (RFC 7515, 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a signature algorithm that is accepted; one of")?;
        Algorithm::ALL.iter().try_for_each(|one| write!(f, " {one}"))
    }
}

impl std::error::Error for UnknownAlgorithm {}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.iter().copied().find(|one| one.name() == name).ok_or(UnknownAlgorithm)
    }
}
