//! Bytes as text, read strictly: what has two spellings could be replayed under the second one.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal digits in either case.
    Hex,
    /// Base64 with its padding (RFC 4648, section 4).
    Base64,
    /// Base64url with its padding (RFC 4648, section 5).
    Base64url,
    /// Base64url without padding.
    Base64urlNopad,
}

impl Encoding {
    /// The bytes, or nothing if `text` is not just this: no blanks, no other alphabet, no stray bits.
    pub(super) fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hex => unhex(text),
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Base64url => URL_SAFE.decode(text).ok(),
            Self::Base64urlNopad => URL_SAFE_NO_PAD.decode(text).ok(),
        }
    }

    /// The same, whether base64 has its padding or not: for text that is itself signed.
    pub(super) fn decode_padded_or_not(self, text: &[u8]) -> Option<Vec<u8>> {
        let bare = text.trim_ascii_end();
        let bare = bare.strip_suffix(b"==").or_else(|| bare.strip_suffix(b"=")).unwrap_or(bare);
        match self {
            Self::Hex => unhex(text),
            Self::Base64 => STANDARD_NO_PAD.decode(bare).ok(),
            Self::Base64url | Self::Base64urlNopad => URL_SAFE_NO_PAD.decode(bare).ok(),
        }
    }

    /// The text.
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex(bytes),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64url => URL_SAFE.encode(bytes),
            Self::Base64urlNopad => URL_SAFE_NO_PAD.encode(bytes),
        }
    }
}

/// Base64 as people paste it from a provider's page: with its padding or without, and with whatever stands in the bits
/// that do not count, as every provider's own library takes it.
pub(super) fn pasted_base64(text: &str) -> Option<Vec<u8>> {
    const FORGIVING: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    FORGIVING.decode(text).ok()
}

/// Hexadecimal digits, in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// The bytes of hexadecimal digits.
pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_value_has_one_spelling() {
        for (encoding, text, good) in [
            (Encoding::Hex, "00ff", true),
            (Encoding::Hex, "00FF", true),
            (Encoding::Hex, "0ff", false),
            (Encoding::Hex, " 00ff", false),
            (Encoding::Hex, "00 ff", false),
            (Encoding::Hex, "+0ff", false),
            (Encoding::Hex, "0x00", false),
            (Encoding::Base64, "/+8=", true),
            (Encoding::Base64, "/+8", false),
            (Encoding::Base64, "/+9=", false),
            (Encoding::Base64, "_-8=", false),
            (Encoding::Base64, "/+8=\n", false),
            (Encoding::Base64, "/+8==", false),
            (Encoding::Base64url, "_-8=", true),
            (Encoding::Base64url, "_-8", false),
            (Encoding::Base64urlNopad, "_-8", true),
            (Encoding::Base64urlNopad, "_-8=", false),
            (Encoding::Base64urlNopad, "_-9", false),
        ] {
            assert_eq!(encoding.decode(text.as_bytes()).is_some(), good, "{encoding:?} {text}");
        }
        assert_eq!(Encoding::Base64url.decode_padded_or_not(b"_-8"), Some(vec![0xff, 0xef]));
        assert_eq!(Encoding::Base64urlNopad.decode_padded_or_not(b"_-8="), Some(vec![0xff, 0xef]));
        assert_eq!(Encoding::Base64.decode_padded_or_not(b"/+8==="), None);
        assert_eq!(pasted_base64("/+9"), Some(vec![0xff, 0xef]));
        assert_eq!(pasted_base64("_-8"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..40), noise in "\\PC{0,12}") {
            for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64url, Encoding::Base64urlNopad] {
                let text = encoding.encode(&bytes);
                prop_assert_eq!(encoding.decode(text.as_bytes()), Some(bytes.clone()));
                if let Some(read) = encoding.decode(noise.as_bytes()) {
                    let written = encoding.encode(&read);
                    prop_assert!(written == noise || written == noise.to_ascii_lowercase());
                }
            }
        }
    }
}
