//! Queries and urlencoded forms as a gate may trust them: a parameter that another reader would find elsewhere, or
//! twice, is refused.
//!
//! The URL Standard splits at `&`, older readers also at `;`; PHP and Rails give `a[]=` and `a.b=` other names;
//! ASP.NET ignores case. What all of them agree on is a value; everything else is [`Ambiguous`].
//!
//! ```
//! use rules::query::{find, without};
//!
//! assert_eq!(find(b"tenant=acme&page=2", "tenant").unwrap().as_deref(), Some("acme"));
//! assert!(find(b"tenant=acme&Tenant=globex", "tenant").is_err());
//! assert_eq!(without("page=2&token=abc", &["token".to_owned()]), "page=2");
//! ```

use std::borrow::Cow;

use crate::names::{folded, joined};

/// Readers disagree about a parameter: a sentence for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous(pub &'static str);

/// The decoded value of the parameter `name`, if it is there.
///
/// # Errors
/// When it is there more than once, under a name that some readers take for it, or not soundly encoded.
pub fn find<'q>(query: &'q [u8], name: &str) -> Result<Option<Cow<'q, str>>, Ambiguous> {
    let mut found = None;
    each(
        query,
        name,
        |_| false,
        |value| {
            if found.is_some() {
                return Err(Ambiguous("the parameter is there more than once"));
            }
            // RFC 3986 takes it for a plus sign, a form for a space.
            if value.contains(&b'+') {
                return Err(Ambiguous("the parameter's value has a `+`, which readers decode differently"));
            }
            found = Some(decode(value)?);
            Ok(())
        },
    )?;
    Ok(found)
}

/// Has every value of the parameter `name` heard, still encoded, in order. Names that `known` knows are other
/// parameters, however much they look like this one.
///
/// # Errors
/// When it is there under a name that some readers take for it, or not soundly encoded; and what `hear` says.
pub(crate) fn each<'q>(
    query: &'q [u8],
    name: &str,
    known: impl Fn(&str) -> bool,
    mut hear: impl FnMut(&'q [u8]) -> Result<(), Ambiguous>,
) -> Result<(), Ambiguous> {
    for piece in query.split(|byte| *byte == b'&') {
        let parted = piece.contains(&b';');
        for part in piece.split(|byte| *byte == b';') {
            let (key, value) = halves(part);
            let key = decode(key)?;
            if key != name {
                if is_alias(&key, name) && !known(&key) {
                    return Err(Ambiguous(
                        "a parameter's name differs from the one meant only as some readers see it",
                    ));
                }
                continue;
            }
            if parted {
                return Err(Ambiguous("a `;` stands beside the parameter, which some readers take for `&`"));
            }
            hear(value)?;
        }
    }
    Ok(())
}

/// The query without the parameters called `names`, whatever any reader takes for one of them included. What is
/// left keeps its separators: with others, a reader would find parameters that were not there before.
pub fn without<'q>(query: &'q str, names: &[String]) -> Cow<'q, str> {
    let hidden = |part: &&str| {
        let (key, _) = halves(part.as_bytes());
        decode(key).map_or(true, |key| names.iter().any(|name| is_alias(&key, name)))
    };
    if names.is_empty() || !query.split(['&', ';']).any(|part| hidden(&part)) {
        return Cow::Borrowed(query);
    }
    let mut kept = Vec::new();
    for piece in query.split('&') {
        if !piece.split(';').any(|part| hidden(&part)) {
            kept.push(Cow::Borrowed(piece));
            continue;
        }
        let left: Vec<&str> = piece.split(';').filter(|part| !hidden(part)).collect();
        if !left.is_empty() {
            kept.push(Cow::Owned(left.join(";")));
        }
    }
    Cow::Owned(kept.join("&"))
}

/// Whether some reader takes `key` for `name`: in another case, in fullwidth letters, with an index (`name[]`) or in
/// brackets, between blanks, before a NUL, decoded once more, or with other punctuation where PHP writes `_`.
pub fn is_twin(key: &str, name: &str) -> bool {
    let seen = |key: &str| {
        let key = bare(key);
        // To Rack and qs `[name]` is `name`, to PHP `a[b` is `a_b`.
        let entry = key.trim_start_matches(['[', ']']).split(['[', ']']).next().unwrap_or(key);
        plain(key).eq(plain(name)) || plain(entry).eq(plain(name))
    };
    seen(key) || key.contains('%') && decode(key.as_bytes()).is_ok_and(|key| seen(&key))
}

/// A twin, or `tenantId` for `tenant_id`: what maps JSON or queries to protocol buffers takes either.
fn is_alias(key: &str, name: &str) -> bool {
    is_twin(key, name) || joined(key).eq(joined(name))
}

/// Up to a NUL, without blanks, control characters and marks around it.
fn bare(key: &str) -> &str {
    let trim = |text| {
        str::trim_matches(text, |letter: char| {
            letter.is_whitespace() || letter.is_control() || matches!(letter, '+' | '\u{feff}')
        })
    };
    trim(trim(key).split('\0').next().unwrap_or(key))
}

fn plain(text: &str) -> impl Iterator<Item = char> {
    folded(text).map(|letter| match letter {
        '.' | ' ' | '-' | '+' | '[' => '_',
        // Windows' "best fit" to a code page.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0).unwrap_or(letter),
        _ => letter,
    })
}

