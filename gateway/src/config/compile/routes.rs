//! `defaults` and `routes`: scopes, gates and the table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rules::limit::Limit;
use rules::plan::Plan;
use rules::policies::identity::IdentityRef;
use rules::policies::tenant::{RawPlace, Tenant};
use rules::policies::{Scope, monotone_keys};
use rules::policy::{Ground, IdentityDef, Library, Relaxed, RouteFacts};
use rules::problem::Place;
use rules::route::{Pattern, Table};

use super::Problems;
use crate::config::raw::{RawConfig, RawRoute, RawTimeouts};
use crate::config::suggest;
use crate::snapshot::{Route, Timeouts};
use crate::upstream::{Scheme, Upstream};

/// Where `defaults` says nothing.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(2),
    first_byte: Duration::from_secs(30),
    stream_idle: Duration::from_mins(2),
};

/// What routes may name.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) upstreams: &'a BTreeMap<String, Arc<Upstream>>,
    pub(super) identities: &'a BTreeMap<String, Arc<IdentityDef>>,
    pub(super) limits: &'a BTreeMap<String, Arc<Limit>>,
}

/// What routes and webhooks have around them.
pub(super) struct Inherited<'a> {
    pub(super) raw: &'a RawConfig,
    scope: Scope,
    /// Whether `scope` is all that `defaults` says; without it, nothing of it is known.
    whole: bool,
    timeouts: Timeouts,
    pub(super) known: Known<'a>,
    pub(super) library: &'a dyn Library,
    tenant_names: Vec<String>,
}

pub(super) fn compile(
    raw: &RawConfig,
    known: Known<'_>,
    library: &dyn Library,
    problems: &mut Problems,
) -> Option<(Table<Route>, Plan)> {
    let at = Place::root().key("defaults");
    let relaxed = Relaxed::default();
    let Known { identities, limits, .. } = known;
    let ground = Ground { place: at.clone(), relaxed: &relaxed, identities, limits, library };
    let settled = problems.keep_all(Scope::default().settle(&raw.defaults.scope(), &ground));
    let timeouts = timeouts(TIMEOUTS, &raw.defaults.timeouts, &at.key("timeouts"), problems);
    let whole = settled.is_some();
    let scope = settled.unwrap_or_default();
    let tenant_names = tenant_names(raw);
    let inherited = Inherited { raw, scope, whole, timeouts, known, library, tenant_names };
    let at = Place::root().key("routes");
    if raw.routes.is_empty() && raw.webhooks.is_empty() {
        problems.push(
            at.problem("there is no route, so every request would be refused").remedy("write at least one"),
        );
    }
    let mut compiled = Vec::new();
    for (index, route) in raw.routes.iter().enumerate() {
        let at = at.item(index);
        super::name(&route.name, &at.key("name"), "a route", problems);
        if let Some(earlier) = raw.routes.iter().take(index).position(|other| other.name == route.name) {
            let problem = at.key("name").problem(format!("the name `{}` is there twice", route.name));
            problems.push(problem.remedy(format!("rename it; the first is routes[{earlier}]")));
        }
        let patterns = patterns(route, &at.key("match"), problems);
        let route = self::route(&inherited, index, route, &patterns, &at, problems);
        compiled.extend(route.map(|route| (patterns, route)));
    }
    for (index, webhook) in raw.webhooks.iter().enumerate() {
        compiled.extend(super::webhooks::compile(&inherited, index, webhook, problems));
    }
    // Without what is inherited, and without every route, the table would only repeat problems.
    if !whole || compiled.len() != raw.routes.len() + raw.webhooks.len() {
        return None;
    }
    let table = Table::compile(compiled).map_err(|ambiguities| {
        let hooks = raw.webhooks.iter().map(|webhook| webhook.name.as_str());
        let names: Vec<&str> = raw.routes.iter().map(|route| route.name.as_str()).chain(hooks).collect();
        let name = |index: usize| names.get(index).copied().unwrap_or_default();
        let place = |index: usize| match index.checked_sub(raw.routes.len()) {
            Some(webhook) => Place::root().key("webhooks").item(webhook).key("path"),
            None => at.item(index).key("match"),
        };
        let problem = |ambiguity: rules::route::Ambiguity| {
            place(ambiguity.right)
                .problem(format!(
                    "`{}` could go to the route `{}` and to the route `{}`",
                    ambiguity.example,
                    name(ambiguity.left),
                    name(ambiguity.right)
                ))
                .remedy("make one of them more specific, or join them")
        };
        ambiguities.into_iter().map(problem).collect::<Vec<_>>()
    });
    let table = problems.keep_all(table)?;
    let place = Place::root().key("defaults");
    let nowhere = RouteFacts { captures: &[], public: true, place, identities: &[], signed: false };
    let unrouted = problems.keep_all(inherited.scope.plan(&nowhere))?;
    Some((table, unrouted))
}

