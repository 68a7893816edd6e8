//! The YAML parser's complaints in our words, with the common slip that is behind each.

use std::ops::Range;

use granit_parser::{ErrorKind, ScanError};

use super::problem::Problem;
use super::source::floor;
use super::yaml::MAX_DEPTH;

const QUOTE: &str = "put quotes around text that holds `: ` or ` #`, or begins with one of \
                     `[ ] { } , * & ! | > % @` or a backtick";

/// A syntax error at its place.
pub(super) fn problem(text: &str, error: &ScanError) -> Problem {
    let at = floor(text, error.marker().byte_offset().unwrap_or(text.len()));
    // The parser notices a tab once it is past it.
    let before = text.get(..at).unwrap_or_default();
    let at = if before.ends_with('\t') { at - 1 } else { at };
    let end = at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(at..end);
    }
    let (message, remedy) = in_words(error);
    Problem::at(at..end, message).remedy(remedy)
}

/// More nesting than the decoder goes into.
pub(super) fn too_deep(place: Range<usize>) -> Problem {
    Problem::at(place, format!("lists and mappings are nested more than {MAX_DEPTH} deep"))
}

fn in_words(error: &ScanError) -> (String, &'static str) {
    match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => {
            ("a tab is used for indentation".to_owned(), "YAML is indented with spaces")
        }
        ErrorKind::MissingAnchorOrAliasName => {
            ("an unquoted text cannot begin with `*` or `&`".to_owned(), "put quotes around the text")
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            (format!("`{open}` is never closed"), "add the closing bracket")
        }
        ErrorKind::UnclosedQuotedScalar => {
            ("a quoted text is never closed".to_owned(), "add the closing quote")
        }
        ErrorKind::MappingValueNotAllowed => ("a `:` where no key can stand".to_owned(), QUOTE),
        ErrorKind::UnexpectedCharacter { character } => {
            (format!("an unquoted text cannot begin with `{}`", character.escape_debug()), QUOTE)
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::InvalidIndentation
        | ErrorKind::SimpleKeyExpected
        | ErrorKind::ExpectedBlockSequenceEntry => (
            "this does not fit what stands above it".to_owned(),
            "check the indentation of this line and the one above, and that each key ends with `: `",
        ),
        _ => (format!("this is not YAML: {}", error.info()), "check this line and the one above it"),
    }
}
