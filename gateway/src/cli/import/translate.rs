//! Rules in Cloudflare's order → our rules, and everything that is lost on the way.

use std::collections::{BTreeMap, BTreeSet};

use super::actions::{Deed, Keys, deed};
use super::export::List;
use super::fields::{Standing, standing};
use super::order::{Names, Order, Skipped, Step, label, word};
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
    /// How reports name it.
    pub(super) about: String,
    /// What it skips, if it does: its keys follow from this and from the rules that there are.
    skip: Option<Skipped>,
}

/// Translates rules.
pub(super) fn translate(
    order: &Order<'_>,
    lists: &BTreeMap<String, List>,
    options: &Options,
    report: &mut Report,
) -> Vec<Made> {
    let mut making = Making { order, lists, options, made: Vec::new(), names: Names::default() };
    for (index, step) in order.steps.iter().enumerate() {
        if step.enabled {
            making.step(index, step, report);
        } else {
            // What a disabled rule would lose, nobody misses.
            making.step(index, step, &mut Report::default());
            report.disabled += 1;
        }
    }
    making.made
}

struct Making<'o, 'e> {
    order: &'o Order<'e>,
    lists: &'o BTreeMap<String, List>,
    options: &'o Options,
    made: Vec<Made>,
    names: Names,
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
        let mut skip = None;
        let rules = match deed {
            Deed::Keys(keys) => vec![(name, when, keys)],
            Deed::Skip => {
                skip = Some(self.skip(index, &about, report));
                vec![(name, when, Vec::new())]
            }
            Deed::Redirects(list) => match self.redirects(&list, step, &when, report, &about) {
                Ok(redirects) => redirects,
                Err(why) => return report.lost(about, why),
            },
        };
        for (_, when, keys) in &rules {
            self.weigh(when, keys, &about, report);
        }
        for what in changed {
            report.changed(about.as_str(), what);
        }
        let comment = comment(step);
        for (name, when, keys) in rules {
            let name = self.names.give(&name);
            let (comment, about, group) = (comment.clone(), about.clone(), phase.clone());
            let skip = skip.clone();
            self.made.push(Made { name, comment, enabled: step.enabled, group, when, keys, about, skip });
        }
    }

    /// Looks at the fields that a rule names.
    fn weigh(&self, when: &str, keys: &Keys, about: &str, report: &mut Report) {
        let mut formulas = vec![when];
        formulas.extend(keys.iter().flat_map(|(key, value)| expressions(key, value)));
        let fields: BTreeSet<&str> = formulas.into_iter().flat_map(expression::fields).collect();
        let places = fields.iter().filter(|field| standing(field) == Standing::Place);
        let places = places.map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
        if !places.is_empty() && self.options.geo.is_empty() {
            report
                .told(about, format!("{places}: known once `geo:` names a file of addresses (`--geo FILE`)"));
        }
        for field in fields {
            match standing(field) {
                Standing::Known | Standing::Place => {}
                Standing::Constant(why) => {
                    let what = format!(
                        "`{field}` is the same for every request here, so it acts never or always: {why}"
                    );
                    report.changed(about, what);
                }
                Standing::Told(why) => report.told(about, why),
            }
        }
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

    /// What the rule at `index` skips.
    fn skip(&self, index: usize, about: &str, report: &mut Report) -> Skipped {
        let (mut skipped, foreign) = self.order.skipped(index);
        if !foreign.is_empty() {
            report.told(about, format!("what it skips is not here: {}", foreign.join(", ")));
        }
        // Whom the old firewall rules allowed, none of those below could stop.
        skipped.rest |= self.order.steps.get(index).is_some_and(|step| step.rule.action == "allow");
        skipped
    }
}

/// Says what skips pass over: only groups that have rules to come.
pub(super) fn prune(made: &mut [Made]) {
    let mut alive: BTreeSet<String> = BTreeSet::new();
    for made in made.iter_mut().rev() {
        if let Some(Skipped { rest, groups }) = &made.skip {
            made.keys = skip(*rest, groups.iter().filter(|group| alive.contains(*group)).cloned().collect());
        }
        if made.enabled {
            alive.insert(made.group.clone());
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
