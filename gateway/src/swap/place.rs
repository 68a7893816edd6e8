//! The places where a request can name a tenant, as a client fills them in. The policy `tenant` reads them, and knows
//! what it makes of every hostile spelling; a client writes them, each in one way.

use std::fmt;

use http::HeaderName;
use rules::token::ClaimPath;

/// A place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A name that the pattern captures.
    Path(String),
    /// A parameter of the query.
    Query(String),
    /// A header field.
    Header(HeaderName),
    /// A cookie.
    Cookie(String),
    /// A JSON pointer into the body.
    Body(String),
}

impl Place {
    /// Reads a place as the configuration writes it; none that nobody here knows how to fill in.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(pointer) = text.strip_prefix("body:") {
            return ClaimPath::parse(pointer).is_ok().then(|| Self::Body(pointer.to_owned()));
        }
        let (kind, name) = text.split_once('.')?;
        match kind {
            "path" => Some(Self::Path(name.to_owned())),
            "query" => Some(Self::Query(name.to_owned())),
            "header" => name.parse().ok().map(Self::Header),
            "cookie" => Some(Self::Cookie(name.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(name) => write!(f, "path.{name}"),
            Self::Query(name) => write!(f, "query.{name}"),
            Self::Header(name) => write!(f, "header.{name}"),
            Self::Cookie(name) => write!(f, "cookie.{name}"),
            Self::Body(pointer) => write!(f, "body:{pointer}"),
        }
    }
}
