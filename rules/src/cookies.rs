//! Request cookies as a gate may trust them (RFC 6265): one that another reader would find elsewhere, or twice, is
//! refused.

use http::HeaderMap;
use http::header::COOKIE;

use crate::query::{Ambiguous, is_twin};

/// The value of the cookie `name`, as it stands, if it is there.
///
/// # Errors
/// When it is there more than once, under a name that some readers take for it, or in quotes, which some readers
/// remove.
pub fn find<'h>(fields: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Ambiguous> {
    let mut found = None;
    // HTTP/2 may split one field into several (RFC 9113, section 8.2.3).
    for field in fields.get_all(COOKIE) {
        let field = field.to_str().map_err(|_| Ambiguous("the Cookie field is not ASCII"))?;
        for pair in field.split([';', ',']) {
            let (key, value) = pair.split_once('=').unwrap_or(("", pair));
            let (key, value) = (key.trim(), value.trim());
            if !is_twin(key, name) {
                continue;
            }
            if key != name {
                return Err(Ambiguous(
                    "a cookie's name differs from the one meant only as some readers see it",
                ));
            }
            if found.is_some() {
                return Err(Ambiguous("the cookie is there more than once"));
            }
            if value.contains(['"', '\\', ' ', '\t']) {
                return Err(Ambiguous(
                    "the cookie's value has a quote or a blank, which readers take differently",
                ));
            }
            found = Some(value);
        }
    }
    Ok(found)
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
