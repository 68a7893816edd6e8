//! `url_decode`, base64, and the query without some of its arguments.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Padding may be left out: whoever writes a header field often does.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How `url_decode` decodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Decoding {
    /// `r`: until nothing is left to decode.
    pub again: bool,
    /// `u`: `%uXXXX` too.
    pub unicode: bool,
}

/// `+` and `%XX` decoded; what is no escape stays. Linear even when it is done again and again: a byte that
/// was just decoded can complete only an escape that ends with it.
pub(super) fn url(value: Cow<'_, [u8]>, how: Decoding) -> Cow<'_, [u8]> {
    if !value.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return value;
    }
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    // Where the bytes begin that may still become part of an escape.
    let mut open = 0;
    for byte in value.iter().copied() {
        out.push(if byte == b'+' { b' ' } else { byte });
        while let Some((keep, letter)) = out.get(open..).and_then(|tail| escape(tail, how.unicode)) {
            out.truncate(open + keep);
            match letter {
                Letter::Byte(b'+') | Letter::Unicode('+') if how.again => out.push(b' '),
                Letter::Byte(byte) => out.push(byte),
                Letter::Unicode(letter) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            if !how.again {
                open = out.len();
            }
        }
    }
    Cow::Owned(out)
}

/// What an escape stands for.
enum Letter {
    Byte(u8),
    Unicode(char),
}

/// The escape at the very end of `text`: how much stands before it, and what it means.
fn escape(text: &[u8], unicode: bool) -> Option<(usize, Letter)> {
    let last = |length: usize| text.len().checked_sub(length).and_then(|at| Some((at, text.get(at..)?)));
    if let Some((at, [b'%', digits @ ..])) = last(3)
        && let Some(byte) = hex(digits).and_then(|value| u8::try_from(value).ok())
    {
        return Some((at, Letter::Byte(byte)));
    }
    let (at, [b'%', b'u', digits @ ..]) = last(6).filter(|_| unicode)? else { return None };
    let unit = hex(digits)?;
    if let Some(letter) = char::from_u32(u32::from(unit)) {
        return Some((at, Letter::Unicode(letter)));
    }
    // Half of a pair (UTF-16): the other half stands before it, undecoded.
    let before = at.checked_sub(6)?;
    let [b'%', b'u', first @ ..] = text.get(before..at)? else { return None };
    let pair = char::decode_utf16([hex(first)?, unit]).next()?.ok()?;
    Some((before, Letter::Unicode(pair)))
}

fn hex(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0_u16, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u16::try_from(digit).ok()?)
    })
}

/// What base64 stands for; nothing, if it is none.
pub(super) fn base64(value: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(value).ok()
}

/// As base64, padded.
pub(super) fn to_base64(value: &[u8]) -> Vec<u8> {
    BASE64.encode(value).into_bytes()
}

/// The query without the arguments called `names`, exactly as they are spelt; the others keep their order.
pub(super) fn without_args<'v>(query: &Cow<'v, [u8]>, names: &[Cow<'_, [u8]>]) -> Cow<'v, [u8]> {
    let named = |part: &[u8]| {
        let name = part.split(|byte| *byte == b'=').next().unwrap_or_default();
        !part.is_empty() && names.iter().any(|other| other.as_ref() == name)
    };
    let parts = || query.split(|byte| *byte == b'&');
    if !parts().any(named) {
        return query.clone();
    }
    let left: Vec<&[u8]> = parts().filter(|part| !named(part)).collect();
    Cow::Owned(left.join(&b'&'))
}
