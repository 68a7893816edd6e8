//! Where in a request, or in the webhook's settings, a value is.

use std::fmt;

use http::HeaderName;

use super::pointer::Pointer;
use crate::problem::{Place, Problem};

/// A place where a value can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A header field.
    Header(HeaderName),
    /// Header fields with a number in their name, from 1.
    HeaderSeq {
        /// What stands before the number.
        before: String,
        /// What stands after it.
        after: String,
    },
    /// A parameter of the query.
    Query(String),
    /// A parameter of a urlencoded body.
    Form(String),
    /// A value of a JSON body.
    Json(Pointer),
    /// A value of the message of a JSON body that is looked at.
    Item(Pointer),
    /// A setting of the webhook.
    Config(String),
}

impl Source {
    /// Reads one, or says what is wrong at `at`.
    pub(super) fn parse(text: &str, at: &Place) -> Result<Self, Problem> {
        let (kind, name) = text.split_once(':').ok_or_else(|| unknown(text, at))?;
        let named = || if name.is_empty() { Err(unknown(text, at)) } else { Ok(name.to_owned()) };
        let pointer = || Pointer::parse(name).ok_or_else(|| pointer(name, at));
        Ok(match kind {
            "header" => Self::Header(header(name, at)?),
            "header_seq" => {
                let (before, after) = name.split_once("{n}").ok_or_else(|| {
                    at.problem(format!("`{text}` has no `{{n}}` where the number stands"))
                        .remedy("write `header_seq:X-Signature-{n}`")
                })?;
                header(&format!("{before}1{after}"), at)?;
                Self::HeaderSeq { before: before.to_owned(), after: after.to_owned() }
            }
            "query" => Self::Query(named()?),
            "form" => Self::Form(named()?),
            "json" => Self::Json(pointer()?),
            "item" => Self::Item(pointer()?),
            "config" => Self::Config(named()?),
            _ => return Err(unknown(text, at)),
        })
    }

    /// Whether it is part of the body.
    pub(super) fn is_of_body(&self) -> bool {
        matches!(self, Self::Form(_) | Self::Json(_) | Self::Item(_))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "the header `{name}`"),
            Self::HeaderSeq { before, after } => write!(f, "the header `{before}1{after}`"),
            Self::Query(name) => write!(f, "the query parameter `{name}`"),
            Self::Form(name) => write!(f, "the form field `{name}`"),
            Self::Json(pointer) => write!(f, "the body's `{pointer}`"),
            Self::Item(pointer) => write!(f, "an item's `{pointer}`"),
            Self::Config(name) => write!(f, "the setting `{name}`"),
        }
    }
}

pub(super) fn header(name: &str, at: &Place) -> Result<HeaderName, Problem> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        at.problem(format!("`{name}` is not the name of a header field"))
            .remedy("write the name alone, such as `X-Signature`")
    })
}

/// A pointer that is none.
pub(super) fn pointer(text: &str, at: &Place) -> Problem {
    at.problem(format!("`{text}` is not a JSON pointer"))
        .remedy("begin with `/`; in a name, `~` is written `~0` and `/` `~1`")
}

fn unknown(text: &str, at: &Place) -> Problem {
    at.problem(format!("`{text}` is not a source")).remedy(
        "write `header:NAME`, `header_seq:NAME-{n}`, `query:NAME`, `form:NAME`, `json:/pointer`, `item:/pointer` or `config:NAME`",
    )
}
