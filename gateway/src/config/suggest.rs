//! "Did you mean …?"

/// What other programs call a key.
const ELSEWHERE: &[(&str, &str)] = &[
    ("by", "per"),
    ("concurrency", "concurrent"),
    ("condition", "when"),
    ("description", "name"),
    ("duration", "for"),
    ("entries", "items"),
    ("expression", "when"),
    ("if", "when"),
    ("key", "per"),
    ("limit", "allow"),
    ("location", "to"),
    ("rate", "allow"),
    ("target", "to"),
    ("time", "for"),
    ("values", "items"),
];

/// The known name that a wrong one was most likely meant to be. Case and the choice between
/// `-`, `_` and nothing do not count; beyond those, two slips are forgiven, one in a short name.
pub(super) fn nearest<'n>(wrong: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let folded = fold(wrong);
    let allowed = if folded.chars().count() <= 4 { 1 } else { 2 };
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &fold(name)), name))
        .filter(|(distance, name)| *distance <= allowed && *distance < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The key that another program calls so.
pub(super) fn elsewhere<'n>(wrong: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let (_, here) = ELSEWHERE.iter().find(|(there, _)| there.eq_ignore_ascii_case(wrong))?;
    known.into_iter().find(|name| name == here)
}

/// The remedy for a wrong name: the nearest known one, else all of them.
pub(crate) fn remedy_or_all(wrong: &str, known: &[&str]) -> String {
    let all = || {
        if known.is_empty() { "define it first".to_owned() } else { format!("use one of {}", list(known)) }
    };
    nearest(wrong, known.iter().copied()).map_or_else(all, |name| format!("did you mean `{name}`?"))
}

/// The remedy for a wrong name: the nearest known one, else all of them if they are few.
pub(super) fn remedy(wrong: &str, known: &[&str], what: &str) -> Option<String> {
    // Cost of the distance grows with the product of the lengths.
    let close = if wrong.len() <= 80 { nearest(wrong, known.iter().copied()) } else { None };
    match (close, known) {
        (Some(name), _) => Some(format!("did you mean `{name}`?")),
        (None, []) => None,
        (None, [only]) => Some(format!("the only {what} here is `{only}`")),
        (None, known) if known.len() <= 16 => Some(format!("one of {}", list(known))),
        (None, _) => None,
    }
}

/// Names for a sentence.
pub(super) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).flat_map(char::to_lowercase).collect()
}
