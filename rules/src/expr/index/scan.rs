//! Parts of texts, found in one pass over a value whatever their letters' case.

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind, StartKind, dfa};

use super::Candidates;

/// How many letters parts may have together for the kind of automaton that is fast and large: it takes some
/// hundred bytes for each.
const SMALL: usize = 16 * 1024;

/// Conditions by the parts that they need.
#[derive(Debug)]
pub(super) struct Scan {
    engine: Engine,
    parts: Box<[Part]>,
    /// Who needs the value to be empty.
    empty: Box<[u32]>,
    /// Everybody who needs something.
    all: Box<[u32]>,
}

#[derive(Debug)]
enum Engine {
    Fast(dfa::DFA),
    Small(NFA),
}

/// A part of a text, and who needs it where.
#[derive(Debug)]
pub(super) struct Part {
    pub text: Box<[u8]>,
    pub start: bool,
    pub end: bool,
    pub needed_by: Box<[u32]>,
}

impl Scan {
    /// For parts, or who needs them if they are too much for an automaton.
    pub(super) fn new(mut parts: Vec<Part>) -> Result<Self, Vec<u32>> {
        // In an order of their own: the same rules make the same automaton.
        parts.sort_unstable_by(|left, right| {
            (&left.text, &left.needed_by).cmp(&(&right.text, &right.needed_by))
        });
        let all: Vec<u32> = parts.iter().flat_map(|part| part.needed_by.iter().copied()).collect();
        let (empty, parts): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.text.is_empty());
        let empty = empty.into_iter().flat_map(|part| part.needed_by).collect();
        let texts = || parts.iter().map(|part| &part.text);
        let engine = if texts().map(|text| text.len()).sum::<usize>() <= SMALL {
            let mut builder = dfa::Builder::new();
            builder.ascii_case_insensitive(true).match_kind(MatchKind::Standard).prefilter(false);
            builder.start_kind(StartKind::Unanchored).build(texts()).map(Engine::Fast)
        } else {
            let mut builder = aho_corasick::nfa::contiguous::Builder::new();
            builder.ascii_case_insensitive(true).match_kind(MatchKind::Standard).prefilter(false);
            builder.build(texts()).map(Engine::Small)
        };
        match engine {
            Ok(engine) => Ok(Self { engine, parts: parts.into(), empty, all: all.into() }),
            Err(_) => Err(all),
        }
    }

    /// Adds who finds what they need in `text`.
    pub(super) fn find(&self, text: &[u8], out: &mut Candidates) {
        if text.is_empty() {
            out.add(&self.empty);
        }
        let found = match &self.engine {
            Engine::Fast(automaton) => self.walk(automaton, text, out),
            Engine::Small(automaton) => self.walk(automaton, text, out),
        };
        if found.is_none() {
            out.add(&self.all);
        }
    }

    /// Nothing, if it gave up: a text made of the same parts over and over would cost more than asking everybody.
    fn walk(&self, automaton: &impl Automaton, text: &[u8], out: &mut Candidates) -> Option<()> {
        let mut state = automaton.start_state(Anchored::No).ok()?;
        let mut patience = 2 * self.parts.len() + 64;
        for (at, byte) in text.iter().enumerate() {
            state = automaton.next_state(Anchored::No, state, *byte);
            if !automaton.is_special(state) || !automaton.is_match(state) {
                continue;
            }
            let end = at + 1;
            for nth in 0..automaton.match_len(state) {
                patience = patience.checked_sub(1)?;
                let part = self.parts.get(automaton.match_pattern(state, nth).as_usize())?;
                if (!part.start || end == part.text.len()) && (!part.end || end == text.len()) {
                    out.add(&part.needed_by);
                }
            }
        }
        Some(())
    }
}
