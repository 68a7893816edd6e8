//! Rules that would not load are lost here, with the reason, and not in the operator's hands.

use std::collections::{BTreeMap, BTreeSet};

use rules::expr::Vocabulary;
use rules::lists::Lists;
use rules::problem::{Place, Problem, Step};
use rules::ruleset::{RawRule, Terms, compile};

use super::Options;
use super::file;
use super::report::Report;
use super::translate::{Made, prune};
use super::yaml::Yaml;
use crate::config::{decode, interpolate, parse};

/// Leaves the rules that load, and tells why others do not.
pub(super) fn settle(
    mut made: Vec<Made>,
    lists: &Lists,
    options: &Options,
    report: &mut Report,
) -> Vec<Made> {
    loop {
        prune(&mut made);
        let places: Vec<usize> =
            made.iter().enumerate().filter(|(_, made)| made.enabled).map(|(index, _)| index).collect();
        let wrong = wrong(&made, &places, lists, options);
        if wrong.is_empty() {
            report.rules = places.len();
            return made;
        }
        let mut lost: BTreeSet<usize> = BTreeSet::new();
        for (index, problems) in wrong {
            let Some(rule) = made.get_mut(index) else { continue };
            let said = problems.iter().map(said).collect::<Vec<_>>().join("; ");
            if rule.drop_fields(&problems) {
                report.changed(rule.about.as_str(), format!("header fields are left out: {said}"));
            } else {
                lost.insert(index);
                report.forget(&rule.about);
                report.lost(rule.about.as_str(), said);
            }
        }
        let mut index = 0..;
        made.retain(|_| !index.next().is_some_and(|index| lost.contains(&index)));
    }
}

/// What is wrong, by the place of the rule among `made`.
fn wrong(made: &[Made], places: &[usize], lists: &Lists, options: &Options) -> BTreeMap<usize, Vec<Problem>> {
    let mut wrong: BTreeMap<usize, Vec<Problem>> = BTreeMap::new();
    let mut raw = Vec::new();
    for (index, rule) in places.iter().filter_map(|index| made.get(*index).map(|rule| (*index, rule))) {
        match read(rule) {
            Ok(rule) => raw.push(rule),
            Err(why) => wrong.entry(index).or_default().push(Place::root().problem(why)),
        }
    }
    if !wrong.is_empty() {
        return wrong;
    }
    let words =
        Vocabulary { lists, geo: !options.geo.is_empty(), identities: &[], responses: false, bodies: true };
    let problems =
        compile(&raw, &Place::root(), Terms { words: &words, owned: &[] }).err().unwrap_or_default();
    for problem in problems {
        // What is no single rule's fault is the last one's: without it, there may be few enough.
        let index = match problem.place.steps.first() {
            Some(Step::Item(item)) => places.get(*item),
            _ => places.last(),
        };
        if let Some(index) = index {
            wrong.entry(*index).or_default().push(problem);
        }
    }
    wrong
}

/// The rule as the configuration's reader reads it.
fn read(made: &Made) -> Result<RawRule, String> {
    let text = file::rule(made);
    let (root, mut problems) = parse(&text);
    let rules = root.and_then(|mut root| {
        problems.extend(interpolate(&mut root, &text, &|_| None));
        let (rules, found) = decode::<Vec<RawRule>>(&root);
        problems.extend(found);
        rules
    });
    match (problems.into_iter().next(), rules.and_then(|mut rules| rules.pop())) {
        (None, Some(rule)) => Ok(rule),
        (Some(problem), _) => Err(problem.message),
        (None, None) => Err("it cannot be read".to_owned()),
    }
}

fn said(problem: &Problem) -> String {
    match &problem.remedy {
        Some(remedy) => format!("{}: {remedy}", problem.message),
        None => problem.message.clone(),
    }
}

impl Made {
    /// Leaves out the header fields that the problems are with, if they are with some: the others are good without them.
    fn drop_fields(&mut self, problems: &[Problem]) -> bool {
        let place = |problem: &Problem| match problem.place.steps.get(1..) {
            Some([Step::Key(side), Step::Key(operation), field]) => {
                Some((side.clone(), operation.clone(), field.clone()))
            }
            _ => None,
        };
        let Some(places) = problems.iter().map(place).collect::<Option<Vec<_>>>() else { return false };
        let is_bad = |side: &str, operation: &str, field: &Step| {
            places.iter().any(|(bad_side, bad_operation, bad)| {
                bad_side == side && bad_operation == operation && bad == field
            })
        };
        for (side, edits) in &mut self.keys {
            let Yaml::Map(edits) = edits else { continue };
            for (operation, fields) in edits.iter_mut() {
                match fields {
                    Yaml::Map(fields) => {
                        fields.retain(|(name, _)| !is_bad(side, operation, &Step::Key(name.clone())));
                    }
                    Yaml::List(names) => {
                        let mut items = 0..;
                        names.retain(|_| {
                            !items.next().is_some_and(|item| is_bad(side, operation, &Step::Item(item)))
                        });
                    }
                    Yaml::Word(_) | Yaml::Text(_) => {}
                }
            }
            edits.retain(|(_, fields)| *fields != Yaml::Map(Vec::new()) && *fields != Yaml::List(Vec::new()));
            if edits.is_empty() {
                return false;
            }
        }
        true
    }
}
