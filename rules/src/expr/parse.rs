//! From text to syntax, by recursive descent: `or` binds loosest, then `xor`, `and`, `not`.

use super::fault::{Fault, Outcome};
use super::lex::Cursor;
use super::literal::literal;
use super::syntax::{Argument, Base, Compare, Expr, Step, Value};

mod op;

/// How deep parentheses, calls and `not` may nest.
pub(super) const DEEPEST: usize = 128;
/// How long an expression may be, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;

/// Reads a whole expression that is true or false.
pub(super) fn condition(text: &str) -> Outcome<Expr> {
    whole(text, Parser::expr)
}

/// Reads a whole expression that stands for a value, a literal included.
pub(super) fn formula(text: &str) -> Outcome<Argument> {
    whole(text, Parser::argument)
}

fn whole<'t, T>(text: &'t str, read: impl FnOnce(&mut Parser<'t>) -> Outcome<T>) -> Outcome<T> {
    if text.len() > LONGEST {
        let message = format!("the expression has {} bytes, and {LONGEST} is the most", text.len());
        // Where it gets too long, though never within a character.
        let from = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        return Err(
            Fault::new(from..text.len(), message).remedy("put long sets into a list, or make it two rules")
        );
    }
    let mut parser = Parser { cursor: Cursor::new(text), depth: 0 };
    parser.cursor.skip_blanks();
    if parser.cursor.rest().is_empty() {
        return Err(Fault::new(parser.cursor.here(), "the expression is empty"));
    }
    let read = read(&mut parser)?;
    parser.cursor.skip_blanks();
    if parser.cursor.rest().is_empty() { Ok(read) } else { Err(parser.leftover()) }
}

struct Parser<'t> {
    cursor: Cursor<'t>,
    depth: usize,
}

/// Operators that join, by their word and their symbol.
const OR: [&str; 2] = ["or", "||"];
const XOR: [&str; 2] = ["xor", "^^"];
const AND: [&str; 2] = ["and", "&&"];

