//! Writes YAML that the configuration's reader takes back as it was meant.

use std::fmt;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Yaml {
    /// A number or a word, as it stands.
    Word(String),
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn word(word: impl fmt::Display) -> Self {
        Self::Word(format!("{word}"))
    }

    pub(super) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::Text(text.into())).collect())
    }

    /// On one line.
    pub(super) fn flow(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Text(text) => quoted(text, true),
            Self::List(items) => format!("[{}]", join(items.iter().map(Self::flow))),
            Self::Map(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("{}: {}", name(key), value.flow()));
                format!("{{ {} }}", join(entries))
            }
        }
    }

    /// `key: value` with a line end, behind `indent` spaces.
    pub(super) fn entry(&self, indent: usize, key: &str) -> String {
        let key = name(key);
        match self {
            Self::Text(text) => match block(text, indent + 2) {
                Some(block) => format!("{key}: |-\n{block}"),
                None => format!("{key}: {}\n", quoted(text, false)),
            },
            other => format!("{key}: {}\n", other.flow()),
        }
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// A key: those are never filled in from the environment.
pub(super) fn name(key: &str) -> String {
    if is_plain(key, true) { key.to_owned() } else { json(key) }
}

/// Text on one line. Within brackets, plain text ends sooner.
fn quoted(text: &str, within: bool) -> String {
    let text = &unfilled(text);
    if is_plain(text, within) {
        text.clone()
    } else if text.chars().all(is_printable) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        json(text)
    }
}

/// The lines of a text of several, if it stays the same as a block.
fn block(text: &str, indent: usize) -> Option<String> {
    let text = &unfilled(text);
    let good = |line: &str| line.chars().all(is_printable) && line.trim_end() == line;
    let safe = text.contains('\n') && !text.starts_with([' ', '\n']) && !text.ends_with('\n');
    if !safe || !text.split('\n').all(good) {
        return None;
    }
    let spaces = " ".repeat(indent);
    let lines = text
        .split('\n')
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{spaces}{line}\n") });
    Some(lines.collect())
}

/// JSON is YAML, as long as nothing in it is a letter that YAML has no place for.
fn json(text: &str) -> String {
    use std::fmt::Write as _;
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            letter if is_printable(letter) => quoted.push(letter),
            letter => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(letter));
            }
        }
    }
    quoted.push('"');
    quoted
}

fn is_printable(letter: char) -> bool {
    let mark = matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    !letter.is_control() && !mark
}

/// Whether text needs no quotes and cannot be taken for anything else.
fn is_plain(text: &str, within: bool) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let mut letters = text.chars();
    let first =
        letters.next().is_some_and(|letter| letter.is_ascii_alphabetic() || matches!(letter, '_' | '/'));
    let rest = letters.all(|letter| {
        letter.is_ascii_alphanumeric() || "_./-".contains(letter) || (!within && letter == ' ')
    });
    first && rest && text.trim_end() == text && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// The text as it has to be written, so that `${…}` in it is not filled in from the environment. What cannot be meant
/// so, such as `${1}`, stays.
fn unfilled(text: &str) -> String {
    let is_reference = |after: &str| {
        let name =
            after.split_once('}').map(|(inside, _)| inside.split_once(":-").map_or(inside, |(name, _)| name));
        name.is_some_and(|name| {
            name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
                && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        })
    };
    let changed = text.match_indices("${").any(|(at, mark)| {
        text.get(..at).is_some_and(|before| before.ends_with('$'))
            || text.get(at + mark.len()..).is_some_and(is_reference)
    });
    if changed { text.replace("${", "$${") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{Value, interpolate, parse};

    /// What the configuration's reader makes of it.
    fn read(text: &str) -> (String, String) {
        let (root, problems) = parse(text);
        assert!(problems.is_empty(), "{text}: {problems:?}");
        let mut root = root.unwrap();
        let problems = interpolate(&mut root, text, &|_| Some("FILLED".to_owned()));
        assert!(problems.is_empty());
        let (key, value) = root.entries()[0].clone();
        let value = match &value.value {
            Value::Seq(items) => items[0].text().unwrap().to_owned(),
            Value::Map(entries) => entries[0].1.text().unwrap().to_owned(),
            _ => value.text().unwrap().to_owned(),
        };
        (key.text().unwrap().to_owned(), value)
    }

    #[test]
    fn text_is_written_as_plainly_as_it_bears() {
        for (text, written) in [
            ("block", "a: block\n"),
            ("a b", "a: a b\n"),
            ("true", "a: 'true'\n"),
            ("", "a: ''\n"),
            ("it's", "a: 'it''s'\n"),
            ("301", "a: '301'\n"),
            ("x # y", "a: 'x # y'\n"),
            ("/${1}", "a: '/${1}'\n"),
            ("${HOME}", "a: '$${HOME}'\n"),
            ("(a\n b)", "a: |-\n  (a\n   b)\n"),
            ("a\n", "a: \"a\\n\"\n"),
            ("a\tb\u{7f}", "a: \"a\\U00000009b\\U0000007f\"\n"),
        ] {
            assert_eq!(Yaml::text(text).entry(0, "a"), written);
        }
        let map = Yaml::Map(vec![("x-a".to_owned(), Yaml::text("a, b")), ("8".to_owned(), Yaml::word(1))]);
        assert_eq!(map.entry(0, "set"), "set: { x-a: 'a, b', \"8\": 1 }\n");
    }

    proptest! {
        #[test]
        fn text_comes_back(text in "([ -~é🎉\\n\\r\\t\u{0}\u{85}\u{2028}\u{feff}]|[$]|[{]|[}]|A|\\$\\{A\\}|:-|'|\"|\\\\|\\n ){0,12}", key in "[ -~]{1,8}") {
            let value = Yaml::text(text.clone());
            for written in [
                value.entry(0, &key),
                Yaml::List(vec![value.clone()]).entry(0, &key),
                Yaml::Map(vec![("b".to_owned(), value.clone())]).entry(0, &key),
            ] {
                prop_assert_eq!(read(&written), (key.clone(), text.clone()), "{}", written);
            }
        }
    }
}
