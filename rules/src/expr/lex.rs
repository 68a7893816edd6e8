//! Reading an expression's text piece by piece. What a quoted text means depends on where it stands, so nothing cuts
//! the text into tokens beforehand.

use super::fault::{Fault, Outcome, Span};

/// A place in an expression's text from which it is read on.
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// How far it has come, in bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What is still unread.
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// What was read from `start` on.
    pub(super) fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// From `start` to here.
    pub(super) fn span(&self, start: usize) -> Span {
        start..self.at
    }

    /// The next character, or the end: where to point when something is missing.
    pub(super) fn here(&self) -> Span {
        self.at..self.at + self.peek().map_or(0, char::len_utf8)
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Blanks are skipped; a tab is one here, which Cloudflare does not take.
    pub(super) fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    /// Reads `token` if it comes next.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// The run of characters that `fits`; it may be empty.
    pub(super) fn run(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let start = self.at;
        let rest = self.rest();
        self.at += rest.find(|next| !fits(next)).unwrap_or(rest.len());
        self.since(start)
    }

    /// A word: a name with its dots, an operator.
    pub(super) fn word(&mut self) -> &'t str {
        self.run(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | '.'))
    }

    /// The word that comes next, unread.
    pub(super) fn peek_word(&self) -> &'t str {
        Self { text: self.text, at: self.at }.word()
    }

    /// Whether a text comes next, quoted or raw.
    pub(super) fn at_text(&self) -> bool {
        let rest = self.rest();
        let raw = |rest: &str| rest.trim_start_matches('#').starts_with('"');
        rest.starts_with('"') || rest.strip_prefix('r').is_some_and(raw)
    }

    /// A text: quoted with escapes, or raw.
    pub(super) fn text(&mut self) -> Outcome<Vec<u8>> {
        let start = self.at;
        if self.eat("\"") { self.quoted(start) } else { self.raw().map(|raw| raw.as_bytes().to_vec()) }
    }

    fn quoted(&mut self, start: usize) -> Outcome<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let from = self.at;
            match self.next() {
                None => return Err(self.unterminated(start)),
                Some('"') => return Ok(bytes),
                Some('\\') => match self.next() {
                    Some(escaped @ ('"' | '\\')) => bytes.push(escaped as u8),
                    Some('x') => bytes.push(self.digits(from, 2, 16)?),
                    Some('0'..='7') => {
                        self.at -= 1;
                        bytes.push(self.digits(from, 3, 8)?);
                    }
                    None => return Err(self.unterminated(start)),
                    Some(other) => {
                        let fault = Fault::new(self.span(from), format!("`\\{other}` is no escape"));
                        return Err(fault.remedy(
                            "a text has the escapes \\\", \\\\, \\xHH and three octal digits; r\"…\" has none",
                        ));
                    }
                },
                Some(other) => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn unterminated(&self, start: usize) -> Fault {
        Fault::new(self.span(start), "the text has no closing quote")
    }

    /// `count` digits after the escape that began at `from`.
    fn digits(&mut self, from: usize, count: usize, radix: u32) -> Outcome<u8> {
        let digits =
            self.rest().get(..count).filter(|digits| digits.chars().all(|digit| digit.is_digit(radix)));
        let value = digits.and_then(|digits| u8::from_str_radix(digits, radix).ok());
        value.inspect(|_| self.at += count).ok_or_else(|| {
            let want = if radix == 16 { "two hexadecimal digits" } else { "three octal digits up to 377" };
            Fault::new(self.span(from), format!("the escape needs {want}"))
        })
    }

    /// `r"…"`, `r#"…"#` and so on: nothing in it is an escape.
    fn raw(&mut self) -> Outcome<&'t str> {
        let start = self.at;
        self.eat("r");
        let hashes = self.run(|next| next == '#').len();
        if hashes > 255 {
            return Err(Fault::new(self.span(start), "a raw text has at most 255 `#`"));
        }
        self.eat("\"");
        let (from, end) = (self.at, format!("\"{}", "#".repeat(hashes)));
        let Some(length) = self.rest().find(&end) else {
            self.at = self.text.len();
            let fault = Fault::new(self.span(start), "the raw text does not end");
            return Err(fault.remedy(format!("close it with `{end}`")));
        };
        self.at += length;
        let raw = self.since(from);
        self.at += end.len();
        Ok(raw)
    }

    /// A regular expression on the right of `matches`: its backslashes are its own, but for `\"`, and a quote
    /// within brackets does not end it.
    pub(super) fn pattern(&mut self) -> Outcome<String> {
        let start = self.at;
        if !self.eat("\"") {
            return self.raw().map(str::to_owned);
        }
        let (mut pattern, mut bracketed) = (String::new(), false);
        loop {
            match self.next() {
                None => return Err(self.unterminated(start)),
                Some('"') if !bracketed => return Ok(pattern),
                Some('\\') => {
                    let escaped = self.next().ok_or_else(|| self.unterminated(start))?;
                    if bracketed || escaped != '"' {
                        pattern.push('\\');
                    }
                    pattern.push(escaped);
                }
                Some(other) => {
                    bracketed = other == '[' || bracketed && other != ']';
                    pattern.push(other);
                }
            }
        }
    }
}
