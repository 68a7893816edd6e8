//! Distinguished names.

use std::fmt::Write as _;

use x509_parser::asn1_rs::{Any, Tag, ToDer as _};
use x509_parser::prelude::X509Name;

use super::{LeafError, hex};

/// Attributes that have a name: the type, the name among the claims, the name in a text (RFC 4514, RFC 4519).
const NAMED: &[(&str, &str, &str)] = &[
    ("2.5.4.3", "cn", "CN"),
    ("2.5.4.4", "sn", "sn"),
    ("2.5.4.5", "serial_number", "serialNumber"),
    ("2.5.4.6", "c", "C"),
    ("2.5.4.7", "l", "L"),
    ("2.5.4.8", "st", "ST"),
    ("2.5.4.9", "street", "STREET"),
    ("2.5.4.10", "o", "O"),
    ("2.5.4.11", "ou", "OU"),
    ("2.5.4.12", "title", "title"),
    ("2.5.4.17", "postal_code", "postalCode"),
    ("2.5.4.42", "given_name", "givenName"),
    ("0.9.2342.19200300.100.1.1", "uid", "UID"),
    ("0.9.2342.19200300.100.1.25", "dc", "DC"),
    ("1.2.840.113549.1.9.1", "email", "emailAddress"),
];

/// A distinguished name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dn {
    /// The values of each attribute in the certificate's order: `cn`, `o`, `ou` and so on; an attribute without
    /// a name goes by its type, `1.2.3.4`.
    pub attributes: Vec<(String, Vec<String>)>,
    /// The whole name as text (RFC 4514).
    pub text: String,
}

impl Dn {
    pub(super) fn of(name: &X509Name<'_>) -> Result<Self, LeafError> {
        let (mut attributes, mut parts): (Vec<(String, Vec<String>)>, _) = (Vec::new(), Vec::new());
        for rdn in name.iter_rdn() {
            let mut part = String::new();
            for attribute in rdn.iter() {
                let id = attribute.attr_type().to_id_string();
                let named = NAMED.iter().find(|(known, ..)| *known == id);
                let value = string(attribute.attr_value())?;
                if !part.is_empty() {
                    part.push('+');
                }
                match (named, &value) {
                    (Some((_, _, short)), Some(value)) => {
                        let _ = write!(part, "{short}=");
                        escape(value, &mut part);
                    }
                    (Some(_), None) => return Err(LeafError::Unreadable),
                    (None, _) => {
                        let der = attribute.attr_value().to_der_vec();
                        let der = der.map_err(|_| LeafError::Unreadable)?;
                        let _ = write!(part, "{id}=#{}", hex(&der));
                    }
                }
                let Some(value) = value else { continue };
                let key = named.map_or(id.as_str(), |(_, key, _)| key);
                match attributes.iter_mut().find(|(known, _)| known == key) {
                    Some((_, values)) => values.push(value),
                    None => attributes.push((key.to_owned(), vec![value])),
                }
            }
            parts.push(part);
        }
        // RFC 4514, section 2.1: the last comes first.
        parts.reverse();
        Ok(Self { attributes, text: parts.join(",") })
    }
}

/// A value of one of ASN.1's string types; none if it is something else.
fn string(value: &Any<'_>) -> Result<Option<String>, LeafError> {
    let ascii = |data: &[u8]| data.is_ascii().then(|| String::from_utf8_lossy(data).into_owned());
    let text = match value.tag() {
        Tag::Utf8String => std::str::from_utf8(value.data).ok().map(str::to_owned),
        // Nobody agrees on what T.61 says beyond ASCII.
        Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString | Tag::T61String => {
            ascii(value.data)
        }
        Tag::BmpString => bmp(value.data),
        _ => return Ok(None),
    };
    text.filter(|text| printable(text)).map(Some).ok_or(LeafError::Unreadable)
}

fn bmp(data: &[u8]) -> Option<String> {
    let (pairs, rest) = data.as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok().filter(|_| rest.is_empty())
}

/// Whether nothing in it could end a text early, or a line: what reads it next may be written in C.
pub(super) fn printable(text: &str) -> bool {
    !text.contains(char::is_control)
}

/// RFC 4514, section 2.4.
fn escape(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        let special = matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (index == 0 && matches!(character, ' ' | '#'))
            || (index == last && character == ' ');
        if special {
            text.push('\\');
        }
        text.push(character);
    }
}
