//! Templates: text with `{names}` in it, of the bytes that are signed and of answers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::HeaderName;

use super::delivery::{Reading, Values};
use super::filter::Filter;
use super::header_list::HeaderList;
use super::refused::Refused;
use super::source::Source;
use super::url;
use crate::problem::{Place, Problem};

/// A compiled template.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Slot { what: What, optional: bool, filters: Vec<Filter> },
    HeaderList(HeaderList),
}

/// What a name in a template stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The body as it came.
    Body,
    /// The timestamp's text as it came.
    Ts,
    /// The method.
    Method,
    /// The external address.
    Url,
    /// The external address's path and query.
    Path,
    /// The key's own bytes.
    Secret,
    /// A named value of the scheme.
    Var(String),
    /// A source.
    Source(Source),
}

/// Which names may stand in a template.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    /// The vars of the scheme.
    pub(super) vars: &'a [String],
    /// Whether there is a timestamp that is read before the signature is checked.
    pub(super) ts: bool,
    /// Whether the template is of signed bytes, and may have the body and the secret.
    pub(super) signed: bool,
}

/// The names that no var may have.
pub(super) const RESERVED: [&str; 8] = ["body", "ts", "method", "url", "path", "nl", "secret", "header_list"];

/// What was extracted of a delivery before its signature was checked.
#[derive(Default)]
pub(super) struct Bound<'a> {
    pub(super) ts: Option<Cow<'a, [u8]>>,
    pub(super) vars: BTreeMap<&'a str, Cow<'a, [u8]>>,
}

/// A piece of a rendered template.
#[derive(Clone, Debug)]
pub(super) enum Chunk<'a> {
    Bytes(Cow<'a, [u8]>),
    /// The bytes of whichever key is tried.
    Secret,
}

impl Template {
    pub(super) fn parse(text: &str, names: Names<'_>, at: &Place) -> Result<Self, Problem> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((plain, inner)) = rest.split_once('{') {
            let (name, after) = inner.split_once('}').ok_or_else(|| braces(text, at))?;
            if plain.contains('}') || name.contains('{') {
                return Err(braces(text, at));
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(plain.to_owned()));
            }
            pieces.push(Piece::parse(name, names, at)?);
            rest = after;
        }
        if rest.contains('}') {
            return Err(braces(text, at));
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    /// What stands in it.
    pub(super) fn whats(&self) -> impl Iterator<Item = &What> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Slot { what, .. } => Some(what),
            Piece::Text(_) | Piece::HeaderList(_) => None,
        })
    }

    /// What is made of its values.
    pub(super) fn filters(&self) -> impl Iterator<Item = Filter> {
        self.pieces
            .iter()
            .flat_map(|piece| match piece {
                Piece::Slot { filters, .. } => filters.as_slice(),
                Piece::Text(_) | Piece::HeaderList(_) => &[],
            })
            .copied()
    }

    /// The sources that must have a value.
    pub(super) fn required(&self) -> impl Iterator<Item = &Source> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Slot { what: What::Source(source), optional: false, .. } => Some(source),
            _ => None,
        })
    }

    /// The settings that it reads, and whether it can do without.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, bool)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Slot { what: What::Source(Source::Config(name)), optional, .. } => {
                Some((&**name, !optional))
            }
            _ => None,
        })
    }

    /// The headers whose lists of header names it follows.
    pub(super) fn header_lists(&self) -> impl Iterator<Item = &HeaderList> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::HeaderList(list) => Some(list),
            Piece::Text(_) | Piece::Slot { .. } => None,
        })
    }

    /// Wants every list of headers to name this one.
    pub(super) fn insist_on(&mut self, name: &HeaderName) {
        for piece in &mut self.pieces {
            if let Piece::HeaderList(list) = piece {
                list.insist_on(name.clone());
            }
        }
    }

    /// The bytes, in pieces so that a body is not copied.
    pub(super) fn render<'a>(
        &'a self,
        reading: &Reading<'a>,
        bound: &Bound<'a>,
    ) -> Result<Vec<Chunk<'a>>, Refused> {
        self.pieces.iter().map(|piece| piece.render(reading, bound)).collect()
    }

    /// The bytes of a template without a secret.
    pub(super) fn text<'a>(&'a self, reading: &Reading<'a>, bound: &Bound<'a>) -> Result<Vec<u8>, Refused> {
        let mut bytes = Vec::new();
        for chunk in self.render(reading, bound)? {
            if let Chunk::Bytes(more) = chunk {
                bytes.extend_from_slice(&more);
            }
        }
        Ok(bytes)
    }
}

