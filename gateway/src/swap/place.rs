//! The places where a request can name a tenant, as a client fills them in.

use std::fmt;

use http::HeaderName;
use rules::policies::tenant::Spot;

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

impl From<&Spot> for Place {
    fn from(spot: &Spot) -> Self {
        match spot {
            Spot::Capture(name) => Self::Path(name.clone()),
            Spot::Body(pointer) => Self::Body(pointer.clone()),
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
