//! One request's way through the rules.

use http::StatusCode;
use std::sync::Arc;

use super::edits::Edited;
use super::{Action, Counted, GATE, Round, Rule, Ruleset, Text};
use crate::expr::Candidates;
use crate::expr::{Facts, Stage};
use crate::limit::Seed;
use crate::meter::Ask;
use crate::verdict::{Code, Refusal, Words};

/// How far a request has come through the rules, and what they have said.
#[derive(Debug, Default)]
pub struct Walk {
    stage: Option<Stage>,
    /// The place within the stage's round.
    next: usize,
    /// Which rules of the round can match, as long as the request is as it was then.
    candidates: Candidates,
    current: bool,
    /// A bit for each group that is left out.
    skipped: u64,
    group: Option<u16>,
    path: Option<Vec<u8>>,
    query: Option<Vec<u8>>,
    /// The rules that matched, in order.
    pub matched: Vec<u16>,
    /// What changes in the upstream's copy of the head.
    pub request: Vec<Edited>,
    /// What changes in the answer.
    pub response: Vec<Edited>,
    /// What is to be counted once the request is over, whatever the counter says.
    pub late: Vec<Late>,
}

/// A counter that is told of a request afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late(pub Ask);

/// What a rule wants counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The rule's place in the file.
    pub rule: usize,
    /// What is asked of its counter.
    pub ask: Ask,
}

