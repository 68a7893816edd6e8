//! Looks at Cloudflare's expressions without understanding them: which fields and lists they name.

use std::ops::Range;

/// A part of an expression that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'e> {
    /// A field, a function or an operator in letters.
    Word(&'e str),
    /// `$name`
    List(&'e str),
    /// Text in quotes, as it is written.
    Text(&'e str),
    /// Any other mark.
    Mark(char),
}

/// The tokens of an expression, each with its place. Whatever is no expression gives some, too.
pub(super) fn tokens(expression: &str) -> Vec<(Token<'_>, Range<usize>)> {
    let mut tokens: Vec<(Token<'_>, Range<usize>)> = Vec::new();
    let mut at = 0;
    while let Some(rest) = expression.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or_default();
        let word = rest.len() - rest.trim_start_matches(is_word).len();
        let matches = tokens
            .last()
            .is_some_and(|(token, _)| matches!(token, Token::Word("matches") | Token::Mark('~')));
        let (token, length) = if first.is_whitespace() {
            (None, first.len_utf8())
        } else if let Some(length) = raw_text(rest).or_else(|| text(rest, matches)) {
            (rest.get(..length).map(Token::Text), length)
        } else if word > 0 {
            (rest.get(..word).map(Token::Word), word)
        } else if let Some(name) = rest.strip_prefix('$') {
            let length = name.len() - name.trim_start_matches(is_word).len();
            (name.get(..length).map(Token::List), 1 + length)
        } else {
            (Some(Token::Mark(first)), first.len_utf8())
        };
        tokens.extend(token.map(|token| (token, at..at + length)));
        at += length;
    }
    tokens
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.')
}

/// The length of `r"…"` or `r#"…"#` at the beginning.
fn raw_text(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('r')?;
    let quoted = inner.trim_start_matches('#');
    let marks = inner.len() - quoted.len();
    let body = quoted.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + length)
}

/// The length of `"…"` at the beginning. In a regular expression, quotes within brackets do not end it.
fn text(rest: &str, regex: bool) -> Option<usize> {
    let body = rest.strip_prefix('"')?;
    let (mut escaped, mut class) = (false, false);
    for (at, letter) in body.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if !class => return Some(at + 2),
            '[' if regex => class = true,
            ']' => class = false,
            _ => {}
        }
    }
    Some(rest.len())
}

/// The fields that an expression names: words that are no operators, no functions and no literals.
pub(super) fn fields(expression: &str) -> Vec<&str> {
    let tokens = tokens(expression);
    let fields = tokens.iter().enumerate().filter_map(|(index, (token, _))| match token {
        Token::Word(word)
            if word.contains('.') && word.starts_with(|first: char| first.is_ascii_alphabetic()) =>
        {
            let call = tokens.get(index + 1).is_some_and(|(next, _)| *next == Token::Mark('('));
            (!call).then_some(*word)
        }
        _ => None,
    });
    fields.collect()
}

/// The lists that an expression looks something up in, each with what it looks up.
pub(super) fn lists(expression: &str) -> Vec<(&str, &str)> {
    let tokens = tokens(expression);
    let mut found = Vec::new();
    let mut field = "";
    for (token, _) in &tokens {
        match token {
            Token::Word(word) if word.contains('.') => field = word,
            Token::List(name) => found.push((*name, field)),
            _ => {}
        }
    }
    found
}

/// Whether it is true for every request.
pub(super) fn is_always(expression: &str) -> bool {
    let tokens = tokens(expression);
    let meant: Vec<_> = tokens
        .iter()
        .map(|(token, _)| *token)
        .filter(|token| !matches!(token, Token::Mark('(' | ')')))
        .collect();
    // There are no plans here, and nothing is kept back.
    let plan = [Token::Word("cf.zone.plan"), Token::Word("eq"), Token::Text("\"ENT\"")];
    meant == [Token::Word("true")] || meant == plan
}

/// All conditions at once.
pub(super) fn all<'e>(conditions: impl IntoIterator<Item = &'e str>) -> String {
    let conditions: Vec<&str> = conditions.into_iter().filter(|condition| !is_always(condition)).collect();
    match conditions.as_slice() {
        [] => "true".to_owned(),
        [only] => (*only).to_owned(),
        several => several.iter().map(|condition| format!("({condition})")).collect::<Vec<_>>().join(" and "),
    }
}

