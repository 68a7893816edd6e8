//! What is wrong with a configuration, where, and what to do about it.

use std::ops::Range;

/// A second place that explains a [`Problem`], such as an earlier definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The place, in bytes of the source.
    pub span: Range<usize>,
    /// A few words to stand beside it.
    pub text: String,
}

/// One thing wrong with a configuration. Messages never quote a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The place, in bytes of the source; none when the whole file is meant.
    pub span: Option<Range<usize>>,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// Further places that explain it.
    pub notes: Vec<Note>,
}

impl Problem {
    /// A problem at a place, in bytes of the source.
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span: Some(span), ..Self::whole(message) }
    }

    /// A problem of the whole file.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), remedy: None, notes: Vec::new() }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds what to do about it, if anything is known.
    #[must_use]
    pub fn maybe_remedy(mut self, remedy: Option<String>) -> Self {
        self.remedy = remedy;
        self
    }

    /// Adds a second place with a few words.
    #[must_use]
    pub fn note(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.notes.push(Note { span, text: text.into() });
        self
    }
}

/// Collects problems, so that one run reports them all.
#[derive(Debug, Clone, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a problem.
    pub(super) fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// The problems in the order of the file, each once; those of the whole file come first.
    pub(super) fn sorted(mut self) -> Vec<Problem> {
        self.0.sort_by_key(|problem| problem.span.as_ref().map(|span| (span.start, span.end)));
        let mut once: Vec<Problem> = Vec::with_capacity(self.0.len());
        for problem in self.0 {
            if !once.iter().rev().take_while(|seen| seen.span == problem.span).any(|seen| *seen == problem) {
                once.push(problem);
            }
        }
        once
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        self.0.extend(problems);
    }
}

impl From<Vec<Problem>> for Problems {
    fn from(problems: Vec<Problem>) -> Self {
        Self(problems)
    }
}
