//! `{header_list(H;listsep;kv;sep)}`: the headers that header H names, in the order of their names.

use std::collections::BTreeMap;

use http::HeaderName;

use super::delivery::Reading;
use super::refused::{Reason, Refused};
use super::source::{self, Source};
use crate::problem::{Place, Problem};

/// Headers that a message says are signed.
#[derive(Clone, Debug)]
pub(super) struct HeaderList {
    names: HeaderName,
    between_names: String,
    after_name: String,
    between_headers: String,
    wanted: Option<HeaderName>,
}

/// More headers than anybody signs.
const MAX_HEADERS: usize = 64;

impl HeaderList {
    pub(super) fn parse(arguments: &str, at: &Place) -> Result<Self, Problem> {
        // The last separator may be a semicolon itself.
        let mut parts = arguments.splitn(4, ';');
        let (Some(names), Some(between_names), Some(after_name), Some(between_headers)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(at
                .problem(format!("`header_list({arguments})` does not have four arguments"))
                .remedy("write `{header_list(X-Signed-Headers;,;:;;)}`: the header with the names, what stands between names, after a name, and between headers"));
        };
        if between_names.is_empty() {
            return Err(at
                .problem("nothing stands between the names of `header_list`")
                .remedy("write what separates the names, such as a comma"));
        }
        Ok(Self {
            names: source::header(names.strip_prefix("header:").unwrap_or(names), at)?,
            between_names: between_names.to_owned(),
            after_name: after_name.to_owned(),
            between_headers: between_headers.to_owned(),
            wanted: None,
        })
    }

    /// Refuses messages that do not sign this header.
    pub(super) fn insist_on(&mut self, name: HeaderName) {
        self.wanted = Some(name);
    }

    /// The header with the names, and what stands between them.
    pub(super) fn names(&self) -> (&HeaderName, &str) {
        (&self.names, &self.between_names)
    }

    pub(super) fn render(&self, reading: &Reading<'_>) -> Result<Vec<u8>, Refused> {
        let list = Source::Header(self.names.clone());
        let values = reading.values(&list, false)?;
        let text = values.first().ok_or_else(|| Refused::missing(&list))?;
        let malformed = || Refused::malformed(format!("{list} is not a list of header names"));
        let text = std::str::from_utf8(text).map_err(|_| malformed())?;
        let mut headers = BTreeMap::new();
        for name in text.split(&self.between_names) {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| malformed())?;
            let source = Source::Header(name.clone());
            let value = reading.values(&source, false)?.pop().ok_or_else(|| Refused::missing(&source))?;
            if headers.insert(name.as_str().to_owned(), value).is_some() {
                return Err(Refused::new(Reason::Ambiguous, format!("{list} names a header twice")));
            }
            if headers.len() > MAX_HEADERS {
                return Err(Refused::new(
                    Reason::Oversized,
                    format!("{list} has more than {MAX_HEADERS} names"),
                ));
            }
        }
        if let Some(wanted) = self.wanted.as_ref().filter(|wanted| !headers.contains_key(wanted.as_str())) {
            return Err(Refused::malformed(format!(
                "{list} does not name `{wanted}`, so that it is not signed"
            )));
        }
        let mut text = Vec::new();
        for (nth, (name, value)) in headers.iter().enumerate() {
            if nth > 0 {
                text.extend_from_slice(self.between_headers.as_bytes());
            }
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(self.after_name.as_bytes());
            text.extend_from_slice(value.trim_ascii());
        }
        Ok(text)
    }
}
