//! The expression language of Cloudflare's rules: conditions over a request, and formulas that make texts of it.
//!
//! An expression is compiled once, when the configuration is read; whatever is wrong with it is said then, with the
//! place in its text. Running it cannot fail. A missing value, such as a header field that is not there, is
//! neither equal nor unequal to anything.
//!
//! ```
//! use std::net::Ipv4Addr;
//!
//! use http::{HeaderMap, Method, Version};
//! use rules::expr::{Condition, Facts, Head, Vocabulary};
//! use rules::lists::Lists;
//!
//! let lists = Lists::new();
//! let vocabulary = Vocabulary { lists: &lists, geo: false, identities: &[], responses: false, bodies: false };
//! let condition =
//!     Condition::compile(r#"http.request.uri.path wildcard "/wp-*" and not ip.src in {10.0.0.0/8}"#, &vocabulary)
//!         .unwrap();
//!
//! let headers = HeaderMap::new();
//! let facts = Facts::new(Head {
//!     path: "/WP-admin/",
//!     ..Head::plain(&Method::GET, "example.com", &headers, Ipv4Addr::new(192, 0, 2, 7).into())
//! });
//! assert!(condition.holds(&facts));
//!
//! let fault = Condition::compile("http.host EQ \"a\"", &vocabulary).unwrap_err();
//! assert_eq!((fault.message.as_str(), fault.span), ("operators are written in lower case", 10..12));
//! ```

use std::borrow::Cow;
use std::fmt;

use self::check::{Checker, Purpose, Typed};
use self::program::{ListNode, Node, Test};
use crate::lists::Lists;

mod check;
mod decode;
mod facts;
mod fault;
mod fields;
mod geo_facts;
mod hmac;
mod index;
mod json;
mod lex;
mod literal;
mod matcher;
mod normalise;
mod parse;
mod pattern;
mod program;
mod replace;
mod suggest;
mod syntax;
mod value;
mod wildcard;

#[cfg(test)]
mod tests;

pub use self::facts::{Body, Facts, Head, Reply};
pub use self::fault::{Fault, Span};
pub use self::geo_facts::{Atlas, Whereabouts};
pub use self::index::{Candidates, Index};
pub use self::normalise::{Normalisation, normalise};

/// What expressions may name where one is compiled.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    /// The lists for `in $name`.
    pub lists: &'a Lists,
    /// Whether it is known where clients are; else such fields are empty.
    pub geo: bool,
    /// The names of the identities, under which claims are found.
    pub identities: &'a [String],
    /// Whether the upstream's answer may be named.
    pub responses: bool,
    /// Whether the body may be named.
    pub bodies: bool,
}

/// When everything that an expression names is known. In the order of a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Once the head was read.
    Head,
    /// Once the route was matched and the caller identified.
    Caller,
    /// Once the body was read.
    Body,
    /// Once the upstream answered.
    Reply,
}

/// An expression that is true or false of a request.
pub struct Condition {
    text: Box<str>,
    test: Test,
    stage: Stage,
    notices: Box<[String]>,
}

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn compile(text: &str, vocabulary: &Vocabulary<'_>) -> Result<Self, Fault> {
        Self::compile_as(text, vocabulary, false)
    }

    fn compile_as(text: &str, vocabulary: &Vocabulary<'_>, lenient: bool) -> Result<Self, Fault> {
        let mut checker = Checker::new(text, vocabulary, Purpose::Condition, lenient);
        let test = checker.condition(&parse::condition(text)?)?;
        let findings = checker.findings();
        Ok(Self { text: text.into(), test, stage: findings.stage, notices: findings.notices.into() })
    }

    /// Whether it is true of a request. What is not known yet counts as missing.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        self.test.holds(facts)
    }

    /// When everything that it names is known.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What whoever wrote it may not have meant: sentences without full stops.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Its text, as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

/// An expression that makes a text of a request.
pub struct Formula {
    text: Box<str>,
    made: Made,
    stage: Stage,
    notices: Box<[String]>,
}

/// What a formula makes its text of.
enum Made {
    One(Node),
    List(ListNode),
}

impl Formula {
    /// Compiles a formula that makes one value: a redirect's target, a path, a header field.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn compile(text: &str, vocabulary: &Vocabulary<'_>) -> Result<Self, Fault> {
        Self::compile_as(text, vocabulary, false, false)
    }

    /// Compiles what requests are counted by: one value, or all of an array, such as those of a header field.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn characteristic(text: &str, vocabulary: &Vocabulary<'_>) -> Result<Self, Fault> {
        Self::compile_as(text, vocabulary, true, false)
    }

    fn compile_as(
        text: &str,
        vocabulary: &Vocabulary<'_>,
        lists: bool,
        lenient: bool,
    ) -> Result<Self, Fault> {
        let mut checker = Checker::new(text, vocabulary, Purpose::Formula, lenient);
        let argument = parse::formula(text)?;
        let made = match checker.formula(&argument)? {
            Typed::One(node, _) => Made::One(node),
            Typed::List(list, _, _) if lists => Made::List(list),
            _ => {
                let fault = Fault::new(argument.span(), "one value is needed, and this has several");
                return Err(fault.remedy("take an item, `[0]`, or make one text of them, `join(…, \",\")`"));
            }
        };
        let findings = checker.findings();
        Ok(Self { text: text.into(), made, stage: findings.stage, notices: findings.notices.into() })
    }

    /// The text for a request: numbers, addresses and what is true or false as `to_string` writes them. Nothing, if
    /// the value is missing, which is something else than empty. Items of an array have a NUL between them.
    pub fn text_of<'f>(&'f self, facts: &'f Facts<'_>) -> Option<Cow<'f, [u8]>> {
        match &self.made {
            Made::One(node) => node.evaluate(facts).map(value::Value::rendered),
            Made::List(list) => {
                let texts = list.evaluate(facts)?.into_iter().map(|item| item.map(value::Value::rendered));
                let mut texts: Vec<_> = texts.map(Option::unwrap_or_default).collect();
                match texts.len() {
                    1 => texts.pop(),
                    _ => Some(Cow::Owned(texts.join(&0))),
                }
            }
        }
    }

    /// When everything that it names is known.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What whoever wrote it may not have meant: sentences without full stops.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Its text, as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Formula").field(&self.text).finish()
    }
}
