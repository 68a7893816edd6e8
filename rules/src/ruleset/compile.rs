//! Rules as written → [`Ruleset`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::raw::{RawAction, RawRule, RawRuleMode};
use super::{Action, Counted, Round, Rule, Ruleset, Text};
use crate::expr::Index;
use crate::expr::{Condition, Fault, Formula, Stage, Vocabulary};
use crate::limit::Allowance;
use crate::meter::Meter;
use crate::path::Path;
use crate::problem::{Place, Problem};
use crate::verdict::Words;

mod edits;
mod fields;
mod keys;
mod stages;

/// The most groups: which of them are left out is kept in as many bits.
const MOST_GROUPS: usize = 64;
/// The longest body of an answer, in bytes.
const LONGEST_BODY: usize = 30 * 1024;
/// The longest penalty.
const MOST_FOR: Duration = Duration::from_hours(31 * 24);
/// From how many rules on they are looked up together.
const WORTH_AN_INDEX: usize = 4;
const TYPES: &[&str] = &["text/plain", "text/html", "text/xml", "application/json"];

/// What rules may speak of.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// Lists, and whether there are places to addresses.
    pub words: &'a Vocabulary<'a>,
    /// Header fields that only the gateway sets, with what they carry.
    pub owned: &'a [HeaderName],
}

/// Compiles the rules, with what an operator should know of them.
///
/// # Errors
/// Every problem of them.
pub fn compile(
    raw: &[RawRule],
    at: &Place,
    terms: Terms<'_>,
) -> Result<(Ruleset, Vec<String>), Vec<Problem>> {
    let groups = groups(raw);
    let mut bench = Bench { groups: &groups, terms, problems: Vec::new(), notices: Vec::new() };
    if groups.len() > MOST_GROUPS {
        let problem = at.problem(format!("there are {} groups of rules", groups.len()));
        bench.problems.push(problem.remedy(format!("join some of them: {MOST_GROUPS} are the most")));
    }
    let mut rules = Vec::with_capacity(raw.len());
    for (index, rule) in raw.iter().enumerate() {
        let at = at.item(index);
        bench.name(&rule.name, raw.iter().take(index).map(|rule| &*rule.name), &at.key("name"));
        keys::check(rule, &at, &mut bench.problems);
        rules.extend(bench.rule(rule, &at));
    }
    let Bench { mut problems, mut notices, .. } = bench;
    if rules.len() == raw.len() {
        stages::settle(&mut rules, &mut problems, &mut notices);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let rounds = [Stage::Head, Stage::Caller, Stage::Body].map(|stage| round(&rules, stage));
    Ok((Ruleset { rules, rounds }, notices))
}

/// The rules that are asked at a stage. A few are asked faster one by one.
fn round(rules: &[Rule], stage: Stage) -> Round {
    let asked = || rules.iter().enumerate().filter(|(_, rule)| rule.stage == stage);
    let places: Vec<usize> = asked().map(|(place, _)| place).collect();
    // Whoever counts by another condition has to see every request.
    let split = |rule: &Rule| matches!(&rule.action, Action::Limit(counted) if counted.count.is_some());
    let indexed = places.len() >= WORTH_AN_INDEX;
    let index = indexed.then(|| Index::of(asked().map(|(_, rule)| (&rule.when, split(rule)))));
    Round { rules: places, index }
}

/// The groups in the order in which they begin.
fn groups(raw: &[RawRule]) -> Vec<&str> {
    let mut groups = Vec::new();
    for group in raw.iter().map(|rule| rule.group.as_deref().unwrap_or_default()) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

struct Bench<'a> {
    groups: &'a [&'a str],
    terms: Terms<'a>,
    problems: Vec<Problem>,
    notices: Vec<String>,
}

