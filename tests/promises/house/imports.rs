//! Which paths a source file names: in `use`, with nested braces, and inline.
//!
//! Not a Rust parser: just enough of one to tell paths from comments, strings and tests.

/// A path that a file names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// From the crate's root for `crate::`, `self::` and `super::`, with `crate` first; otherwise as written.
    pub(super) path: Vec<String>,
    /// The line, from 1.
    pub(super) line: usize,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The paths that its code names; what stands under `#[cfg(test)]` is left out.
    pub(super) named: Vec<Named>,
    /// The modules that it declares for tests only.
    pub(super) test_modules: Vec<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Sep,
    Sign(char),
}

/// Reads the text of the module at `module`.
pub(super) fn read(text: &str, module: &[String]) -> Reading {
    let mut walk = Walk {
        tokens: tokens(text),
        at: 0,
        module: module.to_vec(),
        inline: Vec::new(),
        depth: 0,
        out: Reading::default(),
    };
    while walk.at < walk.tokens.len() {
        walk.step();
    }
    walk.out
}

struct Walk {
    tokens: Vec<(Token, usize)>,
    at: usize,
    module: Vec<String>,
    /// The depths at which inline modules were opened.
    inline: Vec<usize>,
    depth: usize,
    out: Reading,
}

impl Walk {
    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(token, _)| token)
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        match self.peek(ahead) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn sign(&self, ahead: usize, sign: char) -> bool {
        self.peek(ahead) == Some(&Token::Sign(sign))
    }

    fn step(&mut self) {
        if self.sign(0, '#') && self.sign(1, '[') {
            if self.for_tests() { self.skip_item() } else { self.at += 2 }
        } else if self.word(0) == Some("use") && !self.sign(1, '<') {
            self.at += 1;
            self.tree(&[]);
        } else if self.word(0) == Some("mod") && self.word(1).is_some() && self.sign(2, '{') {
            self.module.extend(self.word(1).map(str::to_owned));
            self.inline.push(self.depth);
            self.depth += 1;
            self.at += 3;
        } else if self.word(0).is_some() && self.peek(1) == Some(&Token::Sep) {
            self.inline_path();
        } else {
            if self.sign(0, '{') {
                self.depth += 1;
            } else if self.sign(0, '}') {
                self.depth = self.depth.saturating_sub(1);
                if self.inline.last() == Some(&self.depth) {
                    self.inline.pop();
                    self.module.pop();
                }
            }
            self.at += 1;
        }
    }

    /// Whether the attribute here is `cfg(test)` or `cfg(all(test, …))`.
    fn for_tests(&self) -> bool {
        let inside = self
            .tokens
            .iter()
            .skip(self.at + 2)
            .map(|(token, _)| token)
            .take_while(|token| **token != Token::Sign(']'));
        let words: Vec<&str> = inside
            .filter_map(|token| if let Token::Word(word) = token { Some(word.as_str()) } else { None })
            .collect();
        words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not")
    }

    /// Past the attribute and the item that it stands on.
    fn skip_item(&mut self) {
        let mut depth = 0_usize;
        let mut in_attribute = true;
        while let Some((token, _)) = self.tokens.get(self.at) {
            if depth == 0 && !in_attribute {
                if self.sign(0, '#') && self.sign(1, '[') {
                    in_attribute = true;
                } else if self.word(0) == Some("mod") && self.sign(2, ';') {
                    let name = self.word(1).map(str::to_owned);
                    self.out.test_modules.push(self.module.iter().cloned().chain(name).collect());
                }
            }
            let token = token.clone();
            self.at += 1;
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(close @ (')' | ']' | '}')) => {
                    if depth == 0 {
                        self.at -= 1;
                        return;
                    }
                    depth -= 1;
                    if depth == 0 && close == ']' && in_attribute {
                        in_attribute = false;
                    } else if depth == 0 && close == '}' {
                        return;
                    }
                }
                Token::Sign(';') if depth == 0 => return,
                _ => {}
            }
        }
    }

    /// One branch of a `use`.
    fn tree(&mut self, prefix: &[String]) {
        let line = self.tokens.get(self.at).map_or(0, |(_, line)| *line);
        if self.peek(0) == Some(&Token::Sep) {
            self.at += 1;
        }
        let mut path = prefix.to_vec();
        while let Some(word) = self.word(0).map(str::to_owned) {
            path.push(word);
            self.at += 1;
            if self.peek(0) != Some(&Token::Sep) {
                break;
            }
            self.at += 1;
        }
        if self.sign(0, '{') {
            self.at += 1;
            while !self.sign(0, '}') && self.at < self.tokens.len() {
                let before = self.at;
                self.tree(&path);
                if self.sign(0, ',') || self.at == before {
                    self.at += 1;
                }
            }
            self.at += 1;
            return;
        }
        if self.sign(0, '*') {
            self.at += 1;
        }
        if self.word(0) == Some("as") {
            self.at += 2;
        }
        self.name(path, line);
    }

    fn inline_path(&mut self) {
        let line = self.tokens[self.at].1;
        let mut path = Vec::new();
        while let Some(word) = self.word(0).map(str::to_owned) {
            path.push(word);
            self.at += 1;
            if self.peek(0) != Some(&Token::Sep) {
                break;
            }
            self.at += 1;
        }
        self.name(path, line);
    }

    fn name(&mut self, path: Vec<String>, line: usize) {
        let (mut full, mut rest) = match path.first().map(String::as_str) {
            Some("self" | "super") => (self.module.clone(), path.as_slice()),
            _ => return self.out.named.push(Named { path, line }),
        };
        while let [first, tail @ ..] = rest {
            match first.as_str() {
                "self" => {}
                "super" => drop(full.pop()),
                _ => break,
            }
            rest = tail;
        }
        let path = ["crate".to_owned()].into_iter().chain(full).chain(rest.iter().cloned()).collect();
        self.out.named.push(Named { path, line });
    }
}

