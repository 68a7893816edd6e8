//! `rules`: expressions over the request, each with what to do where it holds; asked in file order.
//!
//! A rule is asked as soon as all that it names is known, and never before a rule above it that could have decided:
//! so the first match decides, wherever in the request's way it is found. Rules of one `group` see the request as it was
//! when the group began; what one of them rewrites, later groups see.

use std::sync::Arc;

use http::{HeaderName, StatusCode};

use crate::expr::Index;
use crate::expr::{Condition, Facts, Formula, Stage};
use crate::meter::Meter;
use crate::problem::Place;
use crate::verdict::Words;

mod compile;
mod edits;
mod raw;
mod walk;

pub use compile::{Terms, compile};
pub use edits::Edited;
pub use raw::{RawAction, RawRequestEdits, RawResponseEdits, RawRule, RawRuleMode};
pub use walk::{Counts, Late, Next, Walk};

/// The gate's name in logs.
pub const GATE: &str = "rules";

/// The rules of a configuration, in file order.
#[derive(Debug, Default)]
pub struct Ruleset {
    rules: Vec<Rule>,
    /// Those that are asked at each stage before the answer.
    rounds: [Round; 3],
}

/// The rules that are asked at one stage.
#[derive(Debug, Default)]
struct Round {
    /// Their places in the file, in order.
    rules: Vec<usize>,
    /// Which of them can match at all.
    index: Option<Index>,
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: Arc<str>,
    /// Where it is configured.
    pub place: Place,
    /// Whether it only says what it would have done.
    pub observes: bool,
    group: u16,
    stage: Stage,
    when: Condition,
    action: Action,
}

/// What a rule does.
#[derive(Debug)]
enum Action {
    Block(Arc<Words>),
    Log,
    Skip { rest: bool, groups: Vec<u16> },
    Redirect { to: Text, status: StatusCode, keep_query: bool },
    Rewrite { path: Option<Text>, query: Option<Text> },
    Headers(Box<edits::Edits>),
    Limit(Box<Counted>),
}

/// A counter that a rule keeps.
#[derive(Debug)]
struct Counted {
    per: Vec<Formula>,
    meter: Meter,
    count: Option<Condition>,
    words: Arc<Words>,
}

impl Counted {
    /// Whether it counts by the upstream's answer.
    fn is_late(&self) -> bool {
        self.count.as_ref().is_some_and(|count| count.stage() == Stage::Reply)
    }
}

/// A text of the configuration, or one that the request makes.
#[derive(Debug)]
enum Text {
    Fixed(String),
    Formula(Formula),
}

impl Text {
    /// None where the expression has no value.
    fn of(&self, facts: &Facts<'_>) -> Option<Vec<u8>> {
        match self {
            Self::Fixed(text) => Some(text.clone().into_bytes()),
            Self::Formula(formula) => formula.text_of(facts).map(std::borrow::Cow::into_owned),
        }
    }

    fn stage(&self) -> Stage {
        match self {
            Self::Fixed(_) => Stage::Head,
            Self::Formula(formula) => formula.stage(),
        }
    }
}

impl Ruleset {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rule at `index`.
    pub fn get(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// Whether a rule is asked at this stage, before the upstream is.
    pub fn speaks_at(&self, stage: Stage) -> bool {
        self.round(stage).is_some_and(|round| !round.rules.is_empty())
    }

    fn round(&self, stage: Stage) -> Option<&Round> {
        match stage {
            Stage::Head => self.rounds.first(),
            Stage::Caller => self.rounds.get(1),
            Stage::Body => self.rounds.get(2),
            Stage::Reply => None,
        }
    }

    /// Whether a rule has to see the upstream's answer, or edits it.
    pub fn hears_replies(&self) -> bool {
        self.rules.iter().any(|rule| {
            rule.stage == Stage::Reply
                || match &rule.action {
                    Action::Headers(edits) => edits.edits_response(),
                    Action::Limit(counted) => counted.is_late(),
                    _ => false,
                }
        })
    }

    /// The header fields that rules set on requests: nothing else may take these for a client's word.
    pub fn sets(&self) -> impl Iterator<Item = (&HeaderName, &Place)> {
        self.rules.iter().flat_map(|rule| match &rule.action {
            Action::Headers(edits) => edits.sets().map(|name| (name, &rule.place)).collect::<Vec<_>>(),
            _ => Vec::new(),
        })
    }
}

impl Rule {
    /// When it is asked.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Its condition as written.
    pub fn when(&self) -> &str {
        self.when.text()
    }

    /// What it does, in a word: its key in the configuration.
    pub fn does(&self) -> &'static str {
        match self.action {
            Action::Block(_) => "block",
            Action::Log => "log",
            Action::Skip { .. } => "skip",
            Action::Redirect { .. } => "redirect",
            Action::Rewrite { .. } => "rewrite",
            Action::Headers(_) => "headers",
            Action::Limit(_) => "limit",
        }
    }
}

#[cfg(test)]
mod tests;
