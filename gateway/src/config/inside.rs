//! Where a piece of a decoded text stands in the file that it was written in.
//!
//! Quotes, escapes, folding and indentation change nothing but white space and the spelling of single letters. So the
//! letters of the text, white space left out, are matched with those of the source one by one.

use std::ops::Range;

use super::tree::{Node, Scalar, Value};

/// A letter and the bytes that it is written with.
type Letter = (char, Range<usize>);

/// The bytes of `source` in which the bytes `within` of a scalar's text were written. None when `node` is no scalar,
/// or was written in a way that is not understood.
pub(super) fn locate(source: &str, node: &Node, within: &Range<usize>) -> Option<Range<usize>> {
    let Value::Scalar(scalar) = &node.value else { return None };
    let raw = source.get(node.span.clone())?;
    let text = unfilled(scalar);
    let decoded = || text.chars().filter(|letter| !is_white(*letter));
    // A block may begin and end with quotes that are its own, so what is as it is written comes first.
    let readings = [Some(verbatim(raw)), single_quoted(raw), double_quoted(raw)];
    let same = |letters: &Vec<Letter>| decoded().eq(letters.iter().map(|(letter, _)| *letter));
    let letters = readings.into_iter().flatten().find(same)?;
    let before = |end: usize| {
        let before = text.char_indices().take_while(|(at, _)| *at < end);
        before.filter(|(_, letter)| !is_white(*letter)).count()
    };
    let end_of = |count: usize| {
        count.checked_sub(1).and_then(|last| letters.get(last)).map_or(0, |(_, bytes)| bytes.end)
    };
    let (first, after) = (before(at(scalar, within.start, false)), before(at(scalar, within.end, true)));
    // What is missing at the end is pointed at behind the last letter.
    let start = letters.get(first).map_or_else(|| end_of(first), |(_, bytes)| bytes.start);
    let end = end_of(after).max(start);
    Some(node.span.start + start..node.span.start + end)
}

/// The text as it was before anything was filled in.
fn unfilled(scalar: &Scalar) -> String {
    let mut text = String::with_capacity(scalar.text.len());
    let mut copied = 0;
    for patch in &scalar.patches {
        text.push_str(scalar.text.get(copied..patch.now.start).unwrap_or_default());
        text.push_str(&patch.was);
        copied = patch.now.end;
    }
    text.push_str(scalar.text.get(copied..).unwrap_or_default());
    text
}

/// The offset in the text before anything was filled in. Of a piece that was filled in, the whole is meant.
fn at(scalar: &Scalar, offset: usize, is_end: bool) -> usize {
    let (mut now, mut was) = (0, 0);
    for patch in scalar.patches.iter().take_while(|patch| patch.now.start < offset) {
        let start = was + (patch.now.start - now);
        (now, was) = (patch.now.end, start + patch.was.len());
        if offset < now {
            return if is_end { was } else { start };
        }
    }
    was + (offset - now)
}

/// What folding and indentation are made of.
fn is_white(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r')
}

/// Plain scalars and blocks.
fn verbatim(raw: &str) -> Vec<Letter> {
    let letters = raw.char_indices().filter(|(_, letter)| !is_white(*letter));
    letters.map(|(at, letter)| (letter, at..at + letter.len_utf8())).collect()
}

/// `'it''s'`
fn single_quoted(raw: &str) -> Option<Vec<Letter>> {
    let inner = raw.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut letters = Vec::new();
    let mut rest = inner.char_indices().peekable();
    while let Some((at, letter)) = rest.next() {
        let twice = letter == '\'' && rest.next_if(|(_, next)| *next == '\'').is_some();
        let length = if twice { 2 } else { letter.len_utf8() };
        letters.push((letter, at + 1..at + 1 + length));
    }
    letters.retain(|(letter, _)| !is_white(*letter));
    Some(letters)
}

/// `"it\u0027s"`
fn double_quoted(raw: &str) -> Option<Vec<Letter>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    let (mut letters, mut at, mut rest) = (Vec::new(), 1, inner);
    while let Some(letter) = rest.chars().next() {
        let (letter, length) = if letter == '\\' { escape(rest)? } else { (letter, letter.len_utf8()) };
        letters.push((letter, at..at + length));
        at += length;
        rest = rest.get(length..)?;
    }
    letters.retain(|(letter, _)| !is_white(*letter));
    Some(letters)
}

/// The letter that an escape at the beginning of `text` stands for, and its length (YAML 1.2, section 5.7). An escaped
/// line end stands for nothing: it counts as white.
fn escape(text: &str) -> Option<(char, usize)> {
    let name = text.chars().nth(1)?;
    let coded = |digits: usize, from: usize| {
        let digits =
            text.get(from..from + digits).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    let hexadecimal = |digits: usize| {
        let code = coded(digits, 2)?;
        char::from_u32(code).map(|letter| (letter, 2 + digits)).or_else(|| {
            // Two halves of one letter, as JSON writes what is beyond 16 bits.
            text.get(6..8).filter(|next| *next == "\\u")?;
            let pair = [u16::try_from(code).ok()?, u16::try_from(coded(4, 8)?).ok()?];
            let letter = char::decode_utf16(pair).next()?.ok()?;
            Some((letter, 12))
        })
    };
    let letter = match name {
        'x' => return hexadecimal(2),
        'u' => return hexadecimal(4),
        'U' => return hexadecimal(8),
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'e' => '\u{1b}',
        'n' | 't' | 'r' | '\r' | '\n' => ' ',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        itself => itself,
    };
    Some((letter, 1 + name.len_utf8()))
}

#[cfg(test)]
mod tests;
