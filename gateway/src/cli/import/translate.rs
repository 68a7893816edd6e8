//! Rules in Cloudflare's order → our rules, and everything that is lost on the way.

use std::collections::{BTreeMap, BTreeSet};

use super::actions::{Deed, Keys, deed};
use super::export::List;
use super::fields::{Standing, standing};
use super::order::{Names, Order, Step, label, word};
use super::report::{Report, line};
use super::yaml::Yaml;
use super::{Options, bulk, expression};

/// A rule of ours.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) name: String,
    /// What its author said of it.
    pub(super) comment: Option<String>,
    pub(super) enabled: bool,
    pub(super) group: String,
    pub(super) when: String,
    pub(super) keys: Keys,
}

/// Translates rules.
pub(super) fn translate(
    order: &Order<'_>,
    lists: &BTreeMap<String, List>,
    options: &Options,
    report: &mut Report,
) -> Vec<Made> {
    let mut making =
        Making { order, lists, options, made: Vec::new(), names: Names::default(), skips: Vec::new() };
    for (index, step) in order.steps.iter().enumerate() {
        if step.enabled {
            making.step(index, step, report);
        } else {
            // What a disabled rule would lose, nobody misses.
            making.step(index, step, &mut Report::default());
            report.disabled += 1;
        }
    }
    making.finish(report);
    report.rules = making.made.iter().filter(|made| made.enabled).count();
    making.made
}

struct Making<'o, 'e> {
    order: &'o Order<'e>,
    lists: &'o BTreeMap<String, List>,
    options: &'o Options,
    made: Vec<Made>,
    names: Names,
    /// The rules that skip: each with its place in the order.
    skips: Vec<(usize, usize)>,
}

impl Making<'_, '_> {
    fn step(&mut self, index: usize, step: &Step<'_>, report: &mut Report) {
        let Some(group) = self.order.groups.get(step.group) else { return };
        let about = label(step.rule, &group.phase);
        let conditions = step.guards.iter().copied().chain([step.rule.expression.as_str()]);
        if step.rule.expression.trim().is_empty() {
            return report.lost(about, "it has no expression");
        }
        let mut changed = Vec::new();
        let deed = match deed(step.rule, &group.phase, self.options, &mut changed) {
            Ok(deed) => deed,
            Err(why) => return report.lost(about, why),
        };
        let when = expression::without_zones(&expression::all(conditions));
        let name = self.name(step);
        let phase = group.name.clone();
        let rules = match deed {
            Deed::Keys(keys) => vec![(name, when, keys)],
            Deed::Skip => {
                self.skips.push((self.made.len(), index));
                vec![(name, when, Vec::new())]
            }
            Deed::Redirects(list) => match self.redirects(&list, step, &when, report, &about) {
                Ok(redirects) => redirects,
                Err(why) => return report.lost(about, why),
            },
        };
        if let Some(why) = rules.iter().find_map(|(_, when, keys)| self.weigh(when, keys, &about, report)) {
            if matches!(self.skips.last(), Some((at, _)) if *at == self.made.len()) {
                self.skips.pop();
            }
            return report.lost(about, why);
        }
        for what in changed {
            report.changed(about.as_str(), what);
        }
        let comment = comment(step);
        for (name, when, keys) in rules {
            let name = self.names.give(&name);
            let comment = comment.clone();
            self.made.push(Made { name, comment, enabled: step.enabled, group: phase.clone(), when, keys });
        }
    }

    /// Looks at the fields that a rule names. Returns why it cannot be a rule here.
    fn weigh(&self, when: &str, keys: &Keys, about: &str, report: &mut Report) -> Option<String> {
        let mut formulas = vec![when];
        formulas.extend(keys.iter().flat_map(|(key, value)| expressions(key, value)));
        let fields: BTreeSet<&str> = formulas.into_iter().flat_map(expression::fields).collect();
        let places = fields.iter().filter(|field| standing(field) == Standing::Place);
        let places = places.map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
        if !places.is_empty() && self.options.geo.is_none() {
            report
                .told(about, format!("{places}: known once `geo:` names a file of addresses (`--geo FILE`)"));
        }
        for field in fields {
            match standing(field) {
                Standing::Known | Standing::Place => {}
                Standing::Unknown(why) => return Some(format!("it needs `{field}`: {why}")),
                Standing::Constant(why) => {
                    let what = format!(
                        "`{field}` is the same for every request here, so it acts never or always: {why}"
                    );
                    report.changed(about, what);
                }
                Standing::Told(why) => report.told(about, why),
            }
        }
        None
    }

