//! Changes of header fields.

use http::{HeaderName, HeaderValue};

use super::Text;
use crate::expr::{Facts, Stage};
use crate::verdict::{Code, Refusal};

/// Changes of a request's and a response's header fields.
#[derive(Debug, Default)]
pub(super) struct Edits {
    pub(super) request: Side,
    pub(super) response: Side,
}

/// Changes on one way.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) set: Vec<(HeaderName, Text)>,
    pub(super) add: Vec<(HeaderName, HeaderValue)>,
    pub(super) remove: Vec<HeaderName>,
}

/// A change, with its value made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edited {
    /// This becomes the only field of the name.
    Set(HeaderName, HeaderValue),
    /// One more field.
    Add(HeaderName, HeaderValue),
    /// No field of the name is left.
    Remove(HeaderName),
}

impl Edits {
    pub(super) fn edits_response(&self) -> bool {
        !self.response.is_empty()
    }

    pub(super) fn edits_request(&self) -> bool {
        !self.request.is_empty()
    }

    pub(super) fn sets(&self) -> impl Iterator<Item = &HeaderName> {
        self.request.set.iter().map(|(name, _)| name)
    }

    /// The latest stage whose facts its values need.
    pub(super) fn stage(&self) -> Stage {
        let texts = self.request.set.iter().chain(&self.response.set).map(|(_, text)| text.stage());
        texts.max().unwrap_or(Stage::Head)
    }
}

impl Side {
    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }

    /// The changes for one request. An expression without a value removes the field.
    ///
    /// # Errors
    /// When a value cannot stand in a header field.
    pub(super) fn make(&self, facts: &Facts<'_>, made: &mut Vec<Edited>) -> Result<(), Refusal> {
        made.extend(self.remove.iter().cloned().map(Edited::Remove));
        for (name, text) in &self.set {
            made.push(match text.of(facts) {
                None => Edited::Remove(name.clone()),
                Some(value) => {
                    let value = HeaderValue::from_bytes(&value).map_err(|_| {
                        let private = format!("a rule's value for `{name}` cannot stand in a header field");
                        Refusal::new(Code::BadRequest, super::GATE, private)
                    })?;
                    Edited::Set(name.clone(), value)
                }
            });
        }
        made.extend(self.add.iter().map(|(name, value)| Edited::Add(name.clone(), value.clone())));
        Ok(())
    }
}