fn halves(part: &[u8]) -> (&[u8], &[u8]) {
    match part.iter().position(|byte| *byte == b'=') {
        Some(at) => {
            let (key, value) = part.split_at(at);
            (key, value.get(1..).unwrap_or_default())
        }
        None => (part, &[]),
    }
}

/// Percent-decoding, once and strictly: a stray `%` or bytes that are not UTF-8 are what readers disagree about.
pub(crate) fn decode(text: &[u8]) -> Result<Cow<'_, str>, Ambiguous> {
    const BAD: Ambiguous = Ambiguous("the query is not soundly percent-encoded");
    if !text.contains(&b'%') {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| BAD);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            plain.push(*byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(*digit).to_digit(16));
        let (high, low) = (digit().ok_or(BAD)?, digit().ok_or(BAD)?);
        plain.push(u8::try_from(high * 16 + low).map_err(|_| BAD)?);
    }
    String::from_utf8(plain).map(Cow::Owned).map_err(|_| BAD)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_what_every_reader_sees() {
        for (query, value) in [
            ("tenant=acme", "acme"),
            ("page=2&tenant=acme&x", "acme"),
            ("%74enant=%61cme", "acme"),
            ("tenant=a%2Bb", "a+b"),
            ("tenant=a%26tenant=b", "a&tenant=b"),
            ("tenant=", ""),
            ("tenant", ""),
            ("x=%E2%82%AC&tenant=acme", "acme"),
            ("x=a+b&tenant=acme", "acme"),
            ("x=%zz&tenant=acme", "acme"),
            ("x=1;y=2&tenant=acme", "acme"),
            ("tenants=globex&tenant=acme&my_tenant=x", "acme"),
        ] {
            assert_eq!(find(query.as_bytes(), "tenant").unwrap().as_deref(), Some(value), "{query}");
        }
        for query in ["", "&", "=", "page=2", "x=tenant", "ten%61nts=acme"] {
            assert_eq!(find(query.as_bytes(), "tenant"), Ok(None), "{query}");
        }
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        for query in [
            "tenant=acme&tenant=acme",
            "tenant=acme&tenant=globex",
            "tenant=acme&%74enant=globex",
            "tenant=acme&Tenant=globex",
            "tenant=acme&TENANT",
            "Tenant=acme",
            "tenant=acme&tenant[]=globex",
            "tenant[0]=acme",
            "tenant%5B%5D=acme",
            "tenant=acme&%20tenant=globex",
            "tenant=acme&tenant%00x=globex",
            "tenant=acme;tenant=globex",
            "x=1;tenant=globex",
            "tenant=acme&x=1;tenant=globex",
            "tenant=acme;x",
            "tenant=a+b",
            "tenant=%zz",
            "tenant=%4",
            "tenant=%E9",
            "tenant=acme&ten%zzant=globex",
            "tenant=acme&+tenant=globex",
            "tenant=acme&tenant+=globex",
            "tenant=acme&%0Dtenant=globex",
            "tenant=acme&[tenant]=globex",
            "tenant=acme&%5Btenant%5D=globex",
            "tenant=acme&tenant[=globex",
            "tenant=acme&%2574enant=globex",
            "tenant=acme&%EF%BD%94enant=globex",
            "tenant=acme&%EF%BB%BFtenant=globex",
            "tenant=acme&te-nant=globex",
            "tenant=acme&amp;tenant=globex",
        ] {
            assert!(find(query.as_bytes(), "tenant").is_err(), "{query}");
        }
        for query in ["tenant.id=x", "tenant[id=x", "tenantId=x", "tenant-id=x", "TenantID=x"] {
            assert!(find(query.as_bytes(), "tenant_id").is_err(), "{query}");
        }
        assert_eq!(find(b"_tenant=x", "tenant"), Ok(None));
        assert!(find(b"tenant=\xe9", "tenant").is_err());
    }

    #[test]
    fn hidden_parameters_are_gone_for_every_reader() {
        let names = ["token".to_owned()];
        for (query, left) in [
            ("token=a", ""),
            ("page=2&token=a&x=%20", "page=2&x=%20"),
            ("page=2&%74oken=a", "page=2"),
            ("Token=a&page=2", "page=2"),
            ("page=2;token=a", "page=2"),
            ("x=1;y&token=a&z;w", "x=1;y&z;w"),
            ("x;token=a;y&z", "x;y&z"),
            ("x=1;token=a&y", "x=1&y"),
            ("token[]=a&tokens=b", "tokens=b"),
            ("%zz=a&page=2", "page=2"),
        ] {
            assert_eq!(without(query, &names), left, "{query}");
        }
        assert!(matches!(without("%zz=a;x", &[]), Cow::Borrowed("%zz=a;x")));
        assert!(matches!(without("page=2;x&y=a+b", &names), Cow::Borrowed("page=2;x&y=a+b")));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_hidden_is_not_found(query in "[a-tT%&;=+\\[0-9]{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = find(&bytes, "tenant");
            let left = without(&query, &["token".to_owned()]);
            prop_assert_eq!(find(left.as_bytes(), "token"), Ok(None));
        }
    }
}
