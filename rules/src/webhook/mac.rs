//! Digests, and digests with a key.

use aws_lc_rs::{digest, hmac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hash {
    /// SHA-1: still sound within an HMAC, and what some providers use.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    pub(super) fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    pub(super) fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    /// The digest of some bytes.
    pub(super) fn of(self, bytes: &[u8]) -> digest::Digest {
        digest::digest(self.digest(), bytes)
    }
}

/// Whether two texts are equal, in a time that tells neither where they differ nor how long ours is.
pub(super) fn same(ours: &[u8], theirs: &[u8]) -> bool {
    let (ours, theirs) = (Hash::Sha256.of(ours), Hash::Sha256.of(theirs));
    equal(ours.as_ref(), theirs.as_ref())
}

/// Whether two digests are equal, in a time that does not tell where they differ.
pub(super) fn equal(ours: &[u8], theirs: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(ours, theirs).is_ok()
}
