//! The order in which rules run: phases, the account before the zone, and custom rulesets where they are executed.

use std::collections::{BTreeMap, BTreeSet};

use super::export::{Kind, Rule, Ruleset};
use super::expression;
use super::phases::{Fate, MANAGED, phase};
use super::report::{Report, line};

/// Rulesets within rulesets.
const DEEPEST: usize = 4;
/// Rules that others execute, at most: rulesets that execute others twice soon have more than anybody wrote.
const MOST_RULES: usize = 100_000;

const ELSEWHERE: &str = "it executes a ruleset that is not in the export: a managed one has no counterpart here, and a custom \
                         one can be added to the files";

/// The rules in the order in which they run.
#[derive(Debug, Default)]
pub(super) struct Order<'e> {
    pub(super) groups: Vec<Group>,
    pub(super) steps: Vec<Step<'e>>,
}

/// The rules of one ruleset, in one of the places where it runs.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) phase: String,
    pub(super) kind: Kind,
    /// The groups that it is executed within.
    parents: Vec<usize>,
    /// The ruleset's id.
    id: String,
}

/// A rule in its place.
#[derive(Debug)]
pub(super) struct Step<'e> {
    pub(super) rule: &'e Rule,
    pub(super) group: usize,
    /// The conditions of the rules that execute its ruleset.
    pub(super) guards: Vec<&'e str>,
    /// Whether it, and whatever executes it, is enabled.
    pub(super) enabled: bool,
}

/// What is left of the rules when one skips.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    /// The rest of its own group.
    pub(super) rest: bool,
    /// Other groups, as far as they are still to come.
    pub(super) groups: Vec<String>,
}

/// Puts the rules of `rulesets` in order.
pub(super) fn order<'e>(rulesets: &'e [Ruleset], report: &mut Report) -> Order<'e> {
    let mut making = Making {
        rulesets,
        order: Order::default(),
        executed: BTreeSet::new(),
        names: Names::default(),
        report,
    };
    let mut entries: Vec<_> =
        rulesets.iter().filter(|set| matches!(set.kind, Kind::Account | Kind::Zone)).collect();
    entries.sort_by_key(|set| (phase(&set.phase).0, set.kind));
    for set in entries {
        match phase(&set.phase).1 {
            Fate::Rules => making.enter(set, &[], &[], true),
            Fate::Done(why) => making.report.told(set.title(), why),
            Fate::Nothing(why) => making.lose(set, why),
        }
    }
    for (index, set) in rulesets.iter().enumerate() {
        if set.kind == Kind::Custom && !making.executed.contains(&index) && !set.rules.is_empty() {
            making.report.lost(set.title(), "no rule of the export executes it");
        }
    }
    making.order
}

struct Making<'e, 'r> {
    rulesets: &'e [Ruleset],
    order: Order<'e>,
    executed: BTreeSet<usize>,
    names: Names,
    report: &'r mut Report,
}

impl<'e> Making<'e, '_> {
    fn enter(&mut self, set: &'e Ruleset, parents: &[usize], guards: &[&'e str], enabled: bool) {
        let group = self.order.groups.len();
        let name = self.name(set);
        self.order.groups.push(Group {
            name,
            phase: set.phase.clone(),
            kind: parents
                .first()
                .and_then(|parent| self.order.groups.get(*parent))
                .map_or(set.kind, |parent| parent.kind),
            parents: parents.to_vec(),
            id: set.id.clone(),
        });
        for rule in &set.rules {
            let enabled = enabled && rule.enabled;
            if rule.action == "execute" {
                self.execute(rule, group, guards, enabled);
            } else {
                self.order.steps.push(Step { rule, group, guards: guards.to_vec(), enabled });
            }
        }
    }

    fn execute(&mut self, rule: &'e Rule, group: usize, guards: &[&'e str], enabled: bool) {
        let Some(Group { parents, phase, .. }) = self.order.groups.get(group) else { return };
        let about = label(rule, phase);
        let id = rule.parameters.get("id").and_then(serde_json::Value::as_str).unwrap_or_default();
        let found = self.rulesets.iter().enumerate().find(|(_, set)| !id.is_empty() && set.id == id);
        let mut parents = parents.clone();
        parents.push(group);
        let circle =
            parents.iter().filter_map(|parent| self.order.groups.get(*parent)).any(|parent| parent.id == id);
        let Some((index, set)) = found.filter(|(_, set)| set.kind != Kind::Managed) else {
            if enabled {
                self.report.lost(about, if found.is_some() { MANAGED } else { ELSEWHERE });
            }
            return;
        };
        if circle || parents.len() > DEEPEST || self.order.steps.len() > MOST_RULES {
            self.report.lost(about, "it executes rulesets that execute others without an end");
            return;
        }
        self.executed.insert(index);
        if enabled && rule.parameters.get("overrides").is_some_and(|overrides| !overrides.is_null()) {
            self.report.changed(about, "its `overrides` are not applied to the rules that it executes");
        }
        let mut guards = guards.to_vec();
        if !expression::is_always(&rule.expression) {
            guards.push(&rule.expression);
        }
        self.enter(set, &parents, &guards, enabled);
    }

    fn lose(&mut self, set: &'e Ruleset, why: &str) {
        for rule in set.rules.iter().filter(|rule| rule.enabled) {
            self.report.lost(label(rule, &set.phase), why);
        }
    }

    /// A name for the group of a ruleset: the phase's, with what tells it from others.
    fn name(&mut self, set: &Ruleset) -> String {
        let own = if set.name.is_empty() { &set.id } else { &set.name };
        let base = match set.kind {
            Kind::Account => format!("{}.account", set.phase),
            Kind::Zone => set.phase.clone(),
            Kind::Custom | Kind::Managed => format!("{}.{}", set.phase, word(own)),
        };
        let base = word(&base);
        self.names.give(&base)
    }
}

