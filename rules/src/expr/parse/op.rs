//! What is asked of a value: the operator and its right side.

use super::super::fault::{Fault, Outcome, Span};
use super::super::literal::{integer, item, literal};
use super::super::syntax::{Base, Item, Literal, Op, Order, Value};
use super::Parser;

/// The operators that put two values in order, by word and symbol.
const ORDERS: [(&str, &str, Order); 6] = [
    ("eq", "==", Order::Equal),
    ("ne", "!=", Order::Unequal),
    ("le", "<=", Order::LessOrEqual),
    ("lt", "<", Order::Less),
    ("ge", ">=", Order::GreaterOrEqual),
    ("gt", ">", Order::Greater),
];

/// Every operator's word.
const WORDS: [&str; 12] =
    ["eq", "ne", "le", "lt", "ge", "gt", "contains", "matches", "wildcard", "strict", "in", "bitwise_and"];

impl Parser<'_> {
    /// The operator behind `value`; nothing, if it stands alone.
    pub(super) fn op(&mut self, value: &Value) -> Outcome<Option<(Op, Span)>> {
        self.cursor.skip_blanks();
        let start = self.cursor.at();
        let word = self.cursor.peek_word();
        let op = if let Some((.., order)) = ORDERS.iter().find(|(word_of, symbol, _)| {
            word == *word_of && self.cursor.eat(word) || word.is_empty() && self.cursor.eat(symbol)
        }) {
            let (literal, span) = self.right(literal)?;
            Op::Order(*order, literal, span)
        } else {
            match word {
                "contains" => Op::Contains(self.words(&["contains"])?.0),
                "matches" => self.matches(word)?,
                "wildcard" => self.wildcard(&["wildcard"], false)?,
                "strict" => self.wildcard(&["strict", "wildcard"], true)?,
                "in" => self.among()?,
                "bitwise_and" => self.bits(word)?,
                "" if self.cursor.rest().starts_with('~') => self.matches("~")?,
                "" if self.cursor.rest().starts_with('&') && !self.cursor.rest().starts_with("&&") => {
                    self.bits("&")?
                }
                "" if self.cursor.rest().starts_with('=') => {
                    return Err(
                        Fault::new(self.cursor.here(), "`=` is no operator").remedy("write `eq` or `==`")
                    );
                }
                "" | "and" | "or" | "xor" => return Ok(None),
                _ => return Err(self.no_op(value, word)),
            }
        };
        Ok(Some((op, self.cursor.span(start))))
    }

    /// What stands on the right, after blanks.
    fn right<T>(&mut self, read: impl FnOnce(&mut super::Cursor<'_>) -> Outcome<T>) -> Outcome<T> {
        self.cursor.skip_blanks();
        read(&mut self.cursor)
    }

    /// The operator's words, and the text on its right.
    fn words(&mut self, words: &[&str]) -> Outcome<(Vec<u8>, Span)> {
        for word in words {
            self.cursor.skip_blanks();
            if self.cursor.peek_word() != *word {
                return Err(Fault::new(self.cursor.here(), format!("`{}` is one operator", words.join(" "))));
            }
            self.cursor.eat(word);
        }
        self.right(|cursor| match literal(cursor)? {
            (Literal::Text(text), span) => Ok((text, span)),
            (_, span) => Err(Fault::new(span, format!("`{}` takes a text", words.join(" ")))
                .remedy("write it in double quotes")),
        })
    }

    fn wildcard(&mut self, words: &[&str], strict: bool) -> Outcome<Op> {
        let (pattern, span) = self.words(words)?;
        Ok(Op::Wildcard { pattern, strict, span })
    }

    fn matches(&mut self, token: &str) -> Outcome<Op> {
        self.cursor.eat(token);
        self.right(|cursor| {
            let start = cursor.at();
            if !cursor.at_text() {
                return Err(Fault::new(
                    cursor.here(),
                    "`matches` takes a regular expression in double quotes",
                ));
            }
            let pattern = cursor.pattern()?;
            Ok(Op::Matches(pattern, cursor.span(start)))
        })
    }

    fn bits(&mut self, token: &str) -> Outcome<Op> {
        self.cursor.eat(token);
        self.right(|cursor| match literal(cursor)? {
            (Literal::Integer(bits), _) => Ok(Op::Bits(bits)),
            (_, span) => Err(Fault::new(span, "`bitwise_and` takes a number")),
        })
        .map_err(|fault| match token {
            "&" => fault.remedy("`&` looks at the bits of a number; `and` or `&&` joins comparisons"),
            _ => fault,
        })
    }

    fn among(&mut self) -> Outcome<Op> {
        self.cursor.eat("in");
        self.cursor.skip_blanks();
        let open = self.cursor.at();
        if self.cursor.eat("$") {
            return self.list_name(open);
        }
        if !self.cursor.eat("{") {
            let fault = Fault::new(self.cursor.here(), "`in` takes a set in braces or the name of a list");
            return Err(fault.remedy("write `in {…}`, with blanks between the items, or `in $name`"));
        }
        let mut items: Vec<(Item, Span)> = Vec::new();
        loop {
            self.cursor.skip_blanks();
            if self.cursor.eat("}") {
                return Ok(Op::Among(items));
            }
            if self.cursor.rest().is_empty() {
                return Err(Fault::new(open..open + 1, "the set is not closed").remedy("add `}`"));
            }
            items.push(item(&mut self.cursor)?);
        }
    }

    fn list_name(&mut self, start: usize) -> Outcome<Op> {
        let name = self.cursor.run(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | '.' | '-'));
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.');
        let sound =
            name.bytes().all(fits) && !name.starts_with('.') && !name.ends_with('.') && !name.is_empty();
        if !sound {
            let fault =
                Fault::new(self.cursor.span(start), format!("`${name}` cannot be the name of a list"));
            return Err(fault.remedy("a list's name has lower-case letters, digits and `_`"));
        }
        Ok(Op::Listed(name.to_owned(), self.cursor.span(start)))
    }

    /// A word stands where an operator should.
    fn no_op(&self, value: &Value, word: &str) -> Fault {
        let here = self.cursor.here();
        let span = here.start..here.start + word.len();
        let low = word.to_ascii_lowercase();
        let left = match &value.base {
            Base::Field(name) => name.as_str(),
            Base::Call { .. } => "…",
        };
        if low != word && (WORDS.contains(&low.as_str()) || matches!(low.as_str(), "and" | "or" | "xor")) {
            let fault = Fault::new(span, "operators are written in lower case");
            return fault.remedy(format!("write `{low}`"));
        }
        let fault = Fault::new(span.clone(), format!("`{word}` is no operator"));
        match low.as_str() {
            "starts_with" | "ends_with" => {
                Fault::new(span, format!("`{word}` is a function, not an operator"))
                    .remedy(format!("write `{word}({left}, \"…\")`"))
            }
            "len" | "lower" | "upper" | "any" | "all" => {
                Fault::new(span, format!("`{word}` is a function, not an operator"))
                    .remedy(format!("write `{word}({left})`"))
            }
            "not" => fault.remedy(format!("`not` stands before the comparison: `not {left} in {{…}}`")),
            "is" | "equals" | "equal" => fault.remedy("write `eq`"),
            "startswith" => fault.remedy(format!("write `starts_with({left}, \"…\")`")),
            "endswith" => fault.remedy(format!("write `ends_with({left}, \"…\")`")),
            "like" | "glob" => fault.remedy("write `wildcard`, with `*` for any run of characters"),
            "regex" | "match" => fault.remedy("write `matches`"),
            "includes" | "contain" | "has" => fault.remedy("write `contains`"),
            _ if integer(word, &span).is_ok() => Fault::new(span, "an operator is missing before this number"),
            _ => fault.remedy(
                "the operators are eq, ne, lt, le, gt, ge, contains, matches, wildcard, strict wildcard, in and \
                 bitwise_and; `and`, `or` and `xor` join comparisons",
            ),
        }
    }
}
