//! Finds a piece of a scalar's value in the raw text that the value was read from.

use std::ops::Range;

/// The bytes of `raw` that became `value[piece]`, if the two can be walked side by side.
pub(super) fn piece(raw: &str, value: &str, piece: Range<usize>) -> Option<Range<usize>> {
    if piece.start > piece.end || piece.end > value.len() {
        return None;
    }
    let mut walk = Walk { raw, at: header(raw) };
    let (mut start, mut end) = (None, walk.at);
    for (offset, wanted) in value.char_indices() {
        if offset >= piece.end && start.is_some() {
            break;
        }
        let found = walk.next(wanted)?;
        if offset >= piece.start && start.is_none() {
            start = Some(found.start);
        }
        end = found.end;
    }
    let start = start.unwrap_or(end);
    Some(start..if piece.is_empty() { start } else { end.max(start) })
}

/// The length of a block scalar's header line (`>-`), or of an opening quote.
fn header(raw: &str) -> usize {
    match raw.as_bytes().first() {
        Some(b'|' | b'>') => raw.find('\n').map_or(0, |at| at + 1),
        Some(b'"' | b'\'') => 1,
        _ => 0,
    }
}

struct Walk<'a> {
    raw: &'a str,
    at: usize,
}

impl Walk<'_> {
    /// Steps over what became one character of the value.
    fn next(&mut self, wanted: char) -> Option<Range<usize>> {
        loop {
            let rest = self.raw.get(self.at..)?;
            let found = rest.chars().next()?;
            let start = self.at;
            if rest.starts_with('\\') && self.raw.starts_with('"') {
                self.at += escape(rest);
                // An escaped line break yields nothing.
                if !rest.starts_with("\\\n") && !rest.starts_with("\\\r") {
                    return Some(start..self.at);
                }
            } else if rest.starts_with("''") && self.raw.starts_with('\'') {
                self.at += 2;
                return (wanted == '\'').then_some(start..self.at);
            } else if found == wanted {
                self.at += found.len_utf8();
                return Some(start..self.at);
            } else if found.is_whitespace() && wanted.is_whitespace() {
                // A folded line break stands for one space, whatever indentation follows.
                self.at += rest.len() - rest.trim_start().len();
                return Some(start..self.at);
            } else if found.is_whitespace() {
                self.at += found.len_utf8();
            } else {
                return None;
            }
        }
    }
}

/// The length in bytes of the escape that `rest` begins with.
fn escape(rest: &str) -> usize {
    let digits = match rest.as_bytes().get(1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        _ => 0,
    };
    rest.chars().take(2 + digits).map(char::len_utf8).sum()
}
