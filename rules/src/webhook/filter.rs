//! Filters: what is made of a value before it is signed.

use super::form;
use super::refused::Refused;
use super::url;
use crate::problem::{Place, Problem};

/// What is made of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// A form's names and values in order.
    FormSorted,
    /// An address without its port.
    NoPort,
    /// An address with a port.
    DefaultPort,
    /// The CRC-32 of the bytes as a decimal number.
    Crc32Dec,
    /// An address with some escapes of its query decoded.
    Rfc3986Hubspot,
}

const ALL: [(&str, Filter); 5] = [
    ("form_sorted", Filter::FormSorted),
    ("no_port", Filter::NoPort),
    ("default_port", Filter::DefaultPort),
    ("crc32_dec", Filter::Crc32Dec),
    ("rfc3986_hubspot", Filter::Rfc3986Hubspot),
];

impl Filter {
    pub(super) fn parse(name: &str, at: &Place) -> Result<Self, Problem> {
        ALL.iter().find(|(known, _)| *known == name).map(|(_, filter)| *filter).ok_or_else(|| {
            at.problem(format!("there is no filter `{name}`"))
                .remedy(format!("write one of {}", ALL.map(|(name, _)| name).join(", ")))
        })
    }

    pub(super) fn apply(self, value: &[u8]) -> Result<Vec<u8>, Refused> {
        let address = |change: fn(&str) -> String| {
            let text = std::str::from_utf8(value);
            text.map(|text| change(text).into_bytes())
                .map_err(|_| Refused::malformed("the request's address is not text"))
        };
        match self {
            Self::FormSorted => {
                form::sorted(value).map_err(|_| Refused::malformed("the body is not a soundly encoded form"))
            }
            Self::NoPort => address(url::without_port),
            Self::DefaultPort => address(url::with_port),
            Self::Rfc3986Hubspot => address(url::hubspot),
            Self::Crc32Dec => {
                let mut crc = flate2::Crc::new();
                crc.update(value);
                Ok(crc.sum().to_string().into_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(Filter::Crc32Dec.apply(b"123456789").unwrap(), b"3421780262");
        assert_eq!(Filter::Crc32Dec.apply(b"").unwrap(), b"0");
    }
}
