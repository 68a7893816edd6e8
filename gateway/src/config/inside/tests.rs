//! Every way to write a scalar, and every letter of it found again.

use proptest::prelude::*;

use super::super::tree::Node;
use super::super::{interpolate, parse};
use super::locate;

fn read(source: &str) -> Node {
    let (root, problems) = parse(source);
    assert!(problems.is_empty(), "{source}: {problems:?}");
    root.unwrap()
}

/// What stands in the file where `piece` of the value of `when` was written.
fn found<'s>(source: &'s str, piece: &str) -> &'s str {
    let mut root = read(source);
    let fill = |name: &str| (name == "NET").then(|| "203.0.113.0/24 198.51.100.7".to_owned());
    assert!(interpolate(&mut root, source, &fill).is_empty());
    let node = root.get("when").unwrap();
    let text = node.text().unwrap();
    let at = text.find(piece).unwrap_or_else(|| panic!("{piece} in {text}"));
    let span = locate(source, node, &(at..at + piece.len())).unwrap();
    source.get(span).unwrap()
}

#[test]
fn plain_text() {
    assert_eq!(found("when: http.host eqq 3 # eqq\n", "eqq"), "eqq");
    assert_eq!(found("when: a and\n  b  eqq\n\n  c\nx: 1\n", "eqq"), "eqq");
    assert_eq!(found("when: a and\n  b\n", "and b"), "and\n  b");
    assert_eq!(found("{ when: é eqq, x: 1 }\n", "eqq"), "eqq");
}

#[test]
fn single_quotes() {
    assert_eq!(found("when: 'x eq ''y'' eqq z'\n", "eqq"), "eqq");
    assert_eq!(found("when: 'x eq ''y'' eqq z'\n", "'y'"), "''y''");
    assert_eq!(found("when: 'a\n  b\n\n  eqq'\n", "eqq"), "eqq");
    assert_eq!(found("when: '''eqq'''\n", "'eqq'"), "''eqq''");
}

#[test]
fn double_quotes() {
    assert_eq!(found(r#"when: "x eq \"y\" eqq z""#, "eqq"), "eqq");
    assert_eq!(found(r#"when: "x eq \"y\" eqq z""#, "\"y\""), r#"\"y\""#);
    assert_eq!(found(r#"when: "\\d \x41 \u00e9 \U0001F389 \ud83c\udf89 \n\t\_ eqq""#, "eqq"), "eqq");
    assert_eq!(found(r#"when: "\ud83c\udf89x""#, "🎉"), r"\ud83c\udf89");
    assert_eq!(found("when: \"a \\\n   b\n  eqq\"\n", "eqq"), "eqq");
    assert_eq!(found("{\"when\": \"http.host\\u0020eqq\"}", "eqq"), "eqq");
}

#[test]
fn blocks() {
    for header in ["|", "|-", "|+", ">", ">-", ">+", "|2", ">-2", "| # why"] {
        let source = format!("when: {header}\n  \"a\" eq 'b'\n  and eqq\n\n    more\n\n\nx: 1\n");
        assert_eq!(found(&source, "eqq"), "eqq", "{source}");
        assert_eq!(found(&source, "'b'"), "'b'", "{source}");
    }
    assert_eq!(found("when: >-\n\n\n  \"eqq\"\n", "\"eqq\""), "\"eqq\"");
    assert_eq!(found("when: >-\r\n  a\r\n  eqq\r\n", "a eqq"), "a\r\n  eqq");
}

#[test]
fn what_was_filled_in_is_meant_as_a_whole() {
    for source in [
        "when: ip in {${NET}} eqq 1\n",
        "when: 'ip in {${NET}} eqq 1'\n",
        "when: >-\n  ip in\n  {${NET}}\n  eqq 1\n",
    ] {
        assert_eq!(found(source, "eqq"), "eqq");
        assert_eq!(found(source, "ip"), "ip");
        assert_eq!(found(source, "198.51"), "${NET}");
        assert_eq!(found(source, "203.0.113.0/24 198.51.100.7"), "${NET}");
        assert!(found(source, "{203").ends_with("{${NET}"));
    }
    assert_eq!(found("when: $${1} ${2} $${x} ${NO:-} ${NO:-no} eqq\n", "eqq"), "eqq");
    assert_eq!(found("when: a $${x} eqq\n", "${x"), "$${x");
}

#[test]
fn the_end_is_behind_the_last_letter() {
    for (source, end) in [
        ("when: a and\nx: 1\n", 11),
        ("when: 'a and '\n", 12),
        ("when: >-\n  a and\n\nx: 1\n", 16),
        ("when: ''\n", 6),
        ("when: \"\"\n", 6),
    ] {
        let root = read(source);
        let node = root.get("when").unwrap();
        let length = node.text().unwrap().len();
        assert_eq!(locate(source, node, &(length..length)), Some(end..end), "{source}");
    }
}

#[test]
fn no_offset_is_too_far() {
    let source = "when: a b\nof: [1]\n";
    let root = read(source);
    let node = root.get("when").unwrap();
    for (start, end) in [(0, 99), (99, 99), (99, 0), (2, 1)] {
        let span = locate(source, node, &(start..end)).unwrap();
        assert!(span.start <= span.end && span.end <= source.len(), "{span:?}");
    }
    assert_eq!(locate(source, root.get("of").unwrap(), &(0..1)), None);
}

/// The ways to write `text`, which has no line ends and no white space at either end.
fn ways(text: &str) -> Vec<String> {
    let folded = text.replace(' ', "\n  ");
    let json = serde_json::Value::from(text).to_string();
    let escaped: String =
        text.chars().map(|letter| format!("\\U{:08x}", u32::from(letter))).collect::<Vec<_>>().concat();
    vec![
        format!("when: '{}'\n", text.replace('\'', "''")),
        format!("when: {json}\n"),
        format!("when: \"{escaped}\"\n"),
        format!("when: |\n  {text}\n"),
        format!("when: >-\n  {folded}\n"),
        format!("{{\"x\": 1, \"when\": {json}}}"),
    ]
}

proptest! {
    #[test]
    fn every_letter_is_found(text in "[a-z(\"'\\\\é🎉{}#:]([ a-z(\"'\\\\é🎉{}#:]{0,20}[a-z\"'\\\\é🎉])?", nth in any::<prop::sample::Index>()) {
        let text = text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let letters: Vec<_> = text.char_indices().filter(|(_, letter)| *letter != ' ').collect();
        let (at, letter) = letters[nth.index(letters.len())];
        for source in ways(&text) {
            let root = read(&source);
            let node = root.get("when").unwrap();
            prop_assert_eq!(node.text().unwrap().trim_end(), &text);
            let span = locate(&source, node, &(at..at + letter.len_utf8()));
            let span = span.unwrap_or_else(|| panic!("{source}"));
            let written = source.get(span).unwrap();
            let spelt = letter.to_string() == written
                || written == format!("\\U{:08x}", u32::from(letter))
                || written == "''" && letter == '\''
                || written == format!("\\{letter}");
            prop_assert!(spelt, "{letter} as {written} in {source}");
        }
    }

    #[test]
    fn nothing_panics(source in "when: .{0,40}\n(  .{0,20}\n){0,3}", start in 0_usize..60, length in 0_usize..60) {
        if let (Some(root), _) = parse(&source) && let Some(node) = root.get("when") {
            let span = locate(&source, node, &(start..start + length));
            prop_assert!(span.is_none_or(|span| source.get(span).is_some()));
        }
    }
}
