//! Why a delivery is not believed.

use std::borrow::Cow;
use std::fmt;

/// One row a reason, so that name and code cannot drift apart.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $code:literal;)*) => {
        /// Why a delivery is not believed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// Its name, for logs, `explain` and metric labels.
            pub const fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// The code of the refusal that it becomes.
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$variant => $code,)* }
            }
        }
    };
}

reasons! {
    /// A value that is needed is absent or empty.
    Missing = "missing", "signature_missing";
    /// A value is there, but not in the form that it must have.
    Malformed = "malformed", "signature_malformed";
    /// A value is there twice, so that readers may see different ones.
    Ambiguous = "ambiguous", "signature_malformed";
    /// A value is longer, or there are more signatures, than any sender has use for.
    Oversized = "oversized", "signature_malformed";
    /// A field does not say what the scheme requires.
    Unmet = "unmet", "signature_malformed";
    /// The key that the message names is none of ours, or may not be fetched from where it says.
    UnknownKey = "unknown_key", "signature_invalid";
    /// The signature is that of a key whose time is over.
    RetiredKey = "retired_key", "signature_invalid";
    /// No key made this signature over this message.
    Mismatch = "mismatch", "signature_invalid";
    /// The message is older than the tolerance.
    TooOld = "too_old", "signature_expired";
    /// The message is from further in the future than the tolerance.
    TooNew = "too_new", "signature_expired";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A delivery that is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// A sentence for the log and for `explain`. It names places, never a value of the request or a key.
    pub private: Cow<'static, str>,
}

impl Refused {
    pub(super) fn new(reason: Reason, private: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, private: private.into() }
    }

    pub(super) fn missing(what: &impl fmt::Display) -> Self {
        Self::new(Reason::Missing, format!("{what} is missing or empty"))
    }

    pub(super) fn malformed(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reason::Malformed, private)
    }

    pub(super) fn mismatch(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reason::Mismatch, private)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_ten_with_four_codes() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 10);
        let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(
            codes,
            ["signature_expired", "signature_invalid", "signature_malformed", "signature_missing"]
        );
    }
}
