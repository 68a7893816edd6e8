//! Urlencoded parameters as providers sign them: decoded once, a plus sign for a space, any bytes.

use std::borrow::Cow;

use super::encoding::hex;
use super::refused::{Reason, Refused};
use super::source::Source;

/// Why parameters cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The parameter is there more than once.
    Twice,
    /// A `%` without two hexadecimal digits.
    Encoding,
}

impl Fault {
    pub(super) fn refused(self, source: &Source) -> Refused {
        match self {
            Self::Twice => Refused::new(Reason::Ambiguous, format!("{source} is there more than once")),
            Self::Encoding => Refused::malformed(format!("{source} is not soundly percent-encoded")),
        }
    }
}

/// The value of the parameter called `name`.
pub(super) fn find<'a>(text: &'a [u8], name: &str) -> Result<Option<Cow<'a, [u8]>>, Fault> {
    let mut found = None;
    for (key, value) in pieces(text) {
        // A name that cannot be decoded is not this one.
        if decode(key).is_ok_and(|key| *key == *name.as_bytes()) {
            if found.is_some() {
                return Err(Fault::Twice);
            }
            found = Some(decode(value)?);
        }
    }
    Ok(found)
}

/// Names and values one after the other, sorted by name and value, exact repetitions left out.
pub(super) fn sorted(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let pair = |(key, value)| Ok((decode(key)?, decode(value)?));
    let mut pairs = pieces(text).map(pair).collect::<Result<Vec<_>, Fault>>()?;
    pairs.sort_unstable();
    pairs.dedup();
    let mut joined = Vec::with_capacity(text.len());
    for (key, value) in pairs {
        joined.extend_from_slice(&key);
        joined.extend_from_slice(&value);
    }
    Ok(joined)
}

/// A parameter as it is written into a form or a query.
pub(super) fn encode(text: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex(&[*byte]).to_ascii_uppercase());
        }
    }
    encoded
}

fn pieces(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()).map(|piece| {
        match piece.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                let (key, value) = piece.split_at(at);
                (key, value.get(1..).unwrap_or_default())
            }
            None => (piece, &[][..]),
        }
    })
}

fn decode(text: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        let mut digit =
            || bytes.next().and_then(|digit| char::from(*digit).to_digit(16)).ok_or(Fault::Encoding);
        plain.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit()? * 16 + digit()?).map_err(|_| Fault::Encoding)?,
            other => *other,
        });
    }
    Ok(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_decoded_once() {
        for (text, value) in [
            ("a=1&b=2", Some("1")),
            ("b=2&%61=%2B+%2526", Some("+ %26")),
            ("a", Some("")),
            ("&&a=x=y&", Some("x=y")),
            ("b=%zz&a=1", Some("1")),
            ("%zz=1&a=1", Some("1")),
            ("", None),
            ("A=1", None),
        ] {
            assert_eq!(find(text.as_bytes(), "a").unwrap().as_deref(), value.map(str::as_bytes), "{text}");
        }
        assert_eq!(find(b"a=1&a=1", "a"), Err(Fault::Twice));
        assert_eq!(find(b"a=1&%61=2", "a"), Err(Fault::Twice));
        assert_eq!(find(b"a=%", "a"), Err(Fault::Encoding));
        assert_eq!(find(b"a=%2", "a"), Err(Fault::Encoding));
    }

    #[test]
    fn a_form_is_signed_in_order() {
        assert_eq!(sorted(b"b=2&a=2&a=1&a=2&c").unwrap(), b"a1a2b2c");
        assert_eq!(sorted(b"To=%2B1&From=a+b").unwrap(), b"Froma bTo+1");
        assert_eq!(sorted(b""), Ok(Vec::new()));
        assert_eq!(sorted(b"a=%zz"), Err(Fault::Encoding));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text = format!("x=1&a={}", encode(&value));
            prop_assert_eq!(find(text.as_bytes(), "a").unwrap().unwrap().into_owned(), value);
        }
    }
}
