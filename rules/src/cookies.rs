//! Request cookies as a gate may trust them (RFC 6265): one that another reader would find elsewhere, or twice, is
//! refused.

use http::HeaderMap;
use http::header::COOKIE;

use crate::query::{Ambiguous, is_twin};

/// The value of the cookie `name`, as it stands, if it is there. Some readers percent-decode it.
///
/// # Errors
/// When it is there more than once, under a name that some readers take for it, or in or between quotes, which some
/// readers take for one value.
pub fn find<'h>(fields: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Ambiguous> {
    let (mut found, mut quoted) = (None, false);
    // HTTP/2 may split one field into several (RFC 9113, section 8.2.3), which the backend gets as one.
    for field in fields.get_all(COOKIE) {
        let field = field.to_str().map_err(|_| Ambiguous("the Cookie field is not ASCII"))?;
        // Older readers also split at commas.
        let pairs =
            field.split(';').flat_map(|part| part.split(',').map(move |pair| (pair, part.contains(','))));
        for (pair, parted) in pairs {
            let pair = pair.trim_start_matches([' ', '\t']);
            // Some take `=name=value` for `name=value`.
            let (key, value) = pair.trim_start_matches('=').split_once('=').unwrap_or(("", pair));
            let within = quoted;
            quoted = if quoted { !pair.trim_end().ends_with('"') } else { !key.is_empty() && opens(value) };
            if !is_twin(key, name) {
                continue;
            }
            if key != name || pair.starts_with('=') {
                return Err(Ambiguous(
                    "a cookie's name differs from the one meant only as some readers see it",
                ));
            }
            if found.is_some() {
                return Err(Ambiguous("the cookie is there more than once"));
            }
            if parted {
                return Err(Ambiguous("a comma stands beside the cookie, which some readers take for `;`"));
            }
            if within || value.contains(['"', '\\', ' ', '\t']) {
                return Err(Ambiguous("the cookie has a quote or a blank, which readers take differently"));
            }
            found = Some(value);
        }
    }
    Ok(found)
}

/// Whether a quoted string begins that goes on behind the next separator (RFC 2109, section 4.1).
fn opens(value: &str) -> bool {
    let value = value.trim_end();
    value.starts_with('"') && !(value.len() > 1 && value.ends_with('"'))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn fields(values: &[&str]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(COOKIE, HeaderValue::from_str(value).unwrap());
        }
        fields
    }

    #[test]
    fn a_value_is_what_every_reader_sees() {
        for (values, value) in [
            (&["session=abc"][..], Some("abc")),
            (&["a=1; session=abc; b=2"], Some("abc")),
            (&["a=1", "session=abc", "b=2"], Some("abc")),
            (&["session="], Some("")),
            (&["session=a=b"], Some("a=b")),
            (&["sessions=abc; mysession=1"], None),
            (&["session"], None),
            (&["x=\"1\"; session=abc"], Some("abc")),
            (&["x=1,2; session=abc; y=3,4"], Some("abc")),
            (&["x=\"1; y=2\"; session=abc"], Some("abc")),
            (&["x={\"a\":1,\"b\":2}; session=abc"], Some("abc")),
            (&["session=s%3Aabc.d+e"], Some("s%3Aabc.d+e")),
            (&[], None),
        ] {
            assert_eq!(find(&fields(values), "session"), Ok(value), "{values:?}");
        }
        assert_eq!(find(&fields(&["__Host-session=abc"]), "__Host-session"), Ok(Some("abc")));
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        for values in [
            &["session=a; session=b"][..],
            &["session=a", "session=a"],
            &["session=a; Session=b"],
            &["Session=b"],
            &["session=\"abc\""],
            &["session=a b"],
            &["x=1,session=abc; session=def"],
            &["session[]=a"],
            &["session=a; x=\u{e9}"],
            &["session=a; =session=b"],
            &["=session=b"],
            &["session =b"],
            &["session= b"],
            &["session=a,b"],
            &["session=a,b; x=1"],
            &["x=1,session=a"],
            &["session=b ; x"],
            &["session=a; %73ession=b"],
            &["session=a; se.ssion=b; session[x]=c"],
            &["x=\"1; session=a; y=2\""],
            &["x=\"1; y=2; session=a"],
            &["x=\"1", "session=a", "y=2\""],
        ] {
            assert!(find(&fields(values), "session").is_err(), "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut fields = HeaderMap::new();
                fields.append(COOKIE, value);
                let _ = find(&fields, "session");
            }
        }
    }
}
