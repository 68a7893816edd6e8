//! Heads as Pingora keeps them, and as we work on them.
//!
//! Beside the fields themselves Pingora keeps a second map of how each name was written, and changes both with every
//! change. Nothing of ours asks for that: names are compared without regard to case, and the second map costs a
//! request more than all gates together. So it is forgotten as soon as we see a head; what goes out then has the usual
//! spelling of well-known names, and lower case for the rest (RFC 9110, section 5.1: names are case-insensitive).

use http::request::Parts as RequestParts;
use http::response::Parts as ResponseParts;
use pingora::http::{RequestHeader, ResponseHeader};

/// Forgets how the names of a request's fields were written.
pub(crate) fn forget_spelling(head: &mut RequestHeader) {
    // A target that its URI does not give back byte for byte is kept in a place that this would empty.
    let told_by_uri =
        head.uri.path_and_query().is_some_and(|target| target.as_str().as_bytes() == head.raw_path());
    if head.has_case() && told_by_uri {
        edit_request(head, |_| ());
    }
}

/// Works on a request's head whose target is what its URI says.
pub(crate) fn edit_request<T>(head: &mut RequestHeader, edit: impl FnOnce(&mut RequestParts) -> T) -> T {
    let empty = RequestHeader::from(http::Request::new(()).into_parts().0);
    let mut parts = RequestParts::from(std::mem::replace(head, empty));
    let result = edit(&mut parts);
    *head = RequestHeader::from(parts);
    result
}

/// Works on an answer's head. Its reason phrase stays.
pub(crate) fn edit_response<T>(head: &mut ResponseHeader, edit: impl FnOnce(&mut ResponseParts) -> T) -> T {
    let phrase = head.get_reason_phrase().filter(|phrase| Some(*phrase) != head.status.canonical_reason());
    let phrase = phrase.map(str::to_owned);
    let empty = ResponseHeader::from(http::Response::new(()).into_parts().0);
    let mut parts = ResponseParts::from(std::mem::replace(head, empty));
    let result = edit(&mut parts);
    *head = ResponseHeader::from(parts);
    if phrase.is_some() {
        // Cannot fail: it is not looked at.
        let _ = head.set_reason_phrase(phrase.as_deref());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_is_forgotten_and_nothing_else() {
        let mut head = RequestHeader::build("POST", b"/a%20b?c=%2f", None).unwrap();
        for value in ["1", "2"] {
            head.append_header("X-Twice", value).unwrap();
        }
        head.append_header("content-TYPE", "text/plain").unwrap();
        forget_spelling(&mut head);
        assert!(!head.has_case());
        let mut wire = Vec::new();
        head.header_to_h1_wire(&mut wire);
        let wire = String::from_utf8(wire).unwrap();
        assert_eq!(wire, "x-twice: 1\r\nx-twice: 2\r\nContent-Type: text/plain\r\n");
        assert_eq!((head.method.as_str(), head.raw_path()), ("POST", &b"/a%20b?c=%2f"[..]));
    }

    #[test]
    fn a_target_that_no_uri_tells_stays() {
        for target in [&b"http://a.test/b"[..], b"/\xff"] {
            let mut head = RequestHeader::build("GET", target, None).unwrap();
            forget_spelling(&mut head);
            assert_eq!(head.raw_path(), target);
        }
    }

    #[test]
    fn a_reason_phrase_stays() {
        for phrase in ["Fine", "OK"] {
            let mut head = ResponseHeader::build(200, None).unwrap();
            head.set_reason_phrase(Some(phrase)).unwrap();
            edit_response(&mut head, |parts| parts.headers.insert("a", http::HeaderValue::from_static("b")));
            assert_eq!(head.get_reason_phrase(), Some(phrase));
            assert!(head.headers.contains_key("a") && !head.has_case());
        }
    }
}
