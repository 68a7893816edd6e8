//! A request as it came, and what can be read of it.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, Method};
use serde_json::value::RawValue;

use super::form;
use super::pointer::{self, Found, Pointer};
use super::refused::{Reason, Refused};
use super::source::Source;
use super::terms::Terms;

/// The longest value of a header, a query or a signature that is looked at, in bytes.
pub const MAX_VALUE: usize = 8 * 1024;
/// How many signatures a delivery may carry.
pub const MAX_CANDIDATES: usize = 16;

/// A request as it came: nothing decoded, unpacked or rewritten.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// Its method.
    pub method: &'a Method,
    /// `https` or `http`, as the gateway was asked. Only for webhooks without a `base_url`.
    pub scheme: &'a str,
    /// The host that was asked for, with its port if one was given. Only for webhooks without a `base_url`.
    pub authority: &'a str,
    /// Path and query, byte for byte.
    pub target: &'a str,
    /// The header fields in order.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
    /// The time, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// A delivery with the terms under which it is read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) delivery: &'a Delivery<'a>,
    pub(super) terms: &'a Terms,
    /// The message of the body that is looked at, where it holds several.
    pub(super) item: Option<&'a RawValue>,
}

/// The values of a source: none, one, or several where that is allowed.
pub(super) type Values<'a> = Vec<Cow<'a, [u8]>>;

impl<'a> Reading<'a> {
    pub(super) fn new(delivery: &'a Delivery<'a>, terms: &'a Terms) -> Self {
        Self { delivery, terms, item: None }
    }

    /// The values at a source that are not empty. `many`: a header may be there several times.
    pub(super) fn values(&self, source: &Source, many: bool) -> Result<Values<'a>, Refused> {
        let mut values = match source {
            Source::Header(name) => self.header(name, many)?,
            Source::HeaderSeq { before, after } => self.header_seq(before, after, many)?,
            Source::Query(name) => {
                let query = self.delivery.target.split_once('?').map_or("", |(_, query)| query);
                let found = form::find(query.as_bytes(), name).map_err(|fault| fault.refused(source))?;
                within(found.into_iter().collect(), source)?
            }
            Source::Form(name) if self.may_be_form(source)? => {
                let found = form::find(self.delivery.body, name).map_err(|fault| fault.refused(source))?;
                found.into_iter().collect()
            }
            Source::Json(pointer) if self.may_be_json(source)? => {
                match pointer::document(self.delivery.body) {
                    Some(document) => scalar(pointer, document, source)?,
                    None => Vec::new(),
                }
            }
            Source::Item(pointer) => match self.item {
                Some(item) => scalar(pointer, item, source)?,
                None => Vec::new(),
            },
            Source::Config(name) => self.terms.setting(name).map(Cow::Borrowed).into_iter().collect(),
            Source::Form(_) | Source::Json(_) => Vec::new(),
        };
        values.retain(|value| !value.trim_ascii().is_empty());
        Ok(values)
    }

    /// Whether there is nothing at a source, not even an empty value.
    pub(super) fn lacks(&self, source: &Source) -> bool {
        match source {
            Source::Header(name) => !self.delivery.headers.contains_key(name),
            other => self.values(other, false).is_ok_and(|values| values.is_empty()),
        }
    }

    fn header(&self, name: &HeaderName, many: bool) -> Result<Values<'a>, Refused> {
        let source = || Source::Header(name.clone());
        let mut values = Vec::new();
        for value in self.delivery.headers.get_all(name) {
            if !values.is_empty() && !many {
                return Err(Refused::new(Reason::Ambiguous, format!("{} is there more than once", source())));
            }
            values.push(Cow::Borrowed(value.as_bytes()));
            if values.len() > MAX_CANDIDATES {
                return Err(crowded(&source()));
            }
        }
        within(values, &source())
    }

    /// From 1 up to the first that is not there.
    fn header_seq(&self, before: &str, after: &str, many: bool) -> Result<Values<'a>, Refused> {
        let mut values = Vec::new();
        for number in 1.. {
            let Ok(name) = HeaderName::from_bytes(format!("{before}{number}{after}").as_bytes()) else {
                break;
            };
            let more = self.header(&name, many)?;
            if more.is_empty() {
                break;
            }
            values.extend(more);
            if values.len() > MAX_CANDIDATES {
                return Err(crowded(&Source::Header(name)));
            }
        }
        Ok(values)
    }

    /// Whether the body may be a urlencoded form. JSON in which somebody wrote `&id=1` is none.
    fn may_be_form(&self, source: &Source) -> Result<bool, Refused> {
        Ok(self.media_type(source)?.is_none_or(|kind| kind == FORM))
    }

    /// Whether the body may be JSON. Providers send it as `text/plain` and under names of their own.
    fn may_be_json(&self, source: &Source) -> Result<bool, Refused> {
        Ok(self.media_type(source)?.is_none_or(|kind| kind != FORM && !kind.starts_with("multipart/")))
    }

    fn media_type(&self, source: &Source) -> Result<Option<String>, Refused> {
        let mut fields = self.delivery.headers.get_all(CONTENT_TYPE).iter();
        let Some(field) = fields.next() else { return Ok(None) };
        if fields.next().is_some() {
            let told = format!("the body has two media types, so that readers may disagree about {source}");
            return Err(Refused::new(Reason::Ambiguous, told));
        }
        let essence = field.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(essence).trim().to_ascii_lowercase()))
    }

    /// The address as the provider calls it. What proxies write into the request about it never counts.
    pub(super) fn url(&self) -> String {
        let Delivery { scheme, authority, target, .. } = self.delivery;
        match self.terms.base_url() {
            Some(base) => format!("{base}{target}"),
            None => format!("{scheme}://{authority}{target}"),
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn within<'a>(values: Values<'a>, source: &Source) -> Result<Values<'a>, Refused> {
    if values.iter().any(|value| value.len() > MAX_VALUE) {
        return Err(Refused::new(Reason::Oversized, format!("{source} is longer than 8 KiB")));
    }
    Ok(values)
}

/// More signatures than anybody sends.
pub(super) fn crowded(source: &Source) -> Refused {
    Refused::new(Reason::Oversized, format!("{source} has more than {MAX_CANDIDATES} signatures"))
}

fn scalar<'a>(pointer: &Pointer, document: &'a RawValue, source: &Source) -> Result<Values<'a>, Refused> {
    let text = |text: Cow<'a, str>| match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    match pointer.find(document) {
        Found::Nothing => Ok(Vec::new()),
        Found::Value(value) => Ok(pointer::scalar(value).map(text).into_iter().collect()),
        Found::Twice => Err(Refused::new(Reason::Ambiguous, format!("{source} is there more than once"))),
    }
}
