//! Keeps secrets out of the lines that a report shows.

use std::ops::Range;

use super::tree::{Node, Value};
use super::yaml::parse;

/// Keys below `secrets` whose values say where a secret is kept, not what it is.
const TELLING: [&str; 5] = ["env", "file", "id", "slot", "until"];

/// The bytes of the document that hold secrets.
pub(super) fn secret_ranges(root: &Node) -> Vec<Range<usize>> {
    private(root).map(|node| node.span.clone()).chain(tokens(root)).collect()
}

/// What holds secrets: `secrets`, and the address of the store, in which a password may stand.
fn private(root: &Node) -> impl Iterator<Item = &Node> {
    let address = root.get("state").and_then(|state| state.get("url"));
    root.get("secrets").into_iter().chain(address)
}

/// The tokens that stand in the settings of webhooks.
fn tokens(root: &Node) -> Vec<Range<usize>> {
    let Some(Value::Seq(webhooks)) = root.get("webhooks").map(|webhooks| &webhooks.value) else {
        return Vec::new();
    };
    let settings = webhooks.iter().filter_map(|webhook| match &webhook.get("settings")?.value {
        Value::Map(entries) => Some(entries),
        _ => None,
    });
    let is_token = |key: &Node| key.text().is_some_and(|key| key.ends_with("token"));
    settings
        .flatten()
        .filter(|(key, value)| is_token(key) && matches!(value.value, Value::Scalar(_)))
        .map(|(_, value)| value.span.clone())
        .collect()
}

/// The text with everything below `secrets` that could be one replaced by stars, and the address of the store, and the tokens of
/// webhooks. It keeps its length and its lines. What could not be read as YAML is masked by its looks, and rather too much than too little.
pub(super) fn masked(text: &str) -> String {
    let mut cover = Cover::default();
    match parse(text) {
        (Some(root), problems) if problems.is_empty() => {
            cover.regions = secret_ranges(&root).into_iter().map(|range| with_comment(text, range)).collect();
            for node in private(&root) {
                cover.look_at(text, node, None);
            }
            cover.values.extend(tokens(&root));
            for spans in [&mut cover.regions, &mut cover.values, &mut cover.names] {
                spans.sort_unstable_by_key(|span| span.start);
            }
        }
        _ => cover.regions = by_looks(text),
    }
    text.char_indices()
        .map(|(at, letter)| if cover.hides(at, letter) { star(letter) } else { letter })
        .collect()
}

/// As many bytes as the letter that it hides, so that every offset and column still fits.
fn star(letter: char) -> char {
    match letter.len_utf8() {
        1 => '*',
        2 => '·',
        3 => '•',
        _ => '🞄',
    }
}

/// What is hidden. Each list is in the order of the text, its spans apart from each other.
#[derive(Default)]
struct Cover {
    /// Where everything is hidden but marks and spaces.
    regions: Vec<Range<usize>>,
    /// Scalars in them that are hidden, marks and all.
    values: Vec<Range<usize>>,
    /// Names in them that may be shown.
    names: Vec<Range<usize>>,
}

impl Cover {
    fn hides(&self, at: usize, letter: char) -> bool {
        if matches!(letter, '\n' | '\r') || !covered(&self.regions, at) || covered(&self.names, at) {
            return false;
        }
        covered(&self.values, at) || !(letter.is_whitespace() || "{}[],:\"'".contains(letter))
    }

    /// Sorts what is below `secrets` into names and values.
    fn look_at(&mut self, text: &str, node: &Node, key: Option<&str>) {
        match &node.value {
            Value::Null => {}
            Value::Scalar(_) if key.is_some_and(|key| TELLING.contains(&key)) => {
                self.names.push(node.span.clone());
            }
            Value::Scalar(_) => self.values.push(node.span.clone()),
            Value::Seq(items) => {
                for item in items {
                    self.names.extend(dash(text, item.span.start));
                    self.look_at(text, item, None);
                }
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    // A key without a value may be a secret that lost its key.
                    let list = if value.value == Value::Null { &mut self.values } else { &mut self.names };
                    list.push(key.span.clone());
                    self.look_at(text, value, key.text());
                }
            }
        }
    }
}

/// The mark before an item of a list, if it has one.
fn dash(text: &str, item: usize) -> Option<Range<usize>> {
    let before = text.get(..item)?.trim_end_matches([' ', '\t', '\r', '\n']);
    let start = before.strip_suffix('-')?.len();
    Some(start..start + 1)
}

/// Whether one of the spans, in order and apart, covers an offset.
fn covered(spans: &[Range<usize>], at: usize) -> bool {
    spans.get(spans.partition_point(|span| span.end <= at)).is_some_and(|span| span.start <= at)
}

