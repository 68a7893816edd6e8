//! Names as lax readers compare them: without case, without what separates words.

/// Upper case first: `ſ` and the Kelvin sign have no other way to `s` and `k`.
pub(crate) fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// A name without what separates its words.
pub(crate) fn joined(name: &str) -> impl Iterator<Item = char> {
    let from = name.find(|letter| !matches!(letter, '-' | '_')).unwrap_or(0);
    let (start, words) = name.split_at_checked(from).unwrap_or(("", name));
    // `_id` and `id` are different things in many a document.
    start.chars().chain(folded(words).filter(|letter| !matches!(letter, '-' | '_')))
}
