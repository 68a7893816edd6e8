//! `token_from`: where in a request a token may stand. There is one in a request, or none: of two, the backend might
//! believe the other.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::GATE;
use crate::credential::{Carrier, Credential, Via};
use crate::problem::{Place, Problem};
use crate::query::{Ambiguous, is_twin};
use crate::verdict::{Code, Refusal};
use crate::view::View;
use crate::{cookies, query};

/// The places, compiled.
#[derive(Debug, Default)]
pub(super) struct TokenFrom {
    header: bool,
    cookies: Vec<String>,
    parameters: Vec<String>,
}

impl TokenFrom {
    /// The first place where a client may put its token.
    pub(super) fn carrier(&self) -> Option<Carrier> {
        let cookie = || self.cookies.first().cloned().map(Carrier::Cookie);
        let parameter = || self.parameters.first().cloned().map(Carrier::Query);
        self.header.then_some(Carrier::Bearer).or_else(cookie).or_else(parameter)
    }

    pub(super) fn compile(written: &[String], at: &Place, problems: &mut Vec<Problem>) -> Self {
        let mut places = Self::default();
        if written.is_empty() {
            let problem = at.problem("`token_from` names no place, so nobody could show a token");
            problems.push(problem.remedy("write `[header]`, or remove it"));
        }
        for (index, text) in written.iter().enumerate() {
            // One place stands alone as well as in a list.
            let at = if written.len() == 1 { at.clone() } else { at.item(index) };
            if let Err(problem) = places.add(text, &at) {
                problems.push(problem);
            }
        }
        places
    }

    fn add(&mut self, text: &str, at: &Place) -> Result<(), Problem> {
        let twice = || at.problem(format!("`{text}` is there twice")).remedy("remove one of them");
        let (known, name) = match text.split_once(':') {
            None if text == "header" => {
                return if std::mem::replace(&mut self.header, true) { Err(twice()) } else { Ok(()) };
            }
            Some(("cookie", name)) if is_name(name) => (&mut self.cookies, name),
            Some(("query", name)) if is_name(name) => (&mut self.parameters, name),
            Some((kind @ ("cookie" | "query"), name)) => {
                let what = if kind == "cookie" { "a cookie" } else { "a query parameter" };
                return Err(at
                    .problem(format!("`{name}` cannot be the name of {what}"))
                    .remedy("use letters, digits, `-`, `_` and `.`"));
            }
            _ => {
                return Err(at
                    .problem(format!("`{text}` is not a place where a token can stand"))
                    .remedy("write `header`, `\"cookie:NAME\"` or `\"query:NAME\"`"));
            }
        };
        // Each request would have its token twice, or would be doubtful.
        match known.iter().find(|other| is_twin(other, name)) {
            Some(other) if other == name => return Err(twice()),
            Some(other) => {
                return Err(at
                    .problem(format!("`{name}` and `{other}` are one name to some readers"))
                    .remedy("remove one of them"));
            }
            None => {}
        }
        known.push(name.to_owned());
        Ok(())
    }

    /// The query parameters that carry a token.
    pub(super) fn hides(&self) -> Vec<String> {
        self.parameters.clone()
    }

    /// Whether `Authorization: Bearer` is one of the places.
    pub(super) fn reads_header(&self) -> bool {
        self.header
    }

    /// Whether a token may come in a cookie.
    pub(super) fn is_ambient(&self) -> bool {
        !self.cookies.is_empty()
    }

    /// The one token of the request, if there is one.
    pub(super) fn find<'v>(&self, view: &View<'v>) -> Result<Option<Credential<'v>>, Refusal> {
        let mut found: Option<Credential<'v>> = None;
        let mut add = |text: Cow<'v, [u8]>, via| {
            if text.is_empty() {
                return Err(invalid("the token is empty"));
            }
            match found.replace(Credential { text, via }) {
                None => Ok(()),
                Some(_) => Err(invalid("the request has more than one token")),
            }
        };
        if self.header
            && let Some(token) = bearer(view.headers)?
        {
            add(token.as_bytes().into(), Via::Header)?;
        }
        for name in &self.cookies {
            if let Some(token) = cookies::find(view.headers, name).map_err(doubtful)? {
                add(token.as_bytes().into(), Via::Cookie)?;
            }
        }
        for name in &self.parameters {
            let query = view.query.unwrap_or_default().as_bytes();
            match query::find(query, name).map_err(doubtful)? {
                None => {}
                Some(Cow::Borrowed(token)) => add(token.as_bytes().into(), Via::Query)?,
                Some(Cow::Owned(token)) => add(token.into_bytes().into(), Via::Query)?,
            }
        }
        match found {
            Some(token) if token.via != Via::Header && has_bearer(view.headers) => {
                Err(invalid("there is a bearer token beside the one in the cookie or the query"))
            }
            // Another identity must not decide beside a token that the backend may read all the same.
            None if self.header && has_bearer(view.headers) => {
                let why = "the Authorization field has a bearer token that not every reader would find";
                Err(Refusal::new(Code::TokenMissing, GATE, why))
            }
            found => Ok(found),
        }
    }
}

/// Letters to which no reader of cookies or queries gives a meaning.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
}

fn invalid(why: &'static str) -> Refusal {
    Refusal::new(Code::TokenInvalid, GATE, why)
}

fn doubtful(Ambiguous(why): Ambiguous) -> Refusal {
    invalid(why)
}

/// The one bearer token of the header (RFC 6750, section 2.1), if there is one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(invalid("there is more than one Authorization field"));
    }
    let text = field.to_str().map_err(|_| invalid("the Authorization field is not ASCII"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim_matches(' '))),
        _ => Ok(None),
    }
}

/// Whether some reader could find a bearer token in an Authorization field, whatever follows the scheme.
fn has_bearer(headers: &HeaderMap) -> bool {
    let mut credentials =
        headers.get_all(AUTHORIZATION).iter().flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    credentials.any(|one| {
        one.trim_ascii_start().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
    })
}
