//! From syntax to a program: names are looked up, types must fit, patterns are compiled, constants folded.

use std::collections::BTreeSet;

use super::fault::{Fault, Outcome, Span};
use super::fields::{ListField, MapField, Scalar};
use super::program::{Each, ListNode, ListsNode, Node, Test};
use super::syntax::{Argument, Expr};
use super::{Stage, Vocabulary};

mod call;
mod op;
mod value;

/// What an expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Condition,
    Formula,
}

/// What an expression was found to be besides its program.
#[derive(Debug)]
pub(super) struct Findings {
    pub stage: Stage,
    pub notices: Vec<String>,
}

/// A value with its type.
#[derive(Debug)]
pub(super) enum Typed {
    One(Node, Scalar),
    List(ListNode, Scalar, Origin),
    /// Each item of a list, `[*]`.
    Each(ListNode, Scalar, Origin),
    Map(MapField, Scalar, Origin),
    Lists(ListsNode, Scalar, Origin),
    /// Each of several lists.
    EachList(ListsNode, Scalar, Origin),
}

/// Which array a list goes through: what is joined within `any` or `all` must go through the same one.
pub(super) type Origin = String;

/// Something true or false, or a list of such with where that comes from.
enum Checked {
    Test(Test),
    Each(Each, Origin, Span),
}

pub(super) struct Checker<'c> {
    text: &'c str,
    vocabulary: &'c Vocabulary<'c>,
    purpose: Purpose,
    /// Whether a literal may stand where a field should: only the tests' vectors do that.
    lenient: bool,
    stage: Stage,
    notices: Vec<String>,
    noticed: BTreeSet<String>,
    /// The functions that replace, as far as they were met.
    replaces: Vec<&'static str>,
    /// The one whose argument is being checked.
    within: Option<&'static str>,
}

impl<'c> Checker<'c> {
    pub(super) fn new(
        text: &'c str,
        vocabulary: &'c Vocabulary<'c>,
        purpose: Purpose,
        lenient: bool,
    ) -> Self {
        let (notices, noticed, replaces) = (Vec::new(), BTreeSet::new(), Vec::new());
        Self {
            text,
            vocabulary,
            purpose,
            lenient,
            stage: Stage::Head,
            notices,
            noticed,
            replaces,
            within: None,
        }
    }

    pub(super) fn findings(self) -> Findings {
        Findings { stage: self.stage, notices: self.notices }
    }

    fn notice(&mut self, notice: String) {
        if self.noticed.insert(notice.clone()) {
            self.notices.push(notice);
        }
    }

    /// A whole condition.
    pub(super) fn condition(&mut self, expr: &Expr) -> Outcome<Test> {
        match self.expr(expr)? {
            Checked::Test(test) => {
                if let (Test::Constant(always), false) = (&test, matches!(expr, Expr::Constant(_))) {
                    let notice = if *always {
                        "the expression matches every request"
                    } else {
                        "the expression can never match"
                    };
                    self.notice(notice.to_owned());
                }
                Ok(test)
            }
            Checked::Each(.., span) => Err(loose(span)),
        }
    }

    /// A whole formula.
    pub(super) fn formula(&mut self, argument: &Argument) -> Outcome<Typed> {
        match argument {
            Argument::Literal(literal, _) => {
                Ok(Typed::One(Node::Literal(literal.clone()), op::scalar(literal)))
            }
            Argument::Value(value) => self.value(value),
        }
    }

    fn expr(&mut self, expr: &Expr) -> Outcome<Checked> {
        match expr {
            Expr::Constant(constant) => Ok(Checked::Test(Test::Constant(*constant))),
            Expr::Not(of) => Ok(match self.expr(of)? {
                Checked::Test(Test::Constant(constant)) => Checked::Test(Test::Constant(!constant)),
                Checked::Test(Test::Not(test)) => Checked::Test(*test),
                Checked::Test(test) => Checked::Test(Test::Not(Box::new(test))),
                Checked::Each(each, origin, span) => Checked::Each(Each::Not(Box::new(each)), origin, span),
            }),
            Expr::And(parts) => self.joined(parts, and, Each::And),
            Expr::Or(parts) => self.joined(parts, or, Each::Or),
            Expr::Xor(parts) => self.joined(parts, |tests| Test::Xor(tests.into()), Each::Xor),
            Expr::Quantified { all, of, span } => match self.expr(of)? {
                Checked::Each(each, ..) => Ok(Checked::Test(self.quantified(*all, each))),
                Checked::Test(_) => {
                    let word = if *all { "all" } else { "any" };
                    let message = format!("`{word}` asks each item of an array, and here is no array");
                    let remedy = format!("write `{word}(field[*] eq \"…\")`, or leave `{word}` out");
                    Err(Fault::new(span.clone(), message).remedy(remedy))
                }
            },
            Expr::Compare(compare) => self.compare(compare),
        }
    }

    fn joined(
        &mut self,
        parts: &[Expr],
        join: fn(Vec<Test>) -> Test,
        join_each: fn(Box<[Each]>) -> Each,
    ) -> Outcome<Checked> {
        let (mut tests, mut eachs) = (Vec::new(), Vec::new());
        let mut first: Option<(Origin, Span)> = None;
        for part in parts {
            match self.expr(part)? {
                Checked::Test(test) => tests.push(test),
                Checked::Each(each, origin, span) => {
                    if let Some((other, _)) = &first
                        && *other != origin
                    {
                        return Err(Fault::new(
                            span,
                            format!("`[*]` goes through another array than `{other}`"),
                        )
                        .remedy(
                            "what is joined asks the items of one array: write two `any(…)` or `all(…)`",
                        ));
                    }
                    first.get_or_insert((origin, span));
                    eachs.push(each);
                }
            }
        }
        match first {
            None => Ok(Checked::Test(join(tests))),
            Some((origin, span)) if tests.is_empty() => {
                Ok(Checked::Each(join_each(eachs.into()), origin, span))
            }
            Some((_, span)) => Err(loose(span)),
        }
    }

    fn quantified(&mut self, all: bool, each: Each) -> Test {
        let nothing = matches!(&each, Each::Is(ListNode::Missing | ListNode::Field(ListField::Nothing), _));
        if nothing {
            return Test::Constant(all);
        }
        if all {
            self.notice("`all` is true where the array is empty or missing".to_owned());
            return Test::All(Box::new(each));
        }
        Test::Any(Box::new(each))
    }
}

/// `[*]` outside of what would make one answer of many.
fn loose(span: Span) -> Fault {
    Fault::new(span, "`[*]` gives an answer for each item, and one is needed")
        .remedy("put the comparison into `any(…)` or `all(…)`")
}

/// The cheap ones first: none has an effect but its answer.
fn and(tests: Vec<Test>) -> Test {
    let mut flat = Vec::with_capacity(tests.len());
    for test in tests {
        match test {
            Test::Constant(true) => {}
            Test::Constant(false) => return Test::Constant(false),
            Test::And(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    flat.sort_by_key(Test::cost);
    match flat.len() {
        0 => Test::Constant(true),
        1 => flat.remove(0),
        _ => Test::And(flat.into()),
    }
}

fn or(tests: Vec<Test>) -> Test {
    let mut flat = Vec::with_capacity(tests.len());
    for test in tests {
        match test {
            Test::Constant(false) => {}
            Test::Constant(true) => return Test::Constant(true),
            Test::Or(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    flat.sort_by_key(Test::cost);
    match flat.len() {
        0 => Test::Constant(false),
        1 => flat.remove(0),
        _ => Test::Or(flat.into()),
    }
}
