//! `logs`: what is logged, and what is blotted out of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use rules::policy::IdentityDef;
use rules::problem::Place;
use rules::query::is_twin;

use super::Problems;
use crate::config::raw::RawLogs;
use crate::redact::{Kind, Redactor};
use crate::snapshot::LogRules;

/// Fields that carry proofs or sessions: never logged, whatever the configuration lists.
const NEVER: &[&str] = &["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"];

pub(super) fn compile(
    raw: &RawLogs,
    identities: &BTreeMap<String, Arc<IdentityDef>>,
    problems: &mut Problems,
) -> Option<LogRules> {
    let at = Place::root().key("logs");
    let carrier = |name: &HeaderName| identities.values().any(|identity| identity.carriers.contains(name));
    let mut headers = Vec::new();
    for (index, text) in raw.access.headers.iter().enumerate() {
        let place = at.key("access").key("headers").item(index);
        match HeaderName::from_bytes(text.as_bytes()) {
            Ok(name) if NEVER.contains(&name.as_str()) || carrier(&name) => problems.push(
                place
                    .problem(format!("`{text}` carries credentials and is never logged"))
                    .remedy("remove it"),
            ),
            Ok(name) => headers.push(name),
            Err(_) => problems.push(
                place.problem(format!("`{text}` is not a header name")).remedy("use letters, digits and `-`"),
            ),
        }
    }
    for (index, name) in raw.access.query.iter().enumerate() {
        let mut hidden = identities.values().flat_map(|identity| &identity.hides);
        if hidden.any(|hidden| is_twin(name, hidden)) {
            let place = at.key("access").key("query").item(index);
            let problem = place.problem(format!("`{name}` carries an identity's tokens and is never logged"));
            problems.push(problem.remedy("remove it"));
        }
    }
    let kinds = raw.redact.clone().unwrap_or_else(|| Kind::ALL.to_vec());
    let redactor = Redactor::compile(&kinds)
        .map_err(|error| at.key("redact").problem(format!("the patterns do not compile: {error}")));
    Some(LogRules {
        to: raw.access.to.clone(),
        headers,
        query: raw.access.query.clone(),
        redactor: problems.keep(redactor)?,
    })
}
