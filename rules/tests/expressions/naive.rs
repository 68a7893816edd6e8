//! Random expressions and requests, and a naive interpreter: values are looked up by name in a map, lists are built,
//! patterns are tried one way after the other. It knows the language's reference and nothing of the compiler.
//!
//! Everything random comes from [`Dice`], so that a property test and a fuzzer throw the same ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rules::expr::{Candidates, Condition, Facts, Head, Index, Vocabulary};
use rules::lists::Lists;

mod asks;
mod exprs;
mod texts;

pub(crate) use self::exprs::Expr;

/// Random choices, read from bytes. Once those are used up the first choice is always taken, so that everything ends.
pub(crate) struct Dice<'b>(&'b [u8]);

impl<'b> Dice<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    fn below(&mut self, choices: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % choices
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn text(&mut self, longest: usize) -> String {
        let length = self.below(longest + 1);
        (0..length).map(|_| self.of(&['a', 'b', 'A', 'B', '/', '.', '%', '4', '1', '+'])).collect()
    }

    fn many<T>(&mut self, most: usize, mut throw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(most + 1);
        (0..count).map(|_| throw(self)).collect()
    }
}

/// A request.
#[derive(Debug)]
pub(crate) struct World {
    host: String,
    path: String,
    query: Option<String>,
    headers: Vec<(&'static str, String)>,
    client: IpAddr,
    port: u16,
    secure: bool,
}

/// Names of header fields, and of arguments.
pub(super) const NAMES: [&str; 4] = ["x-a", "x-b", "a", "user-agent"];

impl World {
    pub(crate) fn random(dice: &mut Dice<'_>) -> Self {
        let argument = |dice: &mut Dice<'_>| {
            let value = dice.text(3).replace('+', "");
            let name = dice.of(&NAMES);
            if dice.below(4) == 0 { name.to_owned() } else { format!("{name}={value}") }
        };
        Self {
            host: dice.text(4),
            path: format!("/{}", dice.text(5)),
            query: (dice.below(3) > 0).then(|| dice.many(4, argument).join("&")),
            headers: dice.many(5, |dice| (dice.of(&NAMES), dice.text(4))),
            client: Ipv4Addr::new(10, 0, 0, dice.of(&[0, 1, 2, 3, 200])).into(),
            port: dice.of(&[80, 443, 8080]),
            secure: dice.below(2) == 1,
        }
    }

    /// Every value by the name of its field.
    fn values(&self) -> BTreeMap<&'static str, Value> {
        let text = |text: &str| Value::Text(text.as_bytes().to_vec());
        let query = self.query.clone().unwrap_or_default();
        let uri = match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        };
        let scheme = if self.secure { "https" } else { "http" };
        let agent = self.headers.iter().find(|(name, _)| *name == "user-agent");
        BTreeMap::from([
            ("http.host", text(&self.host)),
            ("http.request.uri.path", text(&self.path)),
            ("http.request.uri.query", text(&query)),
            ("http.request.uri", text(&uri)),
            ("http.request.full_uri", text(&format!("{scheme}://{}{uri}", self.host))),
            ("http.user_agent", text(agent.map_or("", |(_, value)| value))),
            ("cf.edge.server_port", Value::Integer(self.port.into())),
            ("ip.src", Value::Address(self.client)),
            ("ssl", Value::Flag(self.secure)),
        ])
    }

    fn fields(&self) -> HeaderMap {
        let fields = self.headers.iter();
        fields
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn facts<'w>(&'w self, headers: &'w HeaderMap) -> Facts<'w> {
        Facts::new(Head {
            secure: self.secure,
            port: self.port,
            path: &self.path,
            query: self.query.as_deref(),
            ..Head::plain(&Method::GET, &self.host, headers, self.client)
        })
    }

    /// A map as names and values, in order.
    fn map(&self, map: &str) -> Vec<(String, String)> {
        if map == "http.request.headers" {
            // An HTTP library keeps fields of one name together.
            let mut grouped: Vec<(String, String)> = Vec::new();
            for (name, _) in &self.headers {
                if !grouped.iter().any(|(known, _)| known == name) {
                    let same = self.headers.iter().filter(|(other, _)| other == name);
                    grouped.extend(same.map(|(name, value)| ((*name).to_owned(), value.clone())));
                }
            }
            return grouped;
        }
        let query = self.query.as_deref().unwrap_or_default();
        let arguments = query.split('&').filter(|argument| !argument.is_empty());
        let halves = |argument: &str| match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (argument.to_owned(), String::new()),
        };
        arguments.map(halves).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Missing,
    Text(Vec<u8>),
    Integer(i64),
    Address(IpAddr),
    Flag(bool),
    List(Vec<Value>),
}

/// A text as a literal; some letters as escapes.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for letter in text.chars() {
        let _ = match letter {
            'B' => write!(out, "\\x42"),
            '.' => write!(out, "\\056"),
            other => write!(out, "{other}"),
        };
    }
    out + "\""
}

/// The expression, compiled.
pub(crate) fn compiled(expr: &Expr) -> Condition {
    let mut text = String::new();
    expr.write(&mut text);
    let lists = Lists::new();
    let vocabulary =
        Vocabulary { lists: &lists, geo: false, identities: &[], responses: false, bodies: false };
    match Condition::compile(&text, &vocabulary) {
        Ok(condition) => condition,
        Err(fault) => panic!("{text}\n{fault} at {:?}", fault.span),
    }
}

/// Asks both about each world. Panics where they differ.
pub(crate) fn agree(expr: &Expr, worlds: &[World]) {
    let condition = compiled(expr);
    for world in worlds {
        let headers = world.fields();
        assert_eq!(
            condition.holds(&world.facts(&headers)),
            expr.holds(world),
            "{}\n{world:#?}",
            condition.text()
        );
    }
}

/// Asks an index of all conditions about each world. Panics if it does not name one that holds, or not in order.
pub(crate) fn found(exprs: &[Expr], worlds: &[World]) {
    let conditions: Vec<Condition> = exprs.iter().map(compiled).collect();
    let index = Index::new(&conditions);
    let mut candidates = Candidates::default();
    for world in worlds {
        let headers = world.fields();
        index.candidates(&world.facts(&headers), &mut candidates);
        let named: Vec<usize> = candidates.iter().collect();
        assert!(named.is_sorted() && named.last().is_none_or(|last| *last < exprs.len()), "{named:?}");
        for (place, (expr, condition)) in exprs.iter().zip(&conditions).enumerate() {
            let text = condition.text();
            assert!(!expr.holds(world) || named.contains(&place), "{text} is not found\n{world:#?}");
        }
    }
}