fn patterns(route: &RawRoute, at: &Place, problems: &mut Problems) -> Vec<Pattern> {
    if route.pattern.is_empty() {
        problems
            .push(at.problem("`match` is empty").remedy("write method and path: `GET /v1/{tenant}/files`"));
    }
    let mut patterns = Vec::new();
    for (index, text) in route.pattern.iter().enumerate() {
        let pattern =
            Pattern::parse(text).map_err(|error| at.item(index).problem(error.message).remedy(error.remedy));
        patterns.extend(problems.keep(pattern));
    }
    patterns
}

fn route(
    inherited: &Inherited<'_>,
    index: usize,
    raw: &RawRoute,
    patterns: &[Pattern],
    at: &Place,
    problems: &mut Problems,
) -> Option<Route> {
    let before = problems.0.len();
    let upstream = upstream(inherited, raw.upstream.as_ref(), &raw.name, at, problems);
    let relaxed = relaxed(raw, at, problems);
    let ground = Ground {
        place: at.clone(),
        relaxed: &relaxed,
        identities: inherited.known.identities,
        limits: inherited.known.limits,
        library: inherited.library,
    };
    let scope = problems.keep_all(inherited.scope.settle(&raw.scope(), &ground));
    if problems.0.len() == before {
        for key in relaxed.unused() {
            problems.push(
                at.key("relax")
                    .key(key)
                    .itself()
                    .problem(format!("nothing here widens `{key}`, so its `relax` has no effect"))
                    .remedy("remove it"),
            );
        }
    }
    let scope = scope?;
    let captures: Vec<String> = captures(patterns, at, problems);
    let identities = identities(inherited, raw, &scope, at, problems);
    // Where `defaults` is broken, what it says about tenants is not in the scope.
    if inherited.whole || inherited.raw.defaults.tenant.is_none() {
        tenant_is_bound(inherited, raw, &scope, &captures, at, problems);
    }
    if let (Some(upstream), None) = (&upstream, &raw.public) {
        tenant_is_kept(&scope, upstream, problems);
    }
    let facts = RouteFacts {
        captures: &captures,
        public: raw.public.is_some(),
        place: at.key("match"),
        identities: &identities,
        signed: false,
    };
    let plan = problems.keep_all(scope.plan(&facts));
    let timeouts = timeouts(inherited.timeouts, &raw.timeouts, &at.key("timeouts"), problems);
    if raw.websocket
        && upstream
            .as_ref()
            .is_some_and(|upstream| upstream.servers.iter().any(|server| server.scheme == Scheme::H2c))
    {
        problems.push(
            at.key("websocket")
                .problem("a WebSocket cannot go to an h2c server")
                .remedy("use an upstream with http:// or https:// servers"),
        );
    }
    let (plan, upstream) = (plan?, upstream?);
    (problems.0.len() == before).then(|| Route {
        name: raw.name.as_str().into(),
        index,
        plan,
        upstream,
        timeouts,
        websocket: raw.websocket,
        mode: raw.mode.unwrap_or(inherited.raw.mode),
        hides: identities.iter().flat_map(|identity| identity.hides.iter().cloned()).collect(),
        tenant: scope.tenant.filter(|_| raw.public.is_none()),
        identities,
        webhook: None,
    })
}

