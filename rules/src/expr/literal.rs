//! Numbers and addresses as people write them in an expression.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::fault::{Fault, Outcome, Span};
use super::lex::Cursor;
use super::syntax::{Item, Literal};

/// A literal: a text, a number, an address, `true` or `false`.
pub(super) fn literal(cursor: &mut Cursor<'_>) -> Outcome<(Literal, Span)> {
    let start = cursor.at();
    if cursor.at_text() {
        let text = cursor.text()?;
        return Ok((Literal::Text(text), cursor.span(start)));
    }
    let token = token(cursor);
    let span = cursor.span(start);
    let literal = match token {
        "" => return Err(Fault::new(cursor.here(), "a text, a number or an address is missing here")),
        "true" => Literal::Flag(true),
        "false" => Literal::Flag(false),
        token if is_number(token) => Literal::Integer(integer(token, &span)?),
        token if looks_like_address(token) => Literal::Address(address(token, &span)?),
        token => return Err(no_literal(token, span)),
    };
    Ok((literal, span))
}

/// What stands in a set: a literal, a range or a network.
pub(super) fn item(cursor: &mut Cursor<'_>) -> Outcome<(Item, Span)> {
    let start = cursor.at();
    if cursor.at_text() {
        let text = cursor.text()?;
        return Ok((Item::Text(text), cursor.span(start)));
    }
    let token = token(cursor);
    let span = cursor.span(start);
    let item = match token.split_once("..") {
        _ if token.is_empty() => return Err(stray(cursor)),
        Some((from, to)) if is_number(from) && is_number(to) => {
            let (from, to) = (integer(from, &span)?, integer(to, &span)?);
            if from > to {
                return Err(upside_down(span));
            }
            Item::Integers(from..=to)
        }
        Some((from, to)) => Item::Addresses(addresses(from, to, &span)?, None),
        None if is_number(token) => {
            let number = integer(token, &span)?;
            Item::Integers(number..=number)
        }
        None if token.contains('/') => network(token, &span)?,
        None if looks_like_address(token) => {
            let address = address(token, &span)?;
            Item::Addresses(address..=address, None)
        }
        None => return Err(no_literal(token, span)),
    };
    Ok((item, span))
}

fn stray(cursor: &Cursor<'_>) -> Fault {
    match cursor.peek() {
        Some(',') => {
            Fault::new(cursor.here(), "a set has no commas").remedy("separate its items with blanks")
        }
        Some('$') => Fault::new(cursor.here(), "a list does not stand within braces")
            .remedy("write `in $name`, and join several with `or`"),
        Some(other) => Fault::new(cursor.here(), format!("`{other}` cannot stand in a set")),
        None => Fault::new(cursor.here(), "the set is not closed").remedy("close it with `}`"),
    }
}

/// The run of characters that numbers, addresses, networks and ranges are made of.
fn token<'t>(cursor: &mut Cursor<'t>) -> &'t str {
    cursor.run(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | '.' | ':' | '/' | '-'))
}

fn is_number(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.chars().all(|next| next.is_ascii_alphanumeric())
        && (digits.starts_with("0x") || digits.chars().all(|next| next.is_ascii_digit()))
}

/// Decimal, `0x…`, or octal behind a leading 0.
pub(super) fn integer(token: &str, span: &Span) -> Outcome<i64> {
    let read = match (token.strip_prefix("0x"), token.strip_prefix('0')) {
        (Some(digits), _) => i64::from_str_radix(digits, 16),
        (None, Some(digits)) if !digits.is_empty() => i64::from_str_radix(digits, 8),
        _ => token.parse(),
    };
    read.map_err(|_| {
        let octal = token.len() > 1 && token.starts_with('0') && !token.starts_with("0x");
        let fault = Fault::new(span.clone(), format!("`{token}` is not a number of 64 bits"));
        if octal { fault.remedy("a number that begins with 0 is octal") } else { fault }
    })
}

fn looks_like_address(token: &str) -> bool {
    token.contains([':', '.'])
        && token.chars().all(|next| next.is_ascii_hexdigit() || matches!(next, ':' | '.'))
}

fn address(token: &str, span: &Span) -> Outcome<IpAddr> {
    token.parse().map_err(|_| {
        let fault = Fault::new(span.clone(), format!("`{token}` is not an address"));
        if is_byte_pairs(token) { fault.remedy(BYTES) } else { fault }
    })
}

const BYTES: &str = "bytes as hexadecimal pairs are not taken: write them in a text, \"\\xAA\\xBB\"";

/// `AA:BB:CC`, which Cloudflare's parser takes for a text of these bytes.
fn is_byte_pairs(token: &str) -> bool {
    let pair = |pair: &str| pair.len() == 2 && pair.chars().all(|digit| digit.is_ascii_hexdigit());
    let apart = |by: char| token.contains(by) && token.split(by).all(pair);
    apart(':') || apart('-') || apart('.')
}

fn addresses(from: &str, to: &str, span: &Span) -> Outcome<RangeInclusive<IpAddr>> {
    let (from, to) = (address(from, span)?, address(to, span)?);
    if from.is_ipv4() != to.is_ipv4() {
        return Err(Fault::new(
            span.clone(),
            "the range begins in one family of addresses and ends in the other",
        ));
    }
    if from > to { Err(upside_down(span.clone())) } else { Ok(from..=to) }
}

fn upside_down(span: Span) -> Fault {
    Fault::new(span, "the range is upside down").remedy("write the smaller end first")
}

fn network(token: &str, span: &Span) -> Outcome<Item> {
    let (base, length) = token.split_once('/').unwrap_or((token, ""));
    let base = address(base, span)?;
    let longest = if base.is_ipv4() { 32 } else { 128 };
    let prefix = length.parse().ok().filter(|_| length.bytes().all(|digit| digit.is_ascii_digit()));
    let network = prefix.and_then(|prefix| IpNet::new(base, prefix).ok()).ok_or_else(|| {
        Fault::new(span.clone(), format!("`/{length}` is not a prefix length"))
            .remedy(format!("it is a number from 0 to {longest}"))
    })?;
    let clean = network.trunc();
    let note = (clean != network).then(|| clean.to_string());
    let range = match clean {
        IpNet::V4(network) => IpAddr::V4(network.network())..=IpAddr::V4(network.broadcast()),
        IpNet::V6(network) => IpAddr::V6(network.network())..=IpAddr::V6(network.broadcast()),
    };
    Ok(Item::Addresses(range, note))
}

fn no_literal(token: &str, span: Span) -> Fault {
    let fault = Fault::new(span, format!("`{token}` is neither a text, a number nor an address"));
    let first = token.chars().next();
    if is_byte_pairs(token) {
        fault.remedy(BYTES)
    } else if token.contains('/') {
        fault.remedy(format!("a network stands in a set: `in {{{token}}}`"))
    } else if first.is_some_and(|first| first.is_ascii_alphabetic()) {
        fault.remedy("texts stand in double quotes, and two fields cannot be compared with each other")
    } else {
        fault
    }
}
