//! A route's `match:` text, parsed.

use std::fmt;
use std::ops::Range;

use http::Method;

use super::captures::MAX_CAPTURES;
use crate::path;

/// The most segments a pattern may have; bounds the walk through the table.
pub const MAX_SEGMENTS: usize = 64;

/// `METHOD /path/{name}/**`: which requests a route is for.
///
/// * Methods: `GET`, several as `GET|POST` or `GET, POST`, or `*` for any. `GET` serves `HEAD` too.
/// * A literal segment is compared decoded; it may be written escaped or not.
/// * `{name}` is one segment that is not empty. Names: `[a-z_][a-z0-9_]*`, each once.
/// * `**`, at the end only, is the rest: any number of segments, none included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub(super) text: String,
    pub(super) methods: Methods,
    pub(super) segments: Vec<Segment>,
    pub(super) rest: bool,
    pub(super) names: Vec<Box<str>>,
}

/// The methods that a pattern names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    /// `*`
    Any,
    /// In alphabetical order, each once. `HEAD` only where it was written.
    These(Vec<Method>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(Box<str>),
    Name,
}

/// Why a pattern cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
    /// Where, in bytes of the pattern's text.
    pub range: Range<usize>,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.remedy)
    }
}

impl std::error::Error for PatternError {}

/// Message and remedy; the caller knows where.
type Wrong = (String, String);

fn wrong<T>(message: impl Into<String>, remedy: impl Into<String>) -> Result<T, Wrong> {
    Err((message.into(), remedy.into()))
}

impl Pattern {
    /// Reads a pattern; the error says where and what to write instead.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        // No method has a slash, so the first one begins the path.
        let (methods_text, path) =
            text.find('/').and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
        let at = |range: Range<usize>| {
            move |(message, remedy): Wrong| PatternError { message, remedy, range: range.clone() }
        };
        outline(text, methods_text, path).map_err(at(0..text.len()))?;
        let methods = parse_methods(methods_text)?;

        let (mut segments, mut names, mut rest) = (Vec::new(), Vec::new(), false);
        let mut start = methods_text.len() + 1;
        for raw in path.split('/').skip(1) {
            let range = start..start + raw.len();
            start = range.end + 1;
            let last = start > text.len();
            let here = at(range);
            match part(raw, last).map_err(&here)? {
                Part::Rest => rest = true,
                Part::Literal(literal) => segments.push(Segment::Literal(literal.into())),
                Part::Name(name) => {
                    admit(name, &names).map_err(&here)?;
                    names.push(name.into());
                    segments.push(Segment::Name);
                }
            }
            if segments.len() > MAX_SEGMENTS {
                let message = format!("a pattern has at most {MAX_SEGMENTS} segments");
                return Err(here((message, "end it earlier with `**`".to_owned())));
            }
        }
        Ok(Self { text: text.to_owned(), methods, segments, rest, names })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether both stand for the same paths, whatever they call what they capture.
    pub fn is_same_path(&self, other: &Self) -> bool {
        self.segments == other.segments && self.rest == other.rest
    }

    /// The methods it names.
    pub fn methods(&self) -> &Methods {
        &self.methods
    }

