//! `revoked`: tokens that are no longer believed, by their `jti` or by whom they show. The list is read when the
//! configuration is loaded, and anew whenever it changes.
//!
//! One entry a line: `jti ID`, `user NAME`, or `user NAME before 2026-11-22T10:00:00Z` for the tokens issued before
//! that moment. A `#` after a blank begins a comment; a name with a blank is written as a JSON string.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::moment::Moment;
use crate::token::seconds;
use crate::view::Reading;

/// The list. Looking something up takes the same time however long it is.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    tokens: HashSet<Box<str>>,
    /// Each with the first second (Unix time) whose tokens are believed again; none: never.
    users: HashMap<Box<str>, Option<i64>>,
}

enum Entry {
    Token(String),
    User(String, Option<i64>),
}

impl Revoked {
    /// Reads a list; `file` is its name in the configuration.
    pub(super) fn parse(text: &[u8], file: &str) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| format!("{file} is not UTF-8 text"))?;
        let mut list = Self::default();
        for (index, line) in text.lines().enumerate() {
            match entry(line).map_err(|why| format!("{file}, line {}: {why}", index + 1))? {
                None => {}
                Some(Entry::Token(id)) => {
                    list.tokens.insert(id.into());
                }
                Some(Entry::User(name, before)) => {
                    let known = list.users.entry(name.into()).or_insert(before);
                    *known = known.zip(before).map(|(one, other)| one.max(other));
                }
            }
        }
        Ok(list)
    }

    /// Why a token with these claims is not believed, if it is not. What cannot be compared is not either.
    pub(super) fn denies(&self, claims: &Map<String, Value>, user: &Reading<String>) -> Option<&'static str> {
        let token = match claims.get("jti") {
            _ if self.tokens.is_empty() => None,
            None => None,
            Some(Value::String(id)) => self.tokens.contains(id.as_str()).then_some("the token is revoked"),
            Some(_) => Some("`jti` is not a string, so it cannot be compared with the revoked ones"),
        };
        token.or_else(|| match user {
            _ if self.users.is_empty() => None,
            Reading::Absent => None,
            Reading::Unreadable => Some("the user cannot be compared with the revoked ones"),
            Reading::Value(name) => {
                let before = self.users.get(name.as_str())?;
                let issued = claims.get("iat").and_then(seconds);
                let since = before.zip(issued).is_some_and(|(before, issued)| issued >= before);
                (!since).then_some("the user's tokens are revoked")
            }
        })
    }
}

fn entry(line: &str) -> Result<Option<Entry>, &'static str> {
    let mut rest = line;
    let Some(kind) = word(&mut rest)? else { return Ok(None) };
    let name = word(&mut rest)?.ok_or("the entry has no name")?;
    let before = match word(&mut rest)?.as_deref() {
        None => None,
        Some("before") => {
            let time = word(&mut rest)?.ok_or("`before` has no time")?;
            Some(time.parse::<Moment>().map_err(|_| "the time is not like 2026-11-22T10:00:00Z")?.0)
        }
        Some(_) => return Err("after the name only `before` and a time can stand"),
    };
    if word(&mut rest)?.is_some() {
        return Err("there is more on the line than one entry");
    }
    match (kind.as_str(), before) {
        (_, _) if name.is_empty() => Err("the name is empty"),
        ("jti", None) => Ok(Some(Entry::Token(name))),
        ("jti", Some(_)) => Err("a `jti` is revoked for good: it takes no `before`"),
        ("user", before) => Ok(Some(Entry::User(name, before))),
        _ => Err("an entry begins with `jti` or `user`"),
    }
}