impl Inherited<'_> {
    /// How long the upstream may take.
    pub(super) fn timeouts(&self, raw: &RawTimeouts, at: &Place, problems: &mut Problems) -> Timeouts {
        timeouts(self.timeouts, raw, at, problems)
    }

    /// The upstream that is named here or under `defaults`.
    pub(super) fn upstream(
        &self,
        own: Option<&String>,
        route: &str,
        at: &Place,
        problems: &mut Problems,
    ) -> Option<Arc<Upstream>> {
        upstream(self, own, route, at, problems)
    }
}

fn upstream(
    inherited: &Inherited<'_>,
    own: Option<&String>,
    route: &str,
    at: &Place,
    problems: &mut Problems,
) -> Option<Arc<Upstream>> {
    let (name, place) = match (own, &inherited.raw.defaults.upstream) {
        (Some(name), _) => (name, at.key("upstream")),
        (None, Some(name)) => (name, Place::root().key("defaults").key("upstream")),
        (None, None) => {
            let problem = at.problem(format!("the route `{route}` has no upstream"));
            problems.push(problem.remedy("write `upstream: NAME` here or under `defaults`"));
            return None;
        }
    };
    if let Some(upstream) = inherited.known.upstreams.get(name) {
        return Some(Arc::clone(upstream));
    }
    // One that is defined and did not compile has been reported already.
    if !inherited.raw.upstreams.contains_key(name) {
        let known: Vec<&str> = inherited.raw.upstreams.keys().map(String::as_str).collect();
        let problem = place.problem(format!("there is no upstream `{name}`"));
        problems.push(problem.remedy(suggest::remedy_or_all(name, &known)));
    }
    None
}

fn relaxed(raw: &RawRoute, at: &Place, problems: &mut Problems) -> Relaxed {
    let known: Vec<&str> = monotone_keys().collect();
    for (key, why) in &raw.relax {
        let place = at.key("relax").key(key);
        if !known.contains(&key.as_str()) {
            let problem = place.itself().problem(format!("`{key}` is not a key that can be relaxed"));
            let remedy = suggest::nearest(key, known.iter().copied()).map_or_else(
                || format!("remove it; only {} can be relaxed", suggest::list(&known)),
                |near| format!("did you mean `{near}`?"),
            );
            problems.push(problem.remedy(remedy));
        }
        super::reason(why, &place, problems);
    }
    Relaxed::new(raw.relax.keys().filter(|key| known.contains(&key.as_str())).cloned())
}

/// The names that every pattern of the route captures; one that only some do could be absent.
fn captures(patterns: &[Pattern], at: &Place, problems: &mut Problems) -> Vec<String> {
    let mut names: Vec<String> = patterns.iter().flat_map(Pattern::names).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    for name in &names {
        if !patterns.iter().all(|pattern| pattern.captures(name)) {
            let problem =
                at.key("match").problem(format!("only some of the route's patterns capture `{name}`"));
            problems.push(problem.remedy("capture it in each, or make two routes of it"));
        }
    }
    names
}