/// The expression with the zone's name compared to the host: a zone has its own name and every name below it.
pub(super) fn without_zones(expression: &str) -> String {
    let tokens = tokens(expression);
    let mut text = String::new();
    let mut copied = 0;
    let mut index = 0;
    while let Some((token, place)) = tokens.get(index) {
        let compared = (*token == Token::Word("cf.zone.name"))
            .then(|| zones(tokens.get(index + 1..).unwrap_or_default()));
        if let Some((length, condition)) = compared.flatten() {
            text.push_str(expression.get(copied..place.start).unwrap_or_default());
            text.push_str(&condition);
            index += length;
            copied = tokens.get(index).map_or(place.end, |(_, place)| place.end);
        }
        index += 1;
    }
    text.push_str(expression.get(copied..).unwrap_or_default());
    text
}

/// What a comparison of the zone's name means for the host, and how many tokens it has.
fn zones(tokens: &[(Token<'_>, Range<usize>)]) -> Option<(usize, String)> {
    let token = |index: usize| tokens.get(index).map(|(token, _)| *token);
    let (negated, mut at) = match (token(0)?, token(1)) {
        (Token::Word("eq"), _) => (false, 1),
        (Token::Word("ne"), _) => (true, 1),
        (Token::Word("in"), Some(Token::Mark('{'))) | (Token::Mark('='), Some(Token::Mark('='))) => {
            (false, 2)
        }
        (Token::Mark('!'), Some(Token::Mark('='))) => (true, 2),
        _ => return None,
    };
    let mut conditions = Vec::new();
    let within = token(0) == Some(Token::Word("in"));
    while let Some(Token::Text(name)) = token(at) {
        let name = name.strip_prefix('"')?.strip_suffix('"')?;
        conditions.push(format!("http.host eq \"{name}\" or ends_with(http.host, \".{name}\")"));
        at += 1;
        if !within {
            break;
        }
    }
    if within && token(at) != Some(Token::Mark('}')) || conditions.is_empty() {
        return None;
    }
    let length = if within { at + 1 } else { at };
    Some((length, format!("{}({})", if negated { "not " } else { "" }, conditions.join(" or "))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_and_lists_are_found_and_text_is_not_looked_at() {
        let expression = r##"(http.host matches "[\"] cf.x" or any(lower(http.request.headers["a.b $c"][*])[*] eq r#"d.e"f"#))
            and ip.src in $office and not ip.src in {10.0.0.0/8} and http.host in $my.hosts and ssl"##;
        assert_eq!(
            fields(expression),
            ["http.host", "http.request.headers", "ip.src", "ip.src", "http.host"],
        );
        assert_eq!(lists(expression), [("office", "ip.src"), ("my.hosts", "http.host")]);
        assert_eq!(fields(r#"http.cookie ~ "[a\"]" and cf.y "[" "#), ["http.cookie", "cf.y"]);
    }

    #[test]
    fn conditions_are_joined() {
        for (conditions, joined) in [
            (&["true"][..], "true"),
            (&["(cf.zone.plan eq \"ENT\")", "ssl"], "ssl"),
            (&["a.b or c.d", "(true)", "not e.f"], "(a.b or c.d) and (not e.f)"),
        ] {
            assert_eq!(all(conditions.iter().copied()), joined);
        }
    }

    #[test]
    fn zones_become_hosts() {
        for (zones, hosts) in [
            (
                r#"(cf.zone.name eq "a.example" and ssl)"#,
                r#"((http.host eq "a.example" or ends_with(http.host, ".a.example")) and ssl)"#,
            ),
            (
                r#"not cf.zone.name in {"a.b" "c.d"}"#,
                r#"not (http.host eq "a.b" or ends_with(http.host, ".a.b") or http.host eq "c.d" or ends_with(http.host, ".c.d"))"#,
            ),
            (r#"cf.zone.name!="a""#, r#"not (http.host eq "a" or ends_with(http.host, ".a"))"#),
            (r#"cf.zone.name contains "a""#, r#"cf.zone.name contains "a""#),
            ("cf.zone.name in {}", "cf.zone.name in {}"),
            ("cf.zone.name in {\"a\"", "cf.zone.name in {\"a\""),
            ("cf.zone.name", "cf.zone.name"),
        ] {
            assert_eq!(without_zones(zones), hosts);
        }
    }

    proptest! {
        #[test]
        fn every_letter_is_in_a_token_or_white(text in "([a-z.\"#\\\\$(){}\\[\\] é~!=]|r#\"|cf.zone.name|eq|in){0,40}") {
            let mut end = 0;
            for (_, place) in tokens(&text) {
                prop_assert!(text.get(end..place.start).unwrap().trim().is_empty());
                end = place.end;
            }
            prop_assert!(text.get(end..).unwrap().trim().is_empty());
            let _ = (fields(&text), lists(&text), is_always(&text), without_zones(&text));
        }
    }
}
