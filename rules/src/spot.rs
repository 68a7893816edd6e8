//! One place where a request can name a tenant, and what every reader of the request finds there.

use std::borrow::Cow;
use std::fmt;

use http::header::{CONNECTION, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::token::ClaimPath;
use crate::view::View;
use crate::{cookies, forwarding, query};

/// Where a request can name a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// A name that the route's pattern captures.
    Capture(String),
    /// A query parameter.
    Query(String),
    /// A header field.
    Header(HeaderName),
    /// A cookie.
    Cookie(String),
    /// A JSON pointer into the body (RFC 6901); into a form the name of a field.
    Body(String),
}

/// Why a text is no place: a sentence and a remedy.
pub(crate) type Wrong = (String, &'static str);

/// Fields that frame or route the message, carry the proof, or are set by the gateway: beside those that
/// [`forwarding`] knows.
const NOT_NAMEABLE: &[&str] = &[
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-request-id",
];

impl Spot {
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        if let Some(pointer) = text.strip_prefix("body:") {
            let sound = pointer.starts_with('/') && pointer.len() > 1 && ClaimPath::parse(pointer).is_ok();
            return if sound { Ok(Self::Body(pointer.to_owned())) } else { Err(no_place(text)) };
        }
        let Some((kind, name)) = text.split_once('.').filter(|(_, name)| !name.is_empty()) else {
            return Err(no_place(text));
        };
        match kind {
            "path" => Ok(Self::Capture(name.to_owned())),
            "query" => plain(name).map(Self::Query),
            "cookie" => plain(name).map(Self::Cookie),
            "header" => header(name).map(Self::Header),
            _ => Err(no_place(text)),
        }
    }

    /// What the head says at this place, if it says something. Never borrows where the text had to be decoded.
    ///
    /// # Errors
    /// Why readers could disagree: a sentence for the log.
    pub(crate) fn in_head<'v>(&self, view: &View<'v>) -> Result<Option<Cow<'v, str>>, &'static str> {
        match self {
            Self::Capture(name) => match view.captures.and_then(|captures| captures.get(name)) {
                // Servlet containers drop `;…`; who decodes once more sees what stands behind `%25`.
                Some(named) if named.contains([';', '%']) => {
                    Err("the segment has a `;` or a `%`, which readers take differently")
                }
                named => Ok(named.map(Cow::Borrowed)),
            },
            Self::Query(name) => {
                query::find(view.query.unwrap_or_default().as_bytes(), name).map_err(|why| why.0)
            }
            Self::Header(name) => in_field(view.headers, name).map(|named| named.map(Cow::Borrowed)),
            Self::Cookie(name) => match cookies::find(view.headers, name).map_err(|why| why.0)? {
                Some(named) if named.contains(['%', '+']) => {
                    Err("the cookie has a `%` or a `+`, which some readers decode")
                }
                named => Ok(named.map(Cow::Borrowed)),
            },
            Self::Body(_) => Ok(None),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(name) => write!(f, "path.{name}"),
            Self::Query(name) => write!(f, "query.{name}"),
            Self::Header(name) => write!(f, "header.{name}"),
            Self::Cookie(name) => write!(f, "cookie.{name}"),
            Self::Body(pointer) => write!(f, "body:{pointer}"),
        }
    }
}

fn no_place(text: &str) -> Wrong {
    let remedy = "write `path.NAME` for a name that `match` captures, `query.NAME`, `header.NAME`, `cookie.NAME`, or `body:/pointer` for a member of a JSON body or a form's field";
    (format!("`{text}` is not a place where a request can name a tenant"), remedy)
}

/// The name of a parameter or a cookie that every reader leaves as it is.
fn plain(name: &str) -> Result<String, Wrong> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.bytes().all(plain) {
        return Ok(name.to_owned());
    }
    Err((
        format!("`{name}` is a name that readers take differently"),
        "use letters, digits, `-`, `_` and `.`",
    ))
}

fn header(text: &str) -> Result<HeaderName, Wrong> {
    // No request with an underscore in a name is let in.
    let name = HeaderName::from_bytes(text.as_bytes()).ok().filter(|_| !text.contains('_'));
    let Some(name) = name else {
        return Err((format!("`{text}` is not a header name"), "use letters, digits and `-`"));
    };
    if NOT_NAMEABLE.contains(&name.as_str())
        || name.as_str().starts_with("proxy-")
        || forwarding::is_removed(&name)
    {
        return Err((
            format!("`{name}` is not a field in which a client can name a tenant"),
            "use a field of your own, such as `header.x-tenant`",
        ));
    }
    Ok(name)
}

/// The one field called `name`.
fn in_field<'v>(fields: &'v HeaderMap, name: &HeaderName) -> Result<Option<&'v str>, &'static str> {
    if fields.keys().any(|other| other != name && folds_to(other.as_str(), name.as_str())) {
        return Err("a header's name differs from the one meant only as some readers see it");
    }
    let mut values = fields.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("the header is there more than once");
    }
    let nominates = |option: &str| option.trim().eq_ignore_ascii_case(name.as_str());
    let nominated = |field: &HeaderValue| field.to_str().is_ok_and(|list| list.split(',').any(nominates));
    if fields.get_all(CONNECTION).iter().any(nominated) {
        return Err("`Connection` has the header dropped on the way");
    }
    match value.to_str() {
        // Lists, quoted strings, parameters and escapes; blanks around it are lost on the way.
        Ok(text) if text.contains([',', '"', '\\', ';', '%', '\t']) || text.trim() != text => {
            Err("the header has a character that readers take differently")
        }
        Ok(text) => Ok(Some(text)),
        Err(_) => Err("the header is not ASCII"),
    }
}

/// CGI and its heirs write `_` for what is no letter and no digit. Fields come in lower case.
fn folds_to(other: &str, name: &str) -> bool {
    let fold = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'_' };
    other.len() == name.len() && other.bytes().map(fold).eq(name.bytes().map(fold))
}
