//! The YAML parser's complaints in our words, with the common slip that is behind each.

use std::ops::Range;

use granit_parser::{ErrorKind, ScanError};

use super::problem::Problem;
use super::source::floor;
use super::yaml::MAX_DEPTH;

const QUOTE: &str = "put quotes around text that holds `: ` or ` #`, or begins with one of \
                     `[ ] { } , * & ! | > % @` or a backtick";

const FIT: &str = "check the indentation of this line and the one above, and that each key ends with `: `";

/// A syntax error at its place.
pub(super) fn problem(text: &str, error: &ScanError) -> Problem {
    let at = floor(text, error.marker().byte_offset().unwrap_or(text.len()));
    let at = if is_tab(error.kind()) { tab_near(text, at) } else { at };
    let end = at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(at..end);
    }
    let line = text.get(..at).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    let (message, remedy) = in_words(error, line);
    Problem::at(at..end, message).remedy(remedy)
}

fn is_tab(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar
    )
}

/// The parser notices a tab once it is past it, or blames the text that the tab would continue.
fn tab_near(text: &str, at: usize) -> usize {
    if text.get(..at).is_some_and(|before| before.ends_with('\t')) {
        return at - 1;
    }
    text.get(at..).and_then(|rest| rest.find('\t')).map_or(at, |ahead| at + ahead)
}

/// More nesting than the decoder goes into.
pub(super) fn too_deep(place: Range<usize>) -> Problem {
    Problem::at(place, format!("lists and mappings are nested more than {MAX_DEPTH} deep"))
}

/// `line` is the line in question, up to the place.
fn in_words(error: &ScanError, line: &str) -> (String, &'static str) {
    match error.kind() {
        kind if is_tab(kind) => ("a tab is used for indentation".to_owned(), "YAML is indented with spaces"),
        ErrorKind::MissingAnchorOrAliasName => {
            ("an unquoted text cannot begin with `*` or `&`".to_owned(), "put quotes around the text")
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            (format!("`{open}` is never closed"), "add the closing bracket")
        }
        ErrorKind::UnclosedQuotedScalar => {
            ("a quoted text is never closed".to_owned(), "add the closing quote")
        }
        // `key: a: b` wants quotes; a line with one `:` only went on with the line above by accident.
        ErrorKind::MappingValueNotAllowed if line.contains(": ") => {
            ("a `:` where no key can stand".to_owned(), QUOTE)
        }
        ErrorKind::MappingValueNotAllowed => ("a `:` where no key can stand".to_owned(), FIT),
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => (
            "a comma or the closing bracket is missing before this".to_owned(),
            "add it, or put quotes around text that holds one of `{ } [ ] ,`",
        ),
        ErrorKind::UnexpectedCharacter { character } => {
            (format!("an unquoted text cannot begin with `{}`", character.escape_debug()), QUOTE)
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::InvalidIndentation
        | ErrorKind::SimpleKeyExpected
        | ErrorKind::ExpectedBlockSequenceEntry => ("this does not fit what stands above it".to_owned(), FIT),
        _ => (format!("this is not YAML: {}", error.info()), "check this line and the one above it"),
    }
}
