//! Which key belongs to which action: one that has no effect is a mistake.

use crate::problem::{Place, Problem};
use crate::ruleset::raw::{RawAction, RawRule};

/// What a rule of this kind may say besides its name and condition.
const fn known(action: RawAction) -> &'static [&'static str] {
    match action {
        RawAction::Block => &["status", "body", "content_type"],
        RawAction::Skip => &["groups", "rest"],
        RawAction::Redirect => &["status", "to", "to_expression", "keep_query"],
        RawAction::Rewrite => &["path", "path_expression", "query", "query_expression"],
        RawAction::Headers => &["request", "response"],
        RawAction::Limit => &["status", "body", "content_type", "per", "allow", "for", "count"],
        RawAction::Log | RawAction::Challenge | RawAction::JsChallenge | RawAction::ManagedChallenge => &[],
    }
}

/// Reports every key that its action does not have.
pub(super) fn check(raw: &RawRule, at: &Place, problems: &mut Vec<Problem>) {
    let written = [
        ("status", raw.status.is_some()),
        ("body", raw.body.is_some()),
        ("content_type", raw.content_type.is_some()),
        ("groups", raw.groups.is_some()),
        ("rest", raw.rest.is_some()),
        ("to", raw.to.is_some()),
        ("to_expression", raw.to_expression.is_some()),
        ("keep_query", raw.keep_query.is_some()),
        ("path", raw.path.is_some()),
        ("path_expression", raw.path_expression.is_some()),
        ("query", raw.query.is_some()),
        ("query_expression", raw.query_expression.is_some()),
        ("request", raw.request.is_some()),
        ("response", raw.response.is_some()),
        ("per", raw.per.is_some()),
        ("allow", raw.allow.is_some()),
        ("for", raw.lasts.is_some()),
        ("count", raw.count.is_some()),
    ];
    let known = known(raw.action);
    for (key, _) in written.into_iter().filter(|(key, written)| *written && !known.contains(key)) {
        let problem = at.key(key).itself().problem(format!("`{key}` has no effect with this action"));
        let remedy = if known.is_empty() {
            "remove it".to_owned()
        } else {
            format!("remove it; the keys for this action are {}", known.join(", "))
        };
        problems.push(problem.remedy(remedy));
    }
    if raw.rest.is_some() && raw.groups.is_none() {
        let problem = at.key("rest").itself().problem("`rest` has no effect without `groups`");
        problems.push(problem.remedy("remove it: the rest of the rule's own group is left out anyway"));
    }
}