/// What comes next.
#[derive(Debug)]
pub enum Next<'r> {
    /// Every rule of the stage was asked.
    Done,
    /// The request is refused.
    Block(&'r Rule, Arc<Words>),
    /// The client is sent elsewhere.
    Redirect(&'r Rule, StatusCode, Vec<u8>),
    /// A group has ended that changed the address: later groups see the new one.
    Rewrite {
        /// The new path, still escaped.
        path: Option<Vec<u8>>,
        /// The new query; empty for none.
        query: Option<Vec<u8>>,
    },
    /// A counter has to be asked; when it refuses, the rule does.
    Count(Counts),
    /// A value that the request makes cannot be used.
    Unusable(Refusal),
}

impl Ruleset {
    /// Goes on to the next thing to do, through the rules that are asked at `stage`.
    pub fn walk<'r>(&'r self, walk: &mut Walk, stage: Stage, facts: &Facts<'_>, seed: Seed) -> Next<'r> {
        let Some(round) = self.round(stage) else { return Next::Done };
        if walk.stage != Some(stage) {
            (walk.stage, walk.next, walk.group, walk.current) = (Some(stage), 0, None, false);
        }
        if !walk.current
            && let Some(index) = &round.index
        {
            index.candidates(facts, &mut walk.candidates);
            walk.current = true;
        }
        while let Some((at, place, rule)) = self.next(round, walk) {
            if walk.group != Some(rule.group) {
                if let Some(rewrite) = self.end_group(round, walk) {
                    return rewrite;
                }
                walk.group = Some(rule.group);
            }
            walk.next = at + 1;
            if walk.is_skipped(rule.group) {
                continue;
            }
            if let Some(next) = rule.ask(place, walk, facts, seed) {
                return next;
            }
        }
        self.end_group(round, walk).unwrap_or(Next::Done)
    }

    /// What the rules of a group have rewritten. The rest of them did not match the request as it was, and are not asked
    /// about what has become of it.
    fn end_group(&self, round: &Round, walk: &mut Walk) -> Option<Next<'static>> {
        let rewrite = walk.take_rewrite()?;
        let ended = |walk: &Walk| {
            let rule = round.rules.get(walk.next).and_then(|place| self.rules.get(*place));
            rule.is_some_and(|rule| walk.group == Some(rule.group))
        };
        while ended(walk) {
            walk.next += 1;
        }
        Some(rewrite)
    }

    /// The next rule that can match: its place in the round and in the file.
    fn next<'r>(&'r self, round: &Round, walk: &Walk) -> Option<(usize, usize, &'r Rule)> {
        let at = if round.index.is_some() { walk.candidates.next(walk.next)? } else { walk.next };
        let place = *round.rules.get(at)?;
        Some((at, place, self.rules.get(place)?))
    }

    /// Asks what can be asked only once the upstream has answered. Edits are added to `walk.response`, counts to
    /// `walk.late`.
    ///
    /// # Errors
    /// When a value for a header field cannot stand in one; what was made until then is in `walk`.
    pub fn reply(&self, walk: &mut Walk, facts: &Facts<'_>, seed: Seed) -> Result<(), Refusal> {
        for (index, rule) in self.rules.iter().enumerate() {
            if walk.is_skipped(rule.group) {
                continue;
            }
            match &rule.action {
                Action::Limit(counted)
                    if counted.is_late()
                        && counted.count.as_ref().is_some_and(|count| count.holds(facts)) =>
                {
                    walk.late.push(Late(counted.ask(rule, 1, facts, seed)));
                }
                Action::Headers(edits) if rule.stage == Stage::Reply && rule.when.holds(facts) => {
                    walk.match_rule(index);
                    edits.response.make(facts, &mut walk.response)?;
                }
                Action::Log if rule.stage == Stage::Reply && rule.when.holds(facts) => walk.match_rule(index),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Walk {
    /// Notes that a rule has matched.
    pub fn match_rule(&mut self, index: usize) {
        self.matched.extend(u16::try_from(index));
    }

    fn is_skipped(&self, group: u16) -> bool {
        self.skipped & bit(group) != 0
    }

    fn take_rewrite(&mut self) -> Option<Next<'static>> {
        let (path, query) = (self.path.take(), self.query.take());
        self.current &= path.is_none() && query.is_none();
        (path.is_some() || query.is_some()).then_some(Next::Rewrite { path, query })
    }
}

fn bit(group: u16) -> u64 {
    1_u64.checked_shl(u32::from(group)).unwrap_or(0)
}

impl Rule {
    fn ask<'r>(&'r self, index: usize, walk: &mut Walk, facts: &Facts<'_>, seed: Seed) -> Option<Next<'r>> {
        if let Action::Limit(counted) = &self.action {
            return self.count(counted, index, walk, facts, seed);
        }
        if !self.when.holds(facts) {
            return None;
        }
        walk.match_rule(index);
        if self.observes {
            return None;
        }
        match &self.action {
            Action::Log | Action::Limit(_) => None,
            Action::Block(words) => Some(Next::Block(self, Arc::clone(words))),
            Action::Skip { rest, groups } => {
                let own = if *rest { bit(self.group) } else { 0 };
                walk.skipped |= groups.iter().fold(own, |all, group| all | bit(*group));
                None
            }
            Action::Redirect { to, status, keep_query } => match location(to, *keep_query, facts) {
                Some(location) => Some(Next::Redirect(self, *status, location)),
                None => Some(Next::Unusable(unusable("a redirect without an address"))),
            },
            Action::Rewrite { path, query } => {
                for (new, kept) in [(path, &mut walk.path), (query, &mut walk.query)] {
                    if let Some(text) = new {
                        let Some(text) = text.of(facts) else {
                            return Some(Next::Unusable(unusable("a rewrite without a value")));
                        };
                        *kept = Some(text);
                    }
                }
                None
            }
            Action::Headers(edits) => {
                let Walk { request, response, .. } = walk;
                let made =
                    edits.request.make(facts, request).and_then(|()| edits.response.make(facts, response));
                made.err().map(Next::Unusable)
            }
        }
    }

    fn count<'r>(
        &'r self,
        counted: &Counted,
        index: usize,
        walk: &mut Walk,
        facts: &Facts<'_>,
        seed: Seed,
    ) -> Option<Next<'r>> {
        let acts = self.when.holds(facts);
        let counts = match &counted.count {
            None => acts,
            Some(_) if counted.is_late() => false,
            Some(count) => count.holds(facts),
        };
        if acts {
            let ask = counted.ask(self, u32::from(counts), facts, seed);
            return Some(Next::Count(Counts { rule: index, ask }));
        }
        if counts {
            // Whoever is only counted is not refused.
            walk.late.push(Late(counted.ask(self, 1, facts, seed)));
        }
        None
    }

    /// What a client reads whom this rule refuses.
    pub fn words(&self) -> Option<&Arc<Words>> {
        match &self.action {
            Action::Block(words) => Some(words),
            Action::Limit(counted) => Some(&counted.words),
            _ => None,
        }
    }
}

impl Counted {
    fn ask(&self, rule: &Rule, cost: u32, facts: &Facts<'_>, seed: Seed) -> Ask {
        let parts: Vec<_> = self.per.iter().map(|formula| formula.text_of(facts)).collect();
        let key = seed.of(&format!("rule {}", rule.name), parts.iter().map(Option::as_deref));
        Ask { key, meter: self.meter, cost }
    }
}

fn location(to: &Text, keep_query: bool, facts: &Facts<'_>) -> Option<Vec<u8>> {
    let mut location = to.of(facts)?;
    if let (true, Some(query)) = (keep_query, facts.query().filter(|query| !query.is_empty())) {
        location.push(if location.contains(&b'?') { b'&' } else { b'?' });
        location.extend_from_slice(query.as_bytes());
    }
    Some(location)
}

fn unusable(why: &'static str) -> Refusal {
    Refusal::new(Code::BadRequest, GATE, why)
}