impl Order<'_> {
    /// What a `skip` of the rule at `index` passes over, by its parameters; and what it names that is not here.
    pub(super) fn skipped(&self, index: usize) -> (Skipped, Vec<String>) {
        let mut skipped = Skipped::default();
        let mut foreign = Vec::new();
        let Some(step) = self.steps.get(index) else { return (skipped, foreign) };
        let Some(own) = self.groups.get(step.group) else { return (skipped, foreign) };
        let to_come: BTreeSet<usize> = self.steps.iter().skip(index + 1).map(|step| step.group).collect();
        let mut groups = BTreeSet::new();
        let parameters = &step.rule.parameters;
        let current = |key: &str| parameters.get(key).is_some_and(|value| value == "current");
        if current("ruleset") {
            skipped.rest = true;
            let within = |group: &Group| group.parents.contains(&step.group);
            groups.extend(self.among(&to_come, within));
        }
        if current("phase") {
            skipped.rest = true;
            groups.extend(self.among(&to_come, |group| group.phase == own.phase && group.kind == own.kind));
        }
        for (key, foreign_too) in [("phases", true), ("rulesets", true), ("products", false)] {
            let named = parameters.get(key).and_then(serde_json::Value::as_array).into_iter().flatten();
            for name in named.filter_map(serde_json::Value::as_str) {
                let is_it =
                    |group: &Group| if key == "phases" { group.phase == name } else { group.id == name };
                let found = if foreign_too { self.among(&to_come, is_it) } else { Vec::new() };
                if found.is_empty() {
                    foreign.push(line(name));
                }
                groups.extend(found);
            }
        }
        if let Some(rules) = parameters.get("rules").and_then(serde_json::Value::as_object) {
            foreign.extend(rules.keys().map(|ruleset| line(ruleset)));
        }
        groups.remove(&step.group);
        let name = |group: usize| self.groups.get(group).map(|group| group.name.clone());
        skipped.groups = groups.into_iter().filter_map(name).collect();
        (skipped, foreign)
    }

    fn among(&self, to_come: &BTreeSet<usize>, fits: impl Fn(&Group) -> bool) -> Vec<usize> {
        to_come.iter().copied().filter(|group| self.groups.get(*group).is_some_and(&fits)).collect()
    }
}

/// How a report names a rule.
pub(super) fn label(rule: &Rule, phase: &str) -> String {
    let own = [&rule.reference, &rule.description, &rule.id].into_iter().find(|text| !text.trim().is_empty());
    let own = own.map_or("without a name", |text| text.as_str());
    format!("rule `{}` ({})", line(own), line(phase))
}

/// A word that may stand in a name: what may not becomes `-`.
pub(super) fn word(text: &str) -> String {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    let parts = text.split(|letter| !legal(letter)).filter(|part| !part.is_empty());
    let word = parts.collect::<Vec<_>>().join("-");
    // Letters of one byte only, so this cuts where it should.
    word.get(..word.len().min(MOST_LETTERS)).unwrap_or_default().trim_matches('-').to_owned()
}

/// The longest name, in letters.
const MOST_LETTERS: usize = 64;

/// Names, each of which is given once.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// How often a name was asked for.
    asked: BTreeMap<String, usize>,
}

impl Names {
    /// The name, with a number behind it if it is taken.
    pub(super) fn give(&mut self, name: &str) -> String {
        let asked = self.asked.entry(name.to_owned()).or_default();
        loop {
            *asked += 1;
            let end = if *asked == 1 { String::new() } else { format!("-{asked}") };
            let start = name.get(..name.len().min(MOST_LETTERS.saturating_sub(end.len()))).unwrap_or(name);
            let given = format!("{start}{end}");
            if self.taken.insert(given.clone()) {
                return given;
            }
        }
    }
}