fn identities(
    inherited: &Inherited<'_>,
    raw: &RawRoute,
    scope: &Scope,
    at: &Place,
    problems: &mut Problems,
) -> Vec<Arc<IdentityDef>> {
    let Some(why) = &raw.public else {
        let identities: Vec<_> = scope.identity.iter().flat_map(IdentityRef::defs).cloned().collect();
        // An identity that `defaults` names and that is not in the scope: what is wrong there is reported there.
        let told = !inherited.whole && inherited.raw.defaults.identity.is_some();
        if identities.is_empty() && !told {
            let problem = at.problem(format!(
                "the route `{}` is open: it has neither an identity nor a reason to be public",
                raw.name
            ));
            problems.push(
                problem.remedy("write `identity: NAME` here or under `defaults`, or `public: \"<reason>\"`"),
            );
        }
        return identities;
    };
    super::reason(why, &at.key("public"), problems);
    let contradictions = [
        ("identity", raw.identity.is_some()),
        ("require", raw.require.is_some()),
        ("tenant", raw.tenant.is_some()),
        ("csrf", raw.csrf.is_some()),
    ];
    for (key, written) in contradictions {
        if written {
            let problem = at
                .key(key)
                .itself()
                .problem(format!("`{key}` has no effect on a public route: nobody is identified there"));
            problems.push(problem.remedy(format!("remove `public` or `{key}`")));
        }
    }
    Vec::new()
}

/// The names of captures that stand for a tenant, without what people write differently: `tenant`, `tenant_id`, and what
/// this file binds anywhere.
fn tenant_names(raw: &RawConfig) -> Vec<String> {
    let written = raw.routes.iter().filter_map(|route| route.tenant.as_ref()).chain(&raw.defaults.tenant);
    let bound = written.flat_map(|places| places.iter().filter_map(RawPlace::capture));
    ["tenant", "tenantid"].into_iter().chain(bound).map(folded).collect()
}

fn folded(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// Promise 3: a captured tenant is compared with the caller's.
fn tenant_is_bound(
    inherited: &Inherited<'_>,
    raw: &RawRoute,
    scope: &Scope,
    captures: &[String],
    at: &Place,
    problems: &mut Problems,
) {
    if raw.public.is_some() {
        return;
    }
    let bound = |name: &str| scope.tenant.as_ref().is_some_and(|tenant| tenant.binds_capture(name));
    let names_tenant = |name: &&String| inherited.tenant_names.contains(&folded(name));
    for name in captures.iter().filter(names_tenant).filter(|name| !bound(name)) {
        let problem = at.key("match").problem(format!(
            "the route `{}` captures `{{{name}}}` and does not bind it to the caller",
            raw.name
        ));
        let elsewhere = if folded(name).starts_with("tenant") {
            String::new()
        } else {
            ", as another route does; if it is no tenant here, capture it under another name".to_owned()
        };
        problems.push(problem.remedy(format!("write `tenant: path.{name}`{elsewhere}")));
    }
}

/// A field that the upstream's `inject` replaces says nothing of what the client meant.
fn tenant_is_kept(scope: &Scope, upstream: &Upstream, problems: &mut Problems) {
    for (header, place) in scope.tenant.iter().flat_map(Tenant::headers) {
        if upstream.inject.iter().any(|(name, _)| name == header) {
            let problem = place.problem(format!(
                "the upstream `{}` gets its own `{header}`, not the client's",
                upstream.name
            ));
            problems.push(problem.remedy("name another field, or do not inject this one"));
        }
    }
}

fn timeouts(outer: Timeouts, raw: &RawTimeouts, at: &Place, problems: &mut Problems) -> Timeouts {
    for (key, time) in
        [("connect", raw.connect), ("first_byte", raw.first_byte), ("stream_idle", raw.stream_idle)]
    {
        if time.is_some_and(|time| time.0.is_zero() || time.0 > Duration::from_hours(24)) {
            problems.push(
                at.key(key)
                    .problem(format!("`{key}` is out of range"))
                    .remedy("write a duration above 0 and at most 24h"),
            );
        }
    }
    Timeouts {
        connect: raw.connect.map_or(outer.connect, |time| time.0),
        first_byte: raw.first_byte.map_or(outer.first_byte, |time| time.0),
        stream_idle: raw.stream_idle.map_or(outer.stream_idle, |time| time.0),
    }
}
