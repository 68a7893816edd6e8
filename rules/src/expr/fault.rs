//! What is wrong with an expression, and where in its text.

use std::fmt;
use std::ops::Range;

/// A place in an expression's text: bytes, the end excluded.
pub type Span = Range<usize>;

/// One thing that is wrong with an expression, said so that a person can mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong: a sentence without its full stop.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// Where, in bytes of the expression's text.
    pub span: Span,
}

/// What comes of reading or checking a piece of an expression.
pub(super) type Outcome<T> = Result<T, Fault>;

impl Fault {
    /// A fault without a remedy.
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: None, span }
    }

    /// The same with what to do about it.
    #[must_use]
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same, if there is something to do about it.
    #[must_use]
    pub(super) fn remedy_if(mut self, remedy: Option<String>) -> Self {
        self.remedy = remedy;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, ": {remedy}"))
    }
}

impl std::error::Error for Fault {}