    /// The names it captures, from the left.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// A path that it matches, escaped: with `value` of each name, and `rest` for `**`.
    pub fn fill<'v>(&self, value: impl Fn(&str) -> &'v str, rest: &str) -> String {
        let mut names = self.names();
        let mut text = String::new();
        for segment in &self.segments {
            text.push('/');
            text.push_str(&path::escaped(match segment {
                Segment::Literal(literal) => literal,
                Segment::Name => names.next().map_or("", &value),
            }));
        }
        if self.rest {
            text.push('/');
            text.push_str(rest);
        }
        text
    }

    /// Whether it captures `name`.
    pub fn captures(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn outline(text: &str, methods: &str, path: &str) -> Result<(), Wrong> {
    if path.is_empty() {
        let words: Vec<_> = text.split_whitespace().collect();
        return match words.as_slice() {
            [.., method, path] => {
                wrong("the path does not begin with a slash", format!("write `{method} /{path}`"))
            }
            _ => wrong("a pattern is a method and a path", "write it as `GET /path`"),
        };
    }
    if methods.trim().is_empty() {
        return wrong("the method is missing", format!("write `GET {path}`, or `* {path}` for any method"));
    }
    if !methods.ends_with(' ') {
        return wrong("there is no space between method and path", format!("write `{methods} {path}`"));
    }
    Ok(())
}

fn parse_methods(text: &str) -> Result<Methods, PatternError> {
    let mut these: Vec<Method> = Vec::new();
    let mut any = false;
    let mut start = 0;
    for raw in text.split(['|', ',']) {
        let token = raw.trim();
        let from = start + raw.len() - raw.trim_start().len();
        start += raw.len() + 1;
        let at = |(message, remedy)| PatternError { message, remedy, range: from..from + token.len() };
        if token == "*" && text.trim() == "*" {
            any = true;
            continue;
        }
        let method = method(token).map_err(at)?;
        if these.contains(&method) {
            return Err(at((format!("the method {method} is there twice"), "write it once".to_owned())));
        }
        these.push(method);
    }
    these.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    Ok(if any { Methods::Any } else { Methods::These(these) })
}

fn method(token: &str) -> Result<Method, Wrong> {
    if token == "*" {
        return wrong(
            "`*` is any method and needs no other beside it",
            "write `*` alone, or name the methods",
        );
    }
    if token.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return wrong("method names are upper case", format!("write `{}`", token.to_ascii_uppercase()));
    }
    match Method::from_bytes(token.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => {
            wrong(format!("{token} is never served"), "leave it out; the gateway answers it with 405")
        }
        Ok(method) => Ok(method),
        Err(_) => {
            wrong(format!("`{token}` is not a method"), "write `GET /path`, `GET|POST /path` or `* /path`")
        }
    }
}

enum Part<'a> {
    Literal(String),
    Name(&'a str),
    Rest,
}

fn part(raw: &str, last: bool) -> Result<Part<'_>, Wrong> {
    if raw == "**" {
        if last {
            return Ok(Part::Rest);
        }
        return wrong("`**` is the rest of the path and stands at the end", "write `{name}` for one segment");
    }
    if let Some(name) = raw.strip_prefix('{').and_then(|raw| raw.strip_suffix('}')) {
        return Ok(Part::Name(name));
    }
    if raw.contains(['{', '}']) {
        return wrong(
            "a capture is a whole segment",
            "write `{name}` between two slashes; a brace itself is `%7B` or `%7D`",
        );
    }
    if raw.contains('*') {
        return wrong(
            "`*` does not stand for a part of the path",
            "write `{name}` for one segment, `**` at the end for the rest; a star itself is `%2A`",
        );
    }
    if raw.contains(['?', '#']) {
        return wrong(
            "only the path is matched",
            "leave the query out; the character itself is `%3F` or `%23`",
        );
    }
    if raw.contains(' ') {
        return wrong("the path has a space", "write it as `%20`, or leave it out");
    }
    if raw.is_empty() && !last {
        return wrong(
            "the path has an empty segment",
            "write one slash: duplicate slashes are merged before matching",
        );
    }
    path::literal(raw).map(Part::Literal).or_else(|why| {
        wrong(
            format!("{why}, and no request with such a path is let in"),
            "write the path as the upstream knows it",
        )
    })
}

fn admit(name: &str, names: &[Box<str>]) -> Result<(), Wrong> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let mut bytes = name.bytes();
    if !bytes.next().is_some_and(plain) || !bytes.all(|byte| plain(byte) || byte.is_ascii_digit()) {
        let remedy = "write lower-case letters, digits and `_`, not beginning with a digit: `{thread_id}`";
        return wrong(format!("`{name}` is not a name"), remedy);
    }
    if names.iter().any(|own| **own == *name) {
        return wrong(format!("`{{{name}}}` is there twice"), "give each capture a name of its own");
    }
    if names.len() >= MAX_CAPTURES {
        return wrong(
            format!("a pattern captures at most {MAX_CAPTURES} segments"),
            "end it earlier with `**`",
        );
    }
    Ok(())
}