impl Parser<'_> {
    fn expr(&mut self) -> Outcome<Expr> {
        self.joined(OR, Expr::Or, |parser| {
            parser.joined(XOR, Expr::Xor, |parser| parser.joined(AND, Expr::And, Self::unary))
        })
    }

    fn joined(
        &mut self,
        by: [&str; 2],
        join: fn(Vec<Expr>) -> Expr,
        mut read: impl FnMut(&mut Self) -> Outcome<Expr>,
    ) -> Outcome<Expr> {
        let first = read(self)?;
        let mut rest = Vec::new();
        while self.joint(by) {
            rest.push(read(self)?);
        }
        if rest.is_empty() {
            return Ok(first);
        }
        rest.insert(0, first);
        Ok(join(rest))
    }

    fn joint(&mut self, [word, symbol]: [&str; 2]) -> bool {
        self.cursor.skip_blanks();
        self.cursor.eat(symbol) || self.cursor.peek_word() == word && self.cursor.eat(word)
    }

    /// Goes one level down for `read`.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        if self.depth == DEEPEST {
            let message = format!("the expression nests deeper than {DEEPEST} levels");
            return Err(Fault::new(self.cursor.here(), message));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn unary(&mut self) -> Outcome<Expr> {
        self.cursor.skip_blanks();
        let start = self.cursor.at();
        if self.cursor.eat("(") {
            return self.nested(|parser| {
                let expr = parser.expr()?;
                parser.close(start)?;
                Ok(expr)
            });
        }
        let word = self.cursor.peek_word();
        match word {
            "not" => self.cursor.eat("not"),
            _ if word.is_empty() && self.cursor.eat("!") => true,
            "true" | "false" => {
                self.cursor.eat(word);
                return Ok(Expr::Constant(word == "true"));
            }
            "any" | "all" => return self.quantified(word, start),
            _ => return self.compare().map(Expr::Compare),
        };
        self.nested(|parser| Ok(Expr::Not(Box::new(parser.unary()?))))
    }

    fn quantified(&mut self, word: &str, start: usize) -> Outcome<Expr> {
        self.cursor.eat(word);
        let named = self.cursor.span(start);
        self.cursor.skip_blanks();
        let open = self.cursor.at();
        if !self.cursor.eat("(") {
            let fault = Fault::new(named, format!("`{word}` is a function"));
            return Err(fault.remedy(format!("write `{word}(field[*] eq \"…\")`")));
        }
        self.nested(|parser| {
            let of = parser.expr()?;
            parser.close(open)?;
            Ok(Expr::Quantified { all: word == "all", of: Box::new(of), span: parser.cursor.span(start) })
        })
    }

    /// The parenthesis that ends what began with the one at `open`.
    fn close(&mut self, open: usize) -> Outcome<()> {
        self.cursor.skip_blanks();
        if self.cursor.eat(")") {
            return Ok(());
        }
        if self.cursor.rest().is_empty() {
            return Err(Fault::new(open..open + 1, "the parenthesis is not closed").remedy("add `)`"));
        }
        Err(self.leftover())
    }

    fn compare(&mut self) -> Outcome<Compare> {
        let value = self.value()?;
        let op = self.op(&value)?;
        Ok(Compare { value, op })
    }

    fn value(&mut self) -> Outcome<Value> {
        self.cursor.skip_blanks();
        let start = self.cursor.at();
        if self.cursor.at_text() {
            let (_, span) = literal(&mut self.cursor)?;
            return Err(Fault::new(span, "a literal cannot stand on the left")
                .remedy("begin with a field, as in `http.host eq \"example.com\"`"));
        }
        let name = self.cursor.word().to_owned();
        let name_span = self.cursor.span(start);
        if name.is_empty() {
            return Err(self.no_value());
        }
        if matches!(name.as_str(), "and" | "or" | "xor" | "in" | "eq") {
            return Err(Fault::new(name_span, format!("`{name}` stands where a field is missing")));
        }
        let ahead = self.cursor.rest().trim_start_matches([' ', '\t', '\r', '\n']);
        let base = if ahead.starts_with('(') {
            self.cursor.skip_blanks();
            let arguments = self.nested(Self::arguments)?;
            Base::Call { name, name_span, arguments, span: self.cursor.span(start) }
        } else {
            Base::Field(name)
        };
        let steps = self.steps()?;
        Ok(Value { base, steps, span: self.cursor.span(start) })
    }

    fn no_value(&self) -> Fault {
        match self.cursor.peek() {
            None => Fault::new(self.cursor.here(), "the expression ends where a comparison is missing"),
            Some('$') => Fault::new(self.cursor.here(), "a list cannot stand on the left")
                .remedy("write `ip.src in $name`"),
            Some('#') => Fault::new(self.cursor.here(), "there are no comments within an expression"),
            Some(other) => {
                Fault::new(self.cursor.here(), format!("`{other}` cannot stand where a field is missing"))
            }
        }
    }

    fn arguments(&mut self) -> Outcome<Vec<Argument>> {
        let open = self.cursor.at();
        self.cursor.eat("(");
        let mut arguments = Vec::new();
        self.cursor.skip_blanks();
        if self.cursor.eat(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.argument()?);
            self.cursor.skip_blanks();
            if !self.cursor.eat(",") {
                self.close(open)?;
                return Ok(arguments);
            }
        }
    }

    fn argument(&mut self) -> Outcome<Argument> {
        self.cursor.skip_blanks();
        let word = self.cursor.peek_word();
        let named = word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        // An IPv6 address may begin with a letter.
        let field = named && !matches!(word, "true" | "false") && !self.cursor.at_text();
        if field && !self.cursor.rest().strip_prefix(word).is_some_and(|rest| rest.starts_with(':')) {
            return self.value().map(Argument::Value);
        }
        if self.cursor.rest().starts_with(')') {
            return Err(Fault::new(self.cursor.here(), "an argument is missing here"));
        }
        let (literal, span) = literal(&mut self.cursor)?;
        Ok(Argument::Literal(literal, span))
    }

    fn steps(&mut self) -> Outcome<Vec<(Step, std::ops::Range<usize>)>> {
        let mut steps = Vec::new();
        loop {
            let start = self.cursor.at();
            if !self.cursor.eat("[") {
                return Ok(steps);
            }
            self.cursor.skip_blanks();
            let step = self.step()?;
            self.cursor.skip_blanks();
            if !self.cursor.eat("]") {
                return Err(Fault::new(start..start + 1, "the bracket is not closed").remedy("add `]`"));
            }
            steps.push((step, self.cursor.span(start)));
        }
    }

    fn step(&mut self) -> Outcome<Step> {
        if self.cursor.eat("*") {
            return Ok(Step::Each);
        }
        if self.cursor.at_text() {
            return self.cursor.text().map(Step::Key);
        }
        let start = self.cursor.at();
        let token = self.cursor.run(|next| next.is_ascii_alphanumeric() || matches!(next, '-' | '_' | '.'));
        let number = token.parse().ok().filter(|_| token.bytes().all(|digit| digit.is_ascii_digit()));
        let remedy = if token.starts_with('-') {
            "items are counted from 0, and only forwards"
        } else {
            "write `[0]` for an item, `[\"name\"]` for a key, `[*]` for each"
        };
        number.map(Step::Item).ok_or_else(|| {
            let span = if token.is_empty() { self.cursor.here() } else { self.cursor.span(start) };
            Fault::new(span, "brackets hold a number, a text or `*`").remedy(remedy)
        })
    }

    /// What is wrong with what comes after something complete.
    fn leftover(&self) -> Fault {
        let here = self.cursor.here();
        let word = self.cursor.peek_word();
        let span = if word.is_empty() { here } else { here.start..here.start + word.len() };
        match (word, self.cursor.peek()) {
            ("AND" | "OR" | "XOR" | "NOT" | "And" | "Or" | "Xor" | "Not", _) => {
                Fault::new(span, "operators are written in lower case")
                    .remedy(format!("write `{}`", word.to_ascii_lowercase()))
            }
            ("", Some(')')) => Fault::new(span, "nothing was opened that this parenthesis could close"),
            ("", Some('&' | '|' | '^')) => Fault::new(span, "this is no operator")
                .remedy("write `and`, `or`, `xor`, or `&&`, `||`, `^^`"),
            ("", Some(',')) => Fault::new(span, "a comma stands only between a function's arguments"),
            _ => Fault::new(span, "`and`, `or` or `xor` is missing before this"),
        }
    }
}