/// The next word of the line, which may be a JSON string.
fn word(rest: &mut &str) -> Result<Option<String>, &'static str> {
    const QUOTES: &str = "the quotes are not those of a JSON string";
    let text = rest.trim_start();
    if text.is_empty() || text.starts_with('#') {
        *rest = "";
        return Ok(None);
    }
    if !text.starts_with('"') {
        let (word, after) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
        *rest = after;
        return Ok(Some(word.to_owned()));
    }
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let word = strings.next().ok_or(QUOTES)?.map_err(|_| QUOTES)?;
    let after = text.get(strings.byte_offset()..).unwrap_or_default();
    if !after.is_empty() && !after.starts_with(char::is_whitespace) {
        return Err(QUOTES);
    }
    *rest = after;
    Ok(Some(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn denies(list: &Revoked, claims: &Value) -> Option<&'static str> {
        let user = match claims.get("sub") {
            None => Reading::Absent,
            Some(Value::String(user)) => Reading::Value(user.clone()),
            Some(_) => Reading::Unreadable,
        };
        list.denies(claims.as_object().unwrap(), &user)
    }

    #[test]
    fn what_the_list_says_is_denied_and_nothing_else() {
        let text = "# who left\r\n\r\njti abc # stolen\n  user ada\nuser bob before 2026-11-22T10:00:00Z\n\
                    user bob before 2026-11-22T11:00:00+01:00\njti a#b\nuser \"Eve Adams\" before 2026-11-22T10:00:00.5Z\n\
                    user \"q\\\"#\"#\tno\nuser ada before 2020-01-01T00:00:00Z\nuser before\n";
        let text = text.replace("\"#\tno", "\"\t#\tno");
        let list = Revoked::parse(text.as_bytes(), "revoked.txt").unwrap();
        let ten = 1_795_341_600;
        for claims in [
            json!({"jti": "abc"}),
            json!({"jti": "a#b", "sub": "carl"}),
            json!({"sub": "ada"}),
            json!({"sub": "ada", "iat": ten + 100}),
            json!({"sub": "bob", "iat": ten - 1}),
            json!({"sub": "bob", "iat": f64::from(1_795_341_600) - 0.5}),
            json!({"sub": "bob"}),
            json!({"sub": "Eve Adams", "iat": ten}),
            json!({"sub": "q\"#"}),
            json!({"sub": "before"}),
            json!({"jti": 1}),
            json!({"jti": null}),
            json!({"sub": 1}),
            json!({"jti": "other", "sub": "ada"}),
        ] {
            assert!(denies(&list, &claims).is_some(), "{claims}");
        }
        for claims in [
            json!({}),
            json!({"jti": "ABC", "sub": "carl"}),
            json!({"jti": "ada", "sub": "abc"}),
            json!({"sub": "bob", "iat": ten}),
            json!({"sub": "Ada"}),
            json!({"sub": "Eve Adams", "iat": ten + 1}),
            json!({"sub": "stolen"}),
        ] {
            assert_eq!(denies(&list, &claims), None, "{claims}");
        }
        // Where a list names no users (or no tokens), there is nothing to compare them with.
        let tokens = Revoked::parse(b"jti abc", "").unwrap();
        assert_eq!(denies(&tokens, &json!({"sub": 1})), None);
        let users = Revoked::parse(b"user ada", "").unwrap();
        assert_eq!(denies(&users, &json!({"jti": 1, "sub": "bob"})), None);
    }

    #[test]
    fn a_line_that_says_nothing_clear_is_an_error_with_its_number() {
        for (line, why) in [
            ("ada", "the entry has no name"),
            ("jti", "the entry has no name"),
            ("user # ada", "the entry has no name"),
            ("usr ada", "an entry begins with"),
            ("JTI abc", "an entry begins with"),
            ("\u{feff}jti abc", "an entry begins with"),
            ("jti abc before 2026-11-22T10:00:00Z", "takes no `before`"),
            ("jti abc def", "only `before`"),
            ("user ada befor 2026-11-22T10:00:00Z", "only `before`"),
            ("user ada before", "`before` has no time"),
            ("user ada before 2026-11-31", "the time is not like"),
            ("user ada before 2026-11-22T10:00:00", "the time is not like"),
            ("user ada before 2026-02-30T10:00:00Z", "the time is not like"),
            ("user ada before 1795341600", "the time is not like"),
            ("user ada before 2026-11-22T10:00:00Z and after", "more on the line"),
            ("user \"ada", "JSON string"),
            ("user \"ada\"x", "JSON string"),
            ("user \"\"", "the name is empty"),
        ] {
            let told = Revoked::parse(format!("# one\njti two\n{line}\n").as_bytes(), "r.txt").unwrap_err();
            assert!(told.starts_with("r.txt, line 3: ") && told.contains(why), "{line}: {told}");
        }
        assert!(Revoked::parse(b"jti \xff", "r.txt").unwrap_err().contains("not UTF-8"));
    }

    #[test]
    fn a_hundred_thousand_lines_are_read() {
        let lines: Vec<String> =
            (0..100_000).map(|nth| format!("user u{nth} before 2026-11-22T10:00:00Z")).collect();
        let text = lines.join("\n");
        let list = Revoked::parse(text.as_bytes(), "r.txt").unwrap();
        assert!(denies(&list, &json!({"sub": "u99999"})).is_some());
        assert_eq!(denies(&list, &json!({"sub": "u100000"})), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(jti|user|before|[\"#a 2026:TZ\\\\]){0,20}") {
            let _ = Revoked::parse(text.as_bytes(), "r.txt");
        }
    }
}