impl Piece {
    fn parse(text: &str, names: Names<'_>, at: &Place) -> Result<Self, Problem> {
        if text == "nl" {
            return Ok(Self::Text("\n".to_owned()));
        }
        if let Some(arguments) = text.strip_prefix("header_list(").and_then(|rest| rest.strip_suffix(')')) {
            return HeaderList::parse(arguments, at).map(Self::HeaderList);
        }
        let mut parts = text.split('|');
        let name = parts.next().unwrap_or_default();
        let filters = parts.map(|filter| Filter::parse(filter, at)).collect::<Result<_, _>>()?;
        let (name, optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
        Ok(Self::Slot { what: What::parse(name, names, at)?, optional, filters })
    }

    fn render<'a>(&'a self, reading: &Reading<'a>, bound: &Bound<'a>) -> Result<Chunk<'a>, Refused> {
        Ok(match self {
            Self::Text(text) => Chunk::Bytes(Cow::Borrowed(text.as_bytes())),
            Self::HeaderList(list) => Chunk::Bytes(Cow::Owned(list.render(reading)?)),
            Self::Slot { what: What::Secret, .. } => Chunk::Secret,
            Self::Slot { what, optional, filters } => {
                let mut value = what.value(*optional, reading, bound)?;
                for filter in filters {
                    value = Cow::Owned(filter.apply(&value)?);
                }
                Chunk::Bytes(value)
            }
        })
    }
}

impl What {
    fn parse(name: &str, names: Names<'_>, at: &Place) -> Result<Self, Problem> {
        Ok(match name {
            "body" if names.signed => Self::Body,
            "secret" if names.signed => Self::Secret,
            "ts" if names.ts => Self::Ts,
            "method" => Self::Method,
            "url" => Self::Url,
            "path" => Self::Path,
            _ if names.vars.iter().any(|var| var == name) => Self::Var(name.to_owned()),
            _ if name.contains(':') => Self::Source(Source::parse(name, at)?),
            _ => return Err(unknown(name, names, at)),
        })
    }

    fn value<'a>(
        &self,
        optional: bool,
        reading: &Reading<'a>,
        bound: &Bound<'a>,
    ) -> Result<Cow<'a, [u8]>, Refused> {
        let taken = |value: Option<Cow<'a, [u8]>>, what: &dyn std::fmt::Display| match value {
            Some(value) => Ok(value),
            None if optional => Ok(Cow::Borrowed(&[][..])),
            None => Err(Refused::missing(&what.to_string())),
        };
        match self {
            Self::Body => Ok(Cow::Borrowed(reading.delivery.body)),
            Self::Method => Ok(Cow::Borrowed(reading.delivery.method.as_str().as_bytes())),
            Self::Url => Ok(Cow::Owned(reading.url().into_bytes())),
            Self::Path => Ok(Cow::Owned(url::target(&reading.url()).as_bytes().to_vec())),
            Self::Ts => taken(bound.ts.clone(), &"the timestamp"),
            Self::Var(name) => taken(bound.vars.get(name.as_str()).cloned(), name),
            Self::Source(source) => {
                let values: Values<'a> = reading.values(source, false)?;
                taken(values.into_iter().next(), source)
            }
            Self::Secret => Ok(Cow::Borrowed(&[])),
        }
    }
}

fn braces(text: &str, at: &Place) -> Problem {
    at.problem(format!("the braces of `{text}` do not pair"))
        .remedy("write each name in braces of its own, such as `{ts}.{body}`")
}

fn unknown(name: &str, names: Names<'_>, at: &Place) -> Problem {
    let mut known: Vec<&str> = if names.signed { vec!["body", "secret"] } else { Vec::new() };
    known.extend(names.ts.then_some("ts"));
    known.extend(["method", "url", "path", "nl"]);
    known.extend(names.vars.iter().map(String::as_str));
    at.problem(format!("a template has no name `{name}`"))
        .remedy(format!("write a source such as `header:NAME`, or one of {}", known.join(", ")))
}
