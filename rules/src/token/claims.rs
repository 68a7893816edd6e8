//! What a verified token says, and where in it to look.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

/// The claims of a verified token. `Debug` prints their names only: the values are personal.
#[derive(Clone, PartialEq)]
pub struct Claims {
    object: Map<String, Value>,
    exp: i64,
}

impl Claims {
    /// Claims that somebody vouches for: a verifier, or a test that speaks for a user.
    pub fn new(object: Map<String, Value>, exp: i64) -> Self {
        Self { object, exp }
    }

    /// When they expire, in Unix seconds, without leeway.
    pub fn exp(&self) -> i64 {
        self.exp
    }

    /// All of them.
    pub fn object(&self) -> &Map<String, Value> {
        &self.object
    }

    /// The value at `path`.
    pub fn get(&self, path: &ClaimPath) -> Option<&Value> {
        let mut found = self.object.get(&path.name)?;
        for step in &path.steps {
            found = match found {
                Value::Object(object) => object.get(step)?,
                Value::Array(list) => list.get(index(step)?)?,
                _ => return None,
            };
        }
        Some(found)
    }

    /// Roles or scopes: a list of strings, or one string with spaces between (RFC 6749, 3.3). `None` when
    /// the claim is absent.
    ///
    /// # Errors
    /// Anything else is unreadable, and a caller should refuse: half a list is not a smaller list of rights.
    pub fn strings(&self, path: &ClaimPath) -> Result<Option<Vec<&str>>, Unreadable> {
        match self.get(path) {
            None => Ok(None),
            Some(Value::String(several)) => {
                Ok(Some(several.split(' ').filter(|one| !one.is_empty()).collect()))
            }
            Some(Value::Array(list)) => list
                .iter()
                .map(|item| item.as_str().ok_or(Unreadable))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(Unreadable),
        }
    }

    /// A user or tenant: a string that is not empty, or a whole number as its digits. `None` when absent.
    ///
    /// # Errors
    /// Anything else is unreadable, and a caller should refuse.
    pub fn text(&self, path: &ClaimPath) -> Result<Option<Cow<'_, str>>, Unreadable> {
        match self.get(path) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(Cow::Borrowed(text))),
            Some(Value::Number(number)) if !number.is_f64() => Ok(Some(Cow::Owned(number.to_string()))),
            Some(_) => Err(Unreadable),
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.object.keys().collect();
        f.debug_struct("Claims")
            .field("names", &names)
            .field("exp", &self.exp)
            .finish()
    }
}

/// The claim is there, but not in a form that can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claim is there, but has a type that cannot be understood")
    }
}

impl std::error::Error for Unreadable {}

/// Where a claim is: a top-level name as it stands (`https://example.com/roles` is one), or, beginning with
/// a slash, a JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimPath {
    name: String,
    steps: Vec<String>,
}

impl ClaimPath {
    /// Reads a path.
    ///
    /// # Errors
    /// When it is empty or an escape in the pointer is neither `~0` nor `~1`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(pointer) = text.strip_prefix('/') else {
            if text.is_empty() {
                return Err("a claim needs a name, or a JSON pointer such as /realm_access/roles");
            }
            return Ok(Self {
                name: text.to_owned(),
                steps: Vec::new(),
            });
        };
        let mut steps = pointer.split('/').map(unescape);
        let name = steps.next().unwrap_or(Err(BAD_ESCAPE))?;
        Ok(Self {
            name,
            steps: steps.collect::<Result<_, _>>()?,
        })
    }
}

const BAD_ESCAPE: &str = "in a JSON pointer `~` is written ~0 and `/` in a name ~1";

fn unescape(step: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(step.len());
    let mut characters = step.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '~' => match characters.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(BAD_ESCAPE),
            },
            other => other,
        });
    }
    Ok(plain)
}

/// RFC 6901, 4: digits without a leading zero.
fn index(step: &str) -> Option<usize> {
    let canonical = step == "0" || !step.starts_with(['0', '+']);
    canonical.then(|| step.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims() -> Claims {
        let Value::Object(object) = json!({
            "sub": "u1", "org": 42, "ratio": 1.5, "empty": "", "none": null,
            "roles": ["admin", "user"], "mixed": ["admin", 1], "nested": [["admin"]], "scope": " read  write ",
            "https://example.com/roles": ["owner"],
            "realm_access": {"roles": ["a"], "a/b": {"~": "deep"}},
        }) else {
            unreachable!()
        };
        Claims::new(object, 7)
    }

    #[test]
    fn paths_are_names_or_pointers() {
        let claims = claims();
        for (path, value) in [
            ("sub", json!("u1")),
            ("/sub", json!("u1")),
            ("https://example.com/roles", json!(["owner"])),
            ("/realm_access/roles/0", json!("a")),
            ("/realm_access/a~1b/~0", json!("deep")),
        ] {
            assert_eq!(
                claims.get(&ClaimPath::parse(path).unwrap()),
                Some(&value),
                "{path}"
            );
        }
        for path in [
            "nope",
            "/realm_access/nope",
            "/roles/00",
            "/roles/+1",
            "/roles/2",
            "/roles/-",
            "/sub/0",
            "/",
        ] {
            assert_eq!(claims.get(&ClaimPath::parse(path).unwrap()), None, "{path}");
        }
        for path in ["", "/a~", "/a~2", "/a/~b"] {
            assert!(ClaimPath::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn lists_are_strings_or_unreadable() {
        let claims = claims();
        let strings = |path| claims.strings(&ClaimPath::parse(path).unwrap());
        assert_eq!(strings("roles"), Ok(Some(vec!["admin", "user"])));
        assert_eq!(strings("scope"), Ok(Some(vec!["read", "write"])));
        assert_eq!(strings("empty"), Ok(Some(vec![])));
        assert_eq!(strings("absent"), Ok(None));
        for path in ["org", "mixed", "nested", "none", "realm_access"] {
            assert_eq!(strings(path), Err(Unreadable), "{path}");
        }
    }

    #[test]
    fn a_user_is_a_string_or_a_whole_number() {
        let claims = claims();
        let text = |path| claims.text(&ClaimPath::parse(path).unwrap());
        assert_eq!(text("sub"), Ok(Some("u1".into())));
        assert_eq!(text("org"), Ok(Some("42".into())));
        assert_eq!(text("absent"), Ok(None));
        for path in ["ratio", "empty", "none", "roles", "realm_access"] {
            assert_eq!(text(path), Err(Unreadable), "{path}");
        }
    }

    #[test]
    fn values_are_not_printed() {
        let printed = format!("{:?}", claims());
        assert!(printed.contains("sub") && !printed.contains("u1"), "{printed}");
    }
}
