//! When each rule is asked: as soon as it can be, and never before a rule above it that could have decided.

use crate::expr::Stage;
use crate::problem::Problem;
use crate::ruleset::{Action, Counted, Rule, Text};

/// Settles the rules' stages, and reports what cannot be done when its time comes.
pub(super) fn settle(rules: &mut [Rule], problems: &mut Vec<Problem>, notices: &mut Vec<String>) {
    let mut latest: (Stage, Option<usize>) = (Stage::Head, None);
    for index in 0..rules.len() {
        let (earlier, rest) = rules.split_at_mut(index);
        let Some(rule) = rest.first_mut() else { break };
        let own = rule.own_stage();
        if own == Stage::Reply {
            problems.extend(rule.too_late());
            rule.stage = own;
            continue;
        }
        rule.stage = own.max(latest.0);
        if rule.stage > own
            && let Some(before) = latest.1.and_then(|before| earlier.get(before))
        {
            notices.push(format!(
                "the rule {} waits for the rule {} above it, which is asked only {}",
                rule.name,
                before.name,
                when(rule.stage)
            ));
        }
        if matches!(rule.action, Action::Rewrite { .. }) && rule.stage > Stage::Head {
            let problem = rule.place.problem("a rewrite has to be decided before the route is chosen");
            problems.push(problem.remedy(
                "use only what the request's head says, and put it above rules that need to know more",
            ));
        }
        let decides = matches!(
            rule.action,
            Action::Block(_) | Action::Skip { .. } | Action::Redirect { .. } | Action::Limit(_)
        );
        if decides && rule.stage > latest.0 {
            latest = (rule.stage, Some(index));
        }
    }
}

fn when(stage: Stage) -> &'static str {
    match stage {
        Stage::Head => "at once",
        Stage::Caller => "when the caller is known",
        Stage::Body => "when the body is there",
        Stage::Reply => "when the upstream has answered",
    }
}

impl Rule {
    /// When all is known that the rule names.
    fn own_stage(&self) -> Stage {
        let named = match &self.action {
            Action::Block(_) | Action::Log | Action::Skip { .. } => Stage::Head,
            Action::Redirect { to, .. } => to.stage(),
            Action::Rewrite { path, query } => {
                path.iter().chain(query).map(Text::stage).max().unwrap_or(Stage::Head)
            }
            Action::Headers(edits) => edits.stage(),
            Action::Limit(counted) => counted.stage(),
        };
        self.when.stage().max(named)
    }

    /// What cannot be done once the answer is on its way.
    fn too_late(&self) -> Option<Problem> {
        match &self.action {
            Action::Log => None,
            Action::Headers(edits) if !edits.edits_request() => None,
            Action::Limit(_) => {
                let problem =
                    self.place.problem("a limit cannot decide by the answer, which has been given by then");
                Some(problem.remedy("name what the answer says in `count`, and not in `when` or `per`"))
            }
            _ => {
                let problem =
                    self.place.problem("nothing but the answer's header can be changed once it is known");
                Some(problem.remedy("use only what the request says"))
            }
        }
    }
}

impl Counted {
    fn stage(&self) -> Stage {
        let per = self.per.iter().map(crate::expr::Formula::stage).max().unwrap_or(Stage::Head);
        let count = self
            .count
            .as_ref()
            .filter(|_| !self.is_late())
            .map_or(Stage::Head, crate::expr::Condition::stage);
        per.max(count)
    }
}