impl Bench<'_> {
    fn say(&mut self, place: &Place, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(place.problem(message).remedy(remedy));
    }

    fn name<'b>(&mut self, name: &str, mut earlier: impl Iterator<Item = &'b str>, at: &Place) {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) {
            let what = format!("`{name}` cannot be the name of a rule");
            self.say(at, what, "use letters, digits, `-`, `_` and `.`, at most 64");
        } else if earlier.any(|earlier| earlier == name) {
            self.say(at, format!("there are two rules called `{name}`"), "rename one of them");
        }
    }

    fn rule(&mut self, raw: &RawRule, at: &Place) -> Option<Rule> {
        let words = Vocabulary { responses: true, ..*self.terms.words };
        let when = self.condition(&raw.name, &raw.when, &at.key("when"), &words);
        let action = self.action(raw, at);
        let (when, action) = (when?, action?);
        let group = raw.group.as_deref().unwrap_or_default();
        let group = self.groups.iter().position(|known| *known == group);
        Some(Rule {
            name: raw.name.as_str().into(),
            place: at.clone(),
            observes: raw.mode == Some(RawRuleMode::Observe),
            group: group.and_then(|group| u16::try_from(group).ok())?,
            stage: when.stage(),
            when,
            action,
        })
    }

    fn condition(&mut self, rule: &str, text: &str, at: &Place, words: &Vocabulary<'_>) -> Option<Condition> {
        match Condition::compile(text, words) {
            Ok(condition) => {
                self.notices
                    .extend(condition.notices().iter().map(|notice| format!("the rule {rule}: {notice}")));
                Some(condition)
            }
            Err(fault) => self.fault(fault, at),
        }
    }

    fn formula(&mut self, rule: &str, text: &str, at: &Place) -> Option<Formula> {
        self.keep(rule, Formula::compile(text, self.terms.words), at)
    }

    fn keep(&mut self, rule: &str, compiled: Result<Formula, Fault>, at: &Place) -> Option<Formula> {
        match compiled {
            Ok(formula) => {
                self.notices
                    .extend(formula.notices().iter().map(|notice| format!("the rule {rule}: {notice}")));
                Some(formula)
            }
            Err(fault) => self.fault(fault, at),
        }
    }

    fn fault<T>(&mut self, fault: Fault, at: &Place) -> Option<T> {
        let Fault { message, remedy, span } = fault;
        let problem = Problem { remedy, within: Some(span), ..at.problem(message) };
        self.problems.push(problem);
        None
    }

    fn action(&mut self, raw: &RawRule, at: &Place) -> Option<Action> {
        match raw.action {
            RawAction::Block => self.words(raw, at, StatusCode::FORBIDDEN).map(Action::Block),
            RawAction::Log => Some(Action::Log),
            RawAction::Skip => Some(self.skip(raw, at)),
            RawAction::Redirect => self.redirect(raw, at),
            RawAction::Rewrite => Some(self.rewrite(raw, at)),
            RawAction::Headers => Some(self.headers(raw, at)),
            RawAction::Limit => self.limit(raw, at),
            RawAction::Challenge | RawAction::JsChallenge | RawAction::ManagedChallenge => {
                self.say(
                    &at.key("action"),
                    "challenges come with a later version",
                    "use `block`, or `log` to see first whom it would meet",
                );
                None
            }
        }
    }

    fn words(&mut self, raw: &RawRule, at: &Place, usual: StatusCode) -> Option<Arc<Words>> {
        let status = raw.status.map_or(Some(usual), |status| {
            let known = StatusCode::from_u16(status).ok().filter(StatusCode::is_client_error);
            if known.is_none() {
                self.say(
                    &at.key("status"),
                    format!("{status} does not refuse"),
                    "write a status from 400 to 499",
                );
            }
            known
        });
        if raw.body.is_none() && raw.content_type.is_some() {
            let place = at.key("content_type").itself();
            self.say(&place, "`content_type` has no effect without `body`", "write the `body`, or remove it");
        }
        let kind = raw.content_type.as_deref().unwrap_or("text/plain");
        let essence = kind.split(';').next().unwrap_or_default().trim();
        let header = HeaderValue::from_str(kind).ok().filter(|_| TYPES.contains(&essence));
        if header.is_none() {
            let what = format!("`{kind}` is no type for an answer");
            self.say(&at.key("content_type"), what, format!("use one of {}", TYPES.join(", ")));
        }
        let body = raw.body.as_ref().zip(header);
        if raw.body.as_ref().is_some_and(|body| body.len() > LONGEST_BODY) {
            self.say(&at.key("body"), "the body is longer than 30 KiB", "shorten it");
        }
        let body = body.map(|(body, kind)| (Bytes::from(body.clone()), kind));
        Some(Arc::new(Words { status: status?, body }))
    }

    fn skip(&mut self, raw: &RawRule, at: &Place) -> Action {
        let Some(named) = &raw.groups else { return Action::Skip { rest: true, groups: Vec::new() } };
        let mut groups = Vec::new();
        for (index, name) in named.iter().enumerate() {
            if let Some(group) = self.groups.iter().position(|known| known == name) {
                groups.extend(u16::try_from(group));
                continue;
            }
            let known: Vec<_> = self.groups.iter().filter(|known| !known.is_empty()).copied().collect();
            let remedy = if known.is_empty() {
                "give the rules that are meant a `group`".to_owned()
            } else {
                format!("the groups are {}", known.join(", "))
            };
            let place = at.key("groups").item(index);
            self.say(&place, format!("there is no group `{name}`"), remedy);
        }
        Action::Skip { rest: raw.rest.unwrap_or(false), groups }
    }

    /// The one of two keys that is written.
    fn text(
        &mut self,
        raw: &RawRule,
        at: &Place,
        key: &str,
        fixed: Option<&String>,
        made: Option<&String>,
    ) -> Option<Text> {
        match (fixed, made) {
            (Some(_), Some(_)) => {
                let other = format!("{key}_expression");
                let place = at.key(&other).itself();
                self.say(
                    &place,
                    format!("`{key}` and `{other}` say the same thing twice"),
                    "remove one of them",
                );
                None
            }
            (Some(text), None) => Some(Text::Fixed(text.clone())),
            (None, Some(text)) => {
                self.formula(&raw.name, text, &at.key(format!("{key}_expression"))).map(Text::Formula)
            }
            (None, None) => None,
        }
    }

    fn redirect(&mut self, raw: &RawRule, at: &Place) -> Option<Action> {
        if raw.to.is_none() && raw.to_expression.is_none() {
            self.say(at, "the redirect leads nowhere", "write `to: https://…`, or `to_expression`");
            return None;
        }
        let to = self.text(raw, at, "to", raw.to.as_ref(), raw.to_expression.as_ref());
        if let Some(Text::Fixed(text)) = &to {
            let sound = ["https://", "http://", "/"].iter().any(|start| text.starts_with(start))
                && text.bytes().all(|byte| byte.is_ascii_graphic());
            if !sound {
                let what = format!("`{text}` is not an address");
                self.say(&at.key("to"), what, "write one that begins with `https://`, `http://` or `/`");
            }
        }
        let status = raw.status.unwrap_or(302);
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            let what = format!("{status} does not redirect");
            self.say(&at.key("status"), what, "write 301, 302, 303, 307 or 308");
        }
        let status = StatusCode::from_u16(status).ok()?;
        Some(Action::Redirect { to: to?, status, keep_query: raw.keep_query.unwrap_or(false) })
    }

    fn rewrite(&mut self, raw: &RawRule, at: &Place) -> Action {
        let path = self.text(raw, at, "path", raw.path.as_ref(), raw.path_expression.as_ref());
        let query = self.text(raw, at, "query", raw.query.as_ref(), raw.query_expression.as_ref());
        if [&raw.path, &raw.path_expression, &raw.query, &raw.query_expression]
            .iter()
            .all(|key| key.is_none())
        {
            self.say(
                at,
                "the rewrite changes nothing",
                "write `path`, `path_expression`, `query` or `query_expression`",
            );
        }
        if let Some(Text::Fixed(text)) = &path
            && let Err(refusal) = Path::parse(text.as_bytes())
        {
            let what = format!("`{text}` cannot be a path: {}", refusal.private);
            self.say(&at.key("path"), what, "write it as the upstream is to see it, from `/` on");
        }
        if let Some(Text::Fixed(text)) = &query
            && (text.starts_with('?') || format!("/?{text}").parse::<http::uri::PathAndQuery>().is_err())
        {
            self.say(&at.key("query"), format!("`{text}` is not a query"), "write it without `?`, escaped");
        }
        Action::Rewrite { path, query }
    }

    fn limit(&mut self, raw: &RawRule, at: &Place) -> Option<Action> {
        let mut per = Vec::new();
        for (index, text) in raw.per.iter().flat_map(|per| per.iter()).enumerate() {
            per.extend(self.keep(
                &raw.name,
                Formula::characteristic(text, self.terms.words),
                &at.key("per").item(index),
            ));
        }
        if raw.per.as_ref().is_none_or(|per| per.is_empty()) {
            self.say(at, "the limit has to say what it counts by", "write `per: ip.src`");
        }
        let allowance = match raw.allow.as_deref().map(str::parse::<Allowance>) {
            Some(Ok(allowance)) => Some(allowance),
            Some(Err(remedy)) => {
                self.say(&at.key("allow"), "this is not an allowance", remedy);
                None
            }
            None => {
                self.say(at, "the limit has to say how many are allowed", "write `allow: 60/min`");
                None
            }
        };
        let lasts = raw.lasts.map_or(Duration::ZERO, |time| time.0);
        if lasts > MOST_FOR {
            self.say(&at.key("for"), "the penalty is out of range", "write a time up to 31 days");
        }
        let words = Vocabulary { responses: true, ..*self.terms.words };
        let count = raw.count.as_ref().map(|text| self.condition(&raw.name, text, &at.key("count"), &words));
        let answer = self.words(raw, at, StatusCode::TOO_MANY_REQUESTS);
        let Allowance { max, window_ms } = allowance?;
        let penalty_ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        Some(Action::Limit(Box::new(Counted {
            per,
            meter: Meter::Window { max, window_ms, penalty_ms },
            count: count.map_or(Some(None), |count| count.map(Some))?,
            words: answer?,
        })))
    }
}
