//! The texts that every match of a regular expression has one of.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{ExtractKind, Extractor, Seq};
use regex_syntax::hir::{Hir, HirKind};

/// How many texts are worth looking for.
const MOST: usize = 64;

/// Texts one of which is part of whatever `pattern` matches; none, if that cannot be said.
pub(super) fn required(pattern: &str) -> Option<Vec<Vec<u8>>> {
    let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).ok()?;
    best(&hir)
}

/// The longest that can be found: how short the shortest of them is decides.
fn best(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let within = match hir.kind() {
        HirKind::Capture(capture) => best(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => best(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(best).max_by_key(|parts| worth(parts)),
        HirKind::Alternation(branches) => {
            let parts: Option<Vec<_>> = branches.iter().map(best).collect();
            parts.map(|parts| parts.concat()).filter(|parts| parts.len() <= MOST)
        }
        _ => None,
    };
    let ends = [ExtractKind::Prefix, ExtractKind::Suffix].into_iter().filter_map(|kind| {
        let mut extractor = Extractor::new();
        extractor.kind(kind);
        texts(&extractor.extract(hir))
    });
    ends.chain(within).max_by_key(|parts| worth(parts))
}

fn texts(found: &Seq) -> Option<Vec<Vec<u8>>> {
    let mut texts: Vec<Vec<u8>> =
        found.literals()?.iter().map(|literal| literal.as_bytes().to_ascii_lowercase()).collect();
    texts.sort_unstable();
    texts.dedup();
    (!texts.is_empty() && texts.len() <= MOST && texts.iter().all(|text| !text.is_empty())).then_some(texts)
}

fn worth(parts: &[Vec<u8>]) -> usize {
    parts.iter().map(Vec::len).min().unwrap_or(0)
}
