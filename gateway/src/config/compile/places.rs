//! `lists`, `geo` and `rules`.

use http::HeaderName;
use rules::expr::Vocabulary;
use rules::geo::Atlas;
use rules::lists::{self, Lists};
use rules::policies::tenant::Tenant;
use rules::policy::Library;
use rules::problem::Place;
use rules::route::Table;
use rules::ruleset::{self, Ruleset, Terms};

use super::Problems;
use crate::config::raw::RawConfig;
use crate::snapshot::Route;

/// The lists, with what is to be said of them.
pub(super) struct Listed {
    lists: Lists,
    notices: Vec<String>,
    /// Whether all of them are there; without, a rule that names one would only repeat a problem.
    whole: bool,
}

pub(super) fn compile(
    raw: &RawConfig,
    library: &dyn Library,
    problems: &mut Problems,
) -> (Listed, Option<Atlas>) {
    let at = Place::root();
    let lists = problems.keep_all(lists::compile(&raw.lists, &at.key("lists"), library));
    let whole = lists.is_some();
    let (lists, notices) = lists.unwrap_or_default();
    let mut atlas: Option<Atlas> = None;
    for (index, path) in raw.geo.iter().flat_map(|files| files.iter()).enumerate() {
        let place = at.key("geo").item(index);
        let Some(file) = problems.keep(library.file(path).map_err(|why| place.problem(why))) else {
            continue;
        };
        let read = Atlas::read(file).map_err(|why| {
            place
                .problem(why)
                .remedy("name a file in MaxMind's format that tells countries, cities or networks")
        });
        let Some(read) = problems.keep(read) else { continue };
        atlas = Some(match atlas {
            Some(known) => known.and(read),
            None => read,
        });
    }
    (Listed { lists, notices, whole }, atlas)
}

pub(super) fn ruleset(
    raw: &RawConfig,
    listed: &Listed,
    geo: bool,
    owned: &[HeaderName],
    problems: &mut Problems,
) -> Option<(Ruleset, Vec<String>)> {
    if !listed.whole {
        return None;
    }
    let identities: Vec<String> = raw.identities.keys().cloned().collect();
    let words =
        Vocabulary { lists: &listed.lists, geo, identities: &identities, responses: false, bodies: true };
    let terms = Terms { words: &words, owned };
    let compiled = problems.keep_all(ruleset::compile(&raw.rules, &Place::root().key("rules"), terms));
    compiled.map(|(ruleset, notices)| (ruleset, [listed.notices.clone(), notices].concat()))
}

/// A field that a rule sets says nothing of what the client meant, and the upstream would get another tenant than the
/// one that was compared.
pub(super) fn rules_keep_tenants(
    (ruleset, _): &(Ruleset, Vec<String>),
    table: &Table<Route>,
    problems: &mut Problems,
) {
    for (name, place) in ruleset.sets() {
        let bound =
            |route: &&Route| route.tenant.iter().flat_map(Tenant::headers).any(|(bound, _)| bound == name);
        if let Some(route) = table.routes().iter().find(bound) {
            let problem = place.problem(format!(
                "the rule sets `{name}`, by which the route `{}` tells for which tenant a request is",
                route.name
            ));
            problems.push(problem.remedy("set another field"));
        }
    }
}
