//! `wildcard`: a whole value against literal pieces with `*` between them, in time linear in the value.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;

use super::fault::{Fault, Outcome, Span};

/// A pattern with stars, compiled.
#[derive(Debug)]
pub(super) struct Wildcard {
    /// What the value begins with.
    first: Vec<u8>,
    /// What follows behind a star, each.
    middle: Vec<Piece>,
    /// What the value ends with behind the last star; none without a star.
    last: Option<Vec<u8>>,
    strict: bool,
}

#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    finder: Search,
}

#[derive(Debug)]
enum Search {
    Strict(Box<Finder<'static>>),
    /// Without ASCII case.
    Lax(AhoCorasick),
}

impl Piece {
    fn new(bytes: Vec<u8>, strict: bool, span: &Span) -> Outcome<Self> {
        let finder =
            if strict {
                Search::Strict(Box::new(Finder::new(&bytes).into_owned()))
            } else {
                let built = AhoCorasick::builder().ascii_case_insensitive(true).build([&bytes]);
                Search::Lax(built.map_err(|error| {
                    Fault::new(span.clone(), format!("the pattern is too large: {error}"))
                })?)
            };
        Ok(Self { bytes, finder })
    }

    fn find(&self, value: &[u8]) -> Option<usize> {
        match &self.finder {
            Search::Strict(finder) => finder.find(value),
            Search::Lax(automaton) => automaton.find(value).map(|found| found.start()),
        }
    }
}

/// The literal pieces between the stars; one more than there are stars.
pub(super) fn pieces(pattern: &[u8], span: &Span) -> Outcome<Vec<Vec<u8>>> {
    let fault = |message: &str| Fault::new(span.clone(), message);
    let (mut pieces, mut piece) = (Vec::new(), Vec::new());
    let mut bytes = pattern.iter();
    let mut starred = false;
    while let Some(byte) = bytes.next() {
        let star = *byte == b'*';
        match byte {
            b'*' if starred => {
                return Err(
                    fault("two stars in a row mean nothing").remedy("write one, and `\\*` for a star itself")
                );
            }
            b'*' => pieces.push(std::mem::take(&mut piece)),
            b'\\' => {
                let Some(escaped @ (b'*' | b'\\')) = bytes.next() else {
                    let fault = fault("a backslash stands only before `*` or another backslash here");
                    return Err(fault.remedy("a raw text, r\"…\", spares doubling backslashes"));
                };
                piece.push(*escaped);
            }
            _ => piece.push(*byte),
        }
        starred = star;
    }
    pieces.push(piece);
    Ok(pieces)
}

impl Wildcard {
    pub(super) fn compile(pattern: &[u8], strict: bool, span: &Span) -> Outcome<Self> {
        let mut pieces = pieces(pattern, span)?.into_iter();
        let first = pieces.next().unwrap_or_default();
        let last = pieces.next_back();
        let middle = pieces.map(|piece| Piece::new(piece, strict, span)).collect::<Outcome<_>>()?;
        Ok(Self { first, middle, last, strict })
    }

    /// How many stars it has.
    pub(super) fn stars(&self) -> usize {
        self.last.as_ref().map_or(0, |_| self.middle.len() + 1)
    }

    pub(super) fn is_match(&self, value: &[u8]) -> bool {
        self.walk(value, |_| ())
    }

    /// What each star stands for, as short as can be from the left.
    pub(super) fn captures(&self, value: &[u8]) -> Option<Vec<Range<usize>>> {
        let mut stars = Vec::with_capacity(self.stars());
        self.walk(value, |star| stars.push(star)).then_some(stars)
    }

    fn walk(&self, value: &[u8], mut star: impl FnMut(Range<usize>)) -> bool {
        let same = |left: &[u8], right: &[u8]| {
            if self.strict { left == right } else { left.eq_ignore_ascii_case(right) }
        };
        let Some(last) = &self.last else { return same(value, &self.first) };
        let Some((head, _)) = value.split_at_checked(self.first.len()) else { return false };
        let Some(end) = value.len().checked_sub(last.len()).filter(|end| *end >= self.first.len()) else {
            return false;
        };
        if !same(head, &self.first) || !value.get(end..).is_some_and(|tail| same(tail, last)) {
            return false;
        }
        let mut at = self.first.len();
        for piece in &self.middle {
            let Some(found) = value.get(at..end).and_then(|rest| piece.find(rest)) else { return false };
            star(at..at + found);
            at += found + piece.bytes.len();
        }
        star(at..end);
        true
    }

    /// What a value begins with.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.first
    }

    /// What it ends with; nothing, if there is no star and `prefix` is all of it.
    pub(super) fn suffix(&self) -> Option<&[u8]> {
        self.last.as_deref()
    }

    /// What stands between stars.
    pub(super) fn middle(&self) -> impl Iterator<Item = &[u8]> {
        self.middle.iter().map(|piece| piece.bytes.as_slice())
    }
}
