//! Raw configuration → [`Snapshot`], or every problem at once. Pure: files and the environment come through the
//! [`Library`].

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use rules::forwarding::Withheld;
use rules::identities::{self, Making};
use rules::limit::{self, Limit};
use rules::policy::{IdentityDef, Library};
use rules::problem::{Place, Problem};

use super::raw::{Environment, RawConfig};
use crate::identity::Identity;
use crate::snapshot::Snapshot;

mod listen;
mod logs;
mod places;
mod routes;
mod secrets;
pub(crate) mod state;
mod trials;
mod upstreams;
pub(crate) mod webhooks;

pub(crate) use trials::{assume_json, send};
pub(crate) use upstreams::is_server;

/// Collects problems while compilation goes on.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    fn keep_all<T>(&mut self, result: Result<T, Vec<Problem>>) -> Option<T> {
        result.map_err(|problems| self.0.extend(problems)).ok()
    }
}

/// Compiles a configuration.
///
/// # Errors
/// Every problem of it, each with its place.
pub fn compile(raw: &RawConfig, library: &dyn Library) -> Result<Snapshot, Vec<Problem>> {
    let at = Place::root();
    let mut problems = Problems::default();
    if raw.version != 1 {
        let problem = at.key("version").problem(format!("version {} is not known", raw.version));
        problems.push(problem.remedy("write `version: 1`"));
    }
    secrets::check(raw, &mut problems);
    let state = state::compile(raw, library, &mut problems);
    let site = listen::compile(raw, library, &mut problems);
    let upstreams = upstreams::compile(raw, library, &mut problems);
    let identities = identify(raw, library, &mut problems);
    replaced_identity(raw, &identities, &mut problems);
    let limits = limits(raw, &mut problems);
    let withheld = withheld(&identities);
    let (lists, atlas) = places::compile(raw, library, &mut problems);
    let ruleset = places::ruleset(raw, &lists, atlas.is_some(), &withheld, &mut problems);
    let known = routes::Known { upstreams: &upstreams, identities: &identities, limits: &limits };
    let routes = routes::compile(raw, known, library, &mut problems);
    if let Some((table, _)) = &routes {
        listen::client_ca_is_used(raw, table, &mut problems);
    }
    let hidden: Vec<_> = identities.values().flat_map(|identity| identity.hides.iter().cloned()).collect();
    let log = logs::compile(&raw.logs, &identities, &mut problems);
    let tests = trials::compile(raw, &mut problems);
    let (Some((table, unrouted)), Some(log), Some(ruleset)) = (routes, log, ruleset) else {
        return Err(problems.0);
    };
    places::rules_keep_tenants(&ruleset, &table, &mut problems);
    if !problems.0.is_empty() {
        return Err(problems.0);
    }
    let effective = serde_json::to_value(raw)
        .map_err(|error| vec![at.problem(format!("the configuration cannot be shown: {error}"))])?;
    // In the order of their names, which is that of their `index`.
    let identities: Vec<_> = identities.into_values().map(Identity::new).collect();
    let (ruleset, mut notices) = ruleset;
    notices.extend(webhooks::notices(raw, table.routes()));
    let counts = |name: &str| {
        let mut held = table.routes().iter().flat_map(|route| route.plan.limits().iter());
        held.any(|limit| &*limit.name == name)
    };
    let idle = raw.limits.keys().filter(|name| !counts(name));
    notices.extend(
        idle.map(|name| {
            format!("the limit {name} is named by no route and no webhook, so it counts nothing")
        }),
    );
    Ok(Snapshot {
        environment: raw.environment,
        release: raw.release.clone(),
        hash: hash(&effective),
        effective,
        state,
        site,
        mode: raw.mode,
        ruleset,
        atlas,
        notices,
        written_routes: raw.routes.len(),
        random: *uuid::Uuid::new_v4().as_bytes(),
        table,
        unrouted,
        upstreams: upstreams.into_values().collect(),
        identities,
        withheld: Withheld::new(withheld),
        hidden,
        log,
        tests,
    })
}

/// Header fields that only the gateway sets, or that are for it alone.
fn withheld(identities: &BTreeMap<String, Arc<IdentityDef>>) -> Vec<HeaderName> {
    let withheld = |identity: &Arc<IdentityDef>| [identity.owns.clone(), identity.carriers.clone()].concat();
    let mut withheld: Vec<_> = identities.values().flat_map(withheld).collect();
    withheld.sort_by(|left, right| left.as_str().cmp(right.as_str()));
    withheld.dedup();
    withheld
}

fn limits(raw: &RawConfig, problems: &mut Problems) -> BTreeMap<String, Arc<Limit>> {
    let at = Place::root().key("limits");
    let mut known = BTreeMap::new();
    for (name, limit) in &raw.limits {
        self::name(name, &at.key(name).itself(), "a limit", problems);
        let limit = problems.keep_all(limit::compile(name, limit, &at.key(name)));
        known.extend(limit.map(|limit| (name.clone(), Arc::new(limit))));
    }
    known
}

/// What an identity tells the upstream about a caller must not be what the configuration says about everybody.
fn replaced_identity(
    raw: &RawConfig,
    identities: &BTreeMap<String, Arc<IdentityDef>>,
    problems: &mut Problems,
) {
    let at = Place::root();
    for (upstream, header) in
        raw.upstreams.iter().flat_map(|(name, raw)| raw.inject.keys().map(move |key| (name, key)))
    {
        let owner = identities
            .values()
            .find(|identity| identity.owns.iter().any(|own| own.as_str().eq_ignore_ascii_case(header)));
        if let Some(owner) = owner {
            let place = at.key("upstreams").key(upstream).key("inject").key(header).itself();
            let problem = place.problem(format!(
                "`{header}` would replace what the identity `{}` tells about the caller",
                owner.name
            ));
            problems.push(problem.remedy("inject under another name, or do not forward it"));
        }
    }
}

fn identify(
    raw: &RawConfig,
    library: &dyn Library,
    problems: &mut Problems,
) -> BTreeMap<String, Arc<IdentityDef>> {
    let at = Place::root().key("identities");
    let mut known = BTreeMap::new();
    for (index, (name, identity)) in raw.identities.iter().enumerate() {
        let production = raw.environment == Environment::Production;
        // It names a file in the state folder, too.
        self::name(name, &at.key(name).itself(), "an identity", problems);
        // One that cannot be read is reported where it is named, and not here as missing.
        let client_ca = raw.listen.https.as_ref().is_some_and(|https| https.client_ca.is_some());
        let making = Making { name, index, at: at.key(name), library, production, client_ca };
        let compiled = problems.keep_all(identities::compile(identity, &making));
        let identity = compiled.unwrap_or_else(|| identities::broken(&making));
        known.insert(name.clone(), Arc::new(identity));
    }
    known
}

/// The first 12 hexadecimal digits of the effective configuration's SHA-256.
fn hash(effective: &serde_json::Value) -> String {
    use std::fmt::Write as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, effective.to_string().as_bytes());
    digest.as_ref().iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a configured name can stand in logs, metrics and header values: a word of letters, digits, `-`, `_`
/// and `.`.
fn name(name: &str, place: &Place, what: &str, problems: &mut Problems) {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) {
        problems.push(
            place
                .problem(format!("`{name}` cannot be the name of {what}"))
                .remedy("use letters, digits, `-`, `_` and `.`, at most 64"),
        );
    }
}

/// A written reason says something.
fn reason(text: &str, place: &Place, problems: &mut Problems) {
    problems.0.extend(place.weigh_reason(text));
}