    fn redirects(
        &self,
        list: &str,
        step: &Step<'_>,
        when: &str,
        report: &mut Report,
        about: &str,
    ) -> Result<Vec<(String, String, Keys)>, String> {
        let known = self.lists.get(list).filter(|list| list.has_items);
        let known = known
            .ok_or_else(|| format!("the list `{}` is not in the export: add it to the files", line(list)))?;
        let own = format!("http.request.full_uri in ${list}");
        if step.rule.expression.trim().trim_matches(['(', ')']) != own {
            return Err(format!("its condition is another than `{}`", line(&own)));
        }
        let mut lost = Vec::new();
        let redirects = bulk::redirects(known, &mut lost)?;
        for what in lost {
            report.lost(about, what);
        }
        let name = self.name(step);
        // The condition that the whole list is asked is each redirect's own.
        let guard = |condition: String| when.replace(&own, &condition);
        let each = |(index, (condition, keys)): (usize, bulk::Redirect)| {
            (format!("{name}-{}", index + 1), guard(condition), keys)
        };
        Ok(redirects.into_iter().enumerate().map(each).collect())
    }

    /// The name that its author gave it, as far as it may be one here.
    fn name(&self, step: &Step<'_>) -> String {
        let rule = step.rule;
        let named = [&rule.reference, &rule.description, &rule.id].into_iter().map(|text| word(text));
        named
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| format!("rule-{}", self.made.len() + 1))
    }

    /// Says what skips pass over: only groups that have rules.
    fn finish(&mut self, report: &mut Report) {
        let mut alive: BTreeSet<String> = BTreeSet::new();
        let mut at = self.made.len();
        let mut skips = std::mem::take(&mut self.skips);
        // From the end, so that `alive` is what is still to come.
        while let Some(made) = at.checked_sub(1).and_then(|index| self.made.get_mut(index)) {
            at -= 1;
            if let Some((_, index)) = skips.pop_if(|(skip, _)| *skip == at) {
                let (skipped, foreign) = self.order.skipped(index);
                let groups: Vec<_> =
                    skipped.groups.into_iter().filter(|group| alive.contains(group)).collect();
                let old = self.order.steps.get(index).is_some_and(|step| step.rule.action == "allow");
                made.keys = skip(skipped.rest || old, groups);
                if made.enabled && !foreign.is_empty() {
                    let about = format!("rule `{}` ({})", made.name, made.group);
                    report.told(about, format!("what it skips is not here: {}", foreign.join(", ")));
                }
            }
            if made.enabled {
                alive.insert(made.group.clone());
            }
        }
    }
}

fn skip(rest: bool, groups: Vec<String>) -> Keys {
    if !rest && groups.is_empty() {
        // There is nothing left to skip, and that it matches is still worth a line.
        return vec![("action", Yaml::text("log"))];
    }
    let mut keys = vec![("action", Yaml::text("skip"))];
    if !groups.is_empty() {
        keys.push(("groups", Yaml::texts(groups)));
        if rest {
            keys.push(("rest", Yaml::word(true)));
        }
    }
    keys
}

fn comment(step: &Step<'_>) -> Option<String> {
    let description = line(&step.rule.description);
    let letters = |text: &str| {
        text.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase()
    };
    let tells = !description.is_empty() && letters(&description) != letters(&step.rule.reference);
    tells.then_some(description)
}

/// The expressions among the values of a rule's keys.
pub(super) fn expressions<'y>(key: &str, value: &'y Yaml) -> Vec<&'y str> {
    let mut found = Vec::new();
    let is_one = matches!(key, "count" | "per") || key.ends_with("_expression");
    match value {
        Yaml::Text(text) if is_one => found.push(text.as_str()),
        Yaml::List(items) if is_one => found.extend(items.iter().flat_map(|item| expressions("per", item))),
        Yaml::Map(entries) if key == "set_expression" => {
            found.extend(entries.iter().flat_map(|(_, value)| expressions("per", value)));
        }
        Yaml::Map(entries) => found.extend(entries.iter().flat_map(|(key, value)| expressions(key, value))),
        _ => {}
    }
    found
}