/// Words, `::` and signs, without comments, strings and characters.
fn tokens(text: &str) -> Vec<(Token, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let get = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let (mut out, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let from = at;
        match get(at) {
            '/' if get(at + 1) == '/' => {
                while at < chars.len() && get(at) != '\n' {
                    at += 1;
                }
            }
            '/' if get(at + 1) == '*' => at = past_comment(&chars, at),
            '"' => at = past_string(&chars, at),
            '\'' if get(at + 1) == '\\' => {
                at += 3;
                while at < chars.len() && get(at) != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if get(at + 2) == '\'' => at += 3,
            ':' if get(at + 1) == ':' => {
                out.push((Token::Sep, line));
                at += 2;
            }
            c if c.is_alphanumeric() || c == '_' => {
                while get(at).is_alphanumeric() || get(at) == '_' {
                    at += 1;
                }
                let word: String = chars[from..at].iter().collect();
                let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
                let prefix = ["r", "b", "br", "c", "cr"].contains(&word.as_str());
                if prefix && get(at + hashes) == '"' && (hashes == 0 || word.contains('r')) {
                    at = if word.contains('r') {
                        past_raw(&chars, at + hashes, hashes)
                    } else {
                        past_string(&chars, at)
                    };
                } else {
                    out.push((Token::Word(word), line));
                }
            }
            c => {
                if !c.is_whitespace() {
                    out.push((Token::Sign(c), line));
                }
                at += 1;
            }
        }
        line += chars[from..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    out
}

fn past_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    break;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn past_string(chars: &[char], at: usize) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn past_raw(chars: &[char], at: usize, hashes: usize) -> usize {
    let mut at = at + 1;
    while at < chars.len() {
        let end =
            chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        at += 1;
        if end {
            return at + hashes;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let module = ["a".to_owned(), "b".to_owned()];
        read(text, &module).named.iter().map(|named| named.path.join("::")).collect()
    }

    #[test]
    fn every_form_of_a_path_is_found() {
        assert_eq!(
            paths("use crate::x::{self, y::{Z, w as v}, *};"),
            ["crate::x::self", "crate::x::y::Z", "crate::x::y::w", "crate::x"]
        );
        assert_eq!(
            paths("fn f(x: &crate::c::D) -> Vec<crate::e::F> { crate::g::h::<u8>(x) }"),
            ["crate::c::D", "crate::e::F", "crate::g::h"]
        );
        assert_eq!(
            paths("use super::c; use super::super::d; use self::e;"),
            ["crate::a::c", "crate::d", "crate::a::b::e"]
        );
        assert_eq!(paths("mod m { use super::c; } use super::d;"), ["crate::a::b::c", "crate::a::d"]);
        assert_eq!(paths("pub(in crate::x) use ::std::fmt;"), ["crate::x", "std::fmt"]);
    }

    #[test]
    fn comments_strings_and_tests_name_nothing() {
        let quiet = r##"
            // crate::a /* crate::b
            /* crate::c /* crate::d */ crate::e */
            const S: &str = "crate::f \" crate::g"; const R: &str = r#"crate::h " crate::i"#;
            const C: [char; 3] = ['"', '\'', 'x']; fn f<'a>(_: &'a str) {}
            #[cfg(test)] use crate::j::K;
            #[cfg(test)] #[path = "x.rs"] mod l;
            #[cfg(test)] mod m { use crate::n; fn o() { crate::p::q([1; 2]) } }
            #[cfg(all(test, unix))] fn r() -> [u8; 2] { crate::s::t() }
        "##;
        assert_eq!(paths(quiet), Vec::<String>::new());
        assert_eq!(read(quiet, &[]).test_modules, [["l"]]);
        assert_eq!(paths("#[cfg(test)] mod m {} use crate::x;"), ["crate::x"]);
        assert_eq!(paths("#[cfg(not(test))] use crate::x;"), ["crate::x"]);
    }
}
