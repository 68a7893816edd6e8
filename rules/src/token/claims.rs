//! What a verified token says, and where in it to look.

use std::fmt;

use serde_json::{Map, Value};

/// The claims of a verified token. `Debug` prints their names only: the values are personal.
#[derive(Clone, PartialEq)]
pub struct Claims {
    object: Map<String, Value>,
    from: i64,
    until: i64,
}

impl Claims {
    /// Claims that somebody vouches for: a verifier, or a test that speaks for a user. They hold from `from`, and
    /// no longer at `until` (Unix seconds, leeway included).
    pub fn new(object: Map<String, Value>, from: i64, until: i64) -> Self {
        Self { object, from, until }
    }

    /// The first second in which they hold.
    pub fn from(&self) -> i64 {
        self.from
    }

    /// The first second in which they no longer do.
    pub fn until(&self) -> i64 {
        self.until
    }

    /// All of them.
    pub fn object(&self) -> &Map<String, Value> {
        &self.object
    }

    /// All of them, for whoever keeps them.
    pub fn into_object(self) -> Map<String, Value> {
        self.object
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.object.keys().collect();
        f.debug_struct("Claims")
            .field("names", &names)
            .field("from", &self.from)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

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
            return Ok(Self { name: text.to_owned(), steps: Vec::new() });
        };
        let mut steps = pointer.split('/').map(unescape);
        let name = steps.next().unwrap_or(Err(BAD_ESCAPE))?;
        Ok(Self { name, steps: steps.collect::<Result<_, _>>()? })
    }

    /// The value there.
    pub fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let mut found = claims.get(&self.name)?;
        for step in &self.steps {
            found = match found {
                Value::Object(object) => object.get(step)?,
                Value::Array(list) => list.get(index(step)?)?,
                _ => return None,
            };
        }
        Some(found)
    }

    /// Writes a value there, making the objects on the way: for tests that speak for a user.
    pub fn put(&self, claims: &mut Map<String, Value>, value: Value) {
        let mut names = std::iter::once(&self.name).chain(&self.steps).peekable();
        let mut object = claims;
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                object.insert(name.clone(), value);
                return;
            }
            let next = object.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = next else { return };
            object = inner;
        }
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.steps.iter().try_for_each(|step| write!(f, "/{step}"))
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
        Claims::new(object, 0, 7)
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
            assert_eq!(ClaimPath::parse(path).unwrap().find(claims.object()), Some(&value), "{path}");
        }
        for path in
            ["nope", "/realm_access/nope", "/roles/00", "/roles/+1", "/roles/2", "/roles/-", "/sub/0", "/"]
        {
            assert_eq!(ClaimPath::parse(path).unwrap().find(claims.object()), None, "{path}");
        }
        for path in ["", "/a~", "/a~2", "/a/~b"] {
            assert!(ClaimPath::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn what_is_put_is_found() {
        for path in ["sub", "/realm_access/roles", "/a/b/c"] {
            let path = ClaimPath::parse(path).unwrap();
            let mut claims = Map::new();
            path.put(&mut claims, json!("x"));
            assert_eq!(path.find(&claims), Some(&json!("x")));
        }
    }

    #[test]
    fn values_are_not_printed() {
        let printed = format!("{:?}", claims());
        assert!(printed.contains("sub") && !printed.contains("u1"), "{printed}");
    }
}