/// A comment behind the last value belongs to it.
fn with_comment(text: &str, range: Range<usize>) -> Range<usize> {
    let rest = text.get(range.end..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    if line.trim_start().starts_with('#') { range.start..range.end + line.len() } else { range }
}

/// From each `secrets:` at the start of a line to the next line that is not indented; from one
/// anywhere else to the end of the text.
fn by_looks(text: &str) -> Vec<Range<usize>> {
    let mut regions: Vec<Range<usize>> = Vec::new();
    for (at, word) in text.match_indices("secrets") {
        let after = at + word.len();
        let Some(rest) = text.get(after..) else { continue };
        if covered(&regions, at) || !rest.trim_start_matches(['"', '\'', ' ', '\t']).starts_with(':') {
            continue;
        }
        let line_start =
            text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let end = if at == line_start { after + block(rest) } else { text.len() };
        regions.push(after..end);
    }
    for (at, word) in text.match_indices("token") {
        let after = at + word.len();
        let rest = text.get(after..).unwrap_or_default();
        if !covered(&regions, at) && rest.trim_start_matches(['"', '\'', ' ', '\t']).starts_with(':') {
            let line = rest.lines().next().unwrap_or_default();
            regions.push(after..after + line.len());
            regions.sort_unstable_by_key(|span| span.start);
        }
    }
    // User and password in an address.
    for (at, mark) in text.match_indices("://") {
        let after = at + mark.len();
        let rest = text.get(after..).unwrap_or_default();
        let word = rest.split(|letter: char| letter.is_whitespace()).next().unwrap_or_default();
        if let (false, Some(length)) = (covered(&regions, after), word.rfind('@')) {
            regions.push(after..after + length);
            regions.sort_unstable_by_key(|span| span.start);
        }
    }
    regions
}

/// The length of the block that goes on until a line begins with a letter.
fn block(rest: &str) -> usize {
    let mut length = 0;
    for (number, line) in rest.split_inclusive('\n').enumerate() {
        if number > 0 && line.starts_with(|c: char| c.is_alphanumeric() || c == '"' || c == '\'') {
            break;
        }
        length += line.len();
    }
    length
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn literal_values_are_starred_and_names_stay() {
        let text = "secrets:\n  a: { value: \"sk é\" } # was sk_old\n  b: [{ env: NAME, id: x }, plain]\nversion: 1\n";
        let hidden = masked(text);
        assert_eq!(
            hidden,
            "secrets:\n  a: { value: ****·* } * *** ******\n  b: [{ env: NAME, id: x }, *****]\nversion: 1\n"
        );
    }

    #[test]
    fn a_rotation_keeps_its_marks_and_a_webhooks_token_is_starred() {
        let text = "webhooks:\n  - { settings: { verify_token: hush, id: x } }\nsecrets:\n  a:\n    - { value: sk }\n    - plain\n";
        assert_eq!(
            masked(text),
            "webhooks:\n  - { settings: { verify_token: ****, id: x } }\nsecrets:\n  a:\n    - { value: ** }\n    - *****\n"
        );
        let broken = masked("webhooks:\n  - { settings: { verify_token: hush\nversion: 1\n");
        assert!(!broken.contains("hush") && broken.contains("version: 1"), "{broken}");
    }

    #[test]
    fn the_address_of_the_store_is_starred() {
        let text = "state: { path: a, url: { value: \"redis://:hush@b\" } }\nsecrets:\n  a: { env: NAME }\n";
        let hidden = masked(text);
        assert!(!hidden.contains("hush"), "{hidden}");
        assert!(hidden.starts_with("state: { path: a, url: { value: ***"), "{hidden}");
        assert!(hidden.ends_with("secrets:\n  a: { env: NAME }\n"), "{hidden}");
        for text in ["state: { url: \"redis://:hush@b\" }\n", "state: { url: \"redis://a:hush@b\nx: 1\n"] {
            let hidden = masked(text);
            assert!(!hidden.contains("hush"), "{hidden}");
        }
    }

    #[test]
    fn secrets_in_text_that_is_no_yaml_are_starred() {
        for text in [
            "secrets:\n  a: { value: \"sk_live\n  b: sk_live\nversion: [1\n",
            "secrets: {a: {value: sk_live}}\nsecrets: {b: {value: sk_live}}\nx: 1\n",
            "{\"version\": 1, \"secrets\": {\"a\": {\"value\": \"sk_live\"}}",
            "secrets:\n  a: sk_live_1\n  a: sk_live_2\n",
        ] {
            let hidden = masked(text);
            assert!(!hidden.contains("sk_live"), "{hidden}");
            assert_eq!(hidden.len(), text.len());
            assert_eq!(hidden.lines().count(), text.lines().count());
        }
    }
}
