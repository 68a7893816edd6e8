//! The configuration's rules, as the walk shows them.

use rules::expr::Stage;
use rules::verdict::Refusal;

use super::Row;
use crate::config::load::Loaded;
use crate::pipeline::log::masked;
use crate::pipeline::{Way, decide};
use crate::state::Store;
use crate::visit::Visit;

/// Asks the rules of one stage; the row of the one that ends the walk.
pub(super) fn ask_rules(
    loaded: &Loaded,
    visit: &mut Visit,
    head: &http::request::Parts,
    (stage, body): (Stage, &[u8]),
    store: &Store,
    rows: &mut Vec<Row>,
) -> Option<Row> {
    let before = visit.walk.matched.len();
    let way = decide::rules(visit, head, stage, Some(body), store);
    matched(loaded, visit, before, rows);
    let row = |verdict: String, line, why| Row { gate: "rules".to_owned(), verdict, line, why: Some(why) };
    match way {
        Ok(Way::Redirect(status, to)) => {
            let to = String::from_utf8_lossy(&to).into_owned();
            Some(row(
                format!("redirect {}", status.as_u16()),
                None,
                masked(&to, &visit.snapshot.hidden).into_owned(),
            ))
        }
        Ok(_) => None,
        Err(refusal) => {
            let verdict = format!("refuse {} {}", refusal.status().as_u16(), refusal.code);
            Some(row(verdict, rule_line(loaded, visit, &refusal), refusal.private.into_owned()))
        }
    }
}

/// A row for each rule that matched, from the one at `from` on; how many.
pub(super) fn matched(loaded: &Loaded, visit: &Visit, from: usize, rows: &mut Vec<Row>) -> usize {
    let found = visit.walk.matched.get(from..).unwrap_or_default().iter();
    let found = found.filter_map(|index| visit.snapshot.ruleset.get(usize::from(*index)));
    let before = rows.len();
    rows.extend(found.map(|rule| Row {
        gate: "rules".to_owned(),
        verdict: format!("match {}", rule.does()),
        line: loaded.line(&rule.place),
        why: Some(format!("rule {}{}", rule.name, if rule.observes { ", which only observes" } else { "" })),
    }));
    rows.len() - before
}

/// The line of the rule that refused.
pub(super) fn rule_line(loaded: &Loaded, visit: &Visit, refusal: &Refusal) -> Option<usize> {
    let name = refusal.rule()?;
    let rule = visit.snapshot.ruleset.iter().find(|rule| rule.name == *name)?;
    loaded.line(&rule.place)
}
