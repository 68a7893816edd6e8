//! `webhooks`: each is a route whose callers prove themselves by a signature.

use std::sync::Arc;

use rules::moment::Moment;
use rules::policies::body::RawBody;
use rules::policies::limits::Limits;
use rules::policies::{RawScope, Scope};
use rules::policy::{Ground, Policy as _, Relaxed, RouteFacts};
use rules::problem::{Place, Problem};
use rules::route::{Methods, Pattern};
use rules::secret::Secret;
use rules::webhook::{Keyring, PRESETS, RawPreset, RawScheme, RawTerms, Scheme, SharedKey, Terms, preset};

use super::Problems;
use super::routes::Inherited;
use crate::config::raw::{Environment, RawConfig, RawSetting, RawWebhook};
use crate::config::{decode, parse, suggest};
use crate::snapshot::Route;
use crate::webhook::{Fetches, Used, Webhook};

/// A preset by its name.
///
/// # Errors
/// A sentence and a remedy.
pub(crate) fn known(name: &str) -> Result<RawPreset, (String, String)> {
    let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
    let text = preset(name).ok_or_else(|| {
        let near = suggest::nearest(name, names.iter().copied());
        let remedy = near.map_or_else(
            || "see `portcullis webhooks` for those that there are, or write `scheme:`".to_owned(),
            |near| format!("did you mean `{near}`? `portcullis webhooks` lists all of them"),
        );
        (format!("there is no provider `{name}`"), remedy)
    })?;
    let (tree, _) = parse(text);
    let read = tree.and_then(|tree| decode::<RawPreset>(&tree).0);
    read.ok_or_else(|| (format!("the preset `{name}` cannot be read"), "tell the maintainers".to_owned()))
}

/// Compiles the webhook at `index`.
pub(super) fn compile(
    inherited: &Inherited<'_>,
    index: usize,
    raw: &RawWebhook,
    problems: &mut Problems,
) -> Option<(Vec<Pattern>, Route)> {
    let (at, before) = (Place::root().key("webhooks").item(index), problems.0.len());
    let config = inherited.raw;
    super::name(&raw.name, &at.key("name"), "a webhook", problems);
    let taken = config.routes.iter().any(|route| route.name == raw.name)
        || config.webhooks.iter().take(index).any(|other| other.name == raw.name);
    if taken {
        let problem = at.key("name").problem(format!("the name `{}` is there twice", raw.name));
        problems.push(problem.remedy("rename it: routes and webhooks share their names"));
    }
    let pattern = Pattern::parse(&format!("* {}", raw.path))
        .map_err(|error| at.key("path").problem(error.message).remedy(error.remedy));
    let pattern = problems.keep(pattern);
    if pattern.as_ref().is_some_and(|pattern| pattern.names().next().is_some()) {
        let problem = at.key("path").problem("a webhook's path is a fixed one");
        problems.push(problem.remedy("write the path at which the provider calls, such as `/hooks/stripe`"));
    }
    if let Some(pattern) = &pattern {
        alone(config, pattern, &at.key("path"), problems);
    }
    let webhook = self::webhook(inherited, raw, &at, problems);
    let upstream = inherited.upstream(raw.upstream.as_ref(), &raw.name, &at, problems);
    let plan = problems.keep_all(plan(inherited, raw, &at));
    let timeouts = inherited.timeouts(&raw.timeouts, &at.key("timeouts"), problems);
    let (pattern, webhook, upstream, plan) = (pattern?, webhook?, upstream?, plan?);
    (problems.0.len() == before).then(|| {
        let route = Route {
            name: raw.name.as_str().into(),
            index: config.routes.len() + index,
            plan,
            upstream,
            timeouts,
            websocket: false,
            mode: raw.mode.unwrap_or(config.mode),
            tenant: None,
            identities: Vec::new(),
            hides: Vec::new(),
            webhook: Some(Arc::new(webhook)),
        };
        (vec![pattern], route)
    })
}

/// A route of the same path that names its methods would come first, and nobody would verify what it takes.
fn alone(config: &RawConfig, path: &Pattern, at: &Place, problems: &mut Problems) {
    let takes = |text: &String| {
        Pattern::parse(text).is_ok_and(|other| *other.methods() != Methods::Any && other.is_same_path(path))
    };
    for taker in config.routes.iter().filter(|route| route.pattern.iter().any(takes)) {
        let told = format!("the route `{}` would take deliveries that nobody verified", taker.name);
        problems.push(at.problem(told).remedy("give the route or the webhook another path"));
    }
}

/// What `defaults` says of browsers and bodies is not for providers; how large a body may be, what is counted, and how
/// answers look, is.
fn plan(inherited: &Inherited<'_>, raw: &RawWebhook, at: &Place) -> Result<rules::plan::Plan, Vec<Problem>> {
    let defaults = &inherited.raw.defaults;
    let outer = RawScope {
        limits: defaults.limits.clone(),
        headers: defaults.headers,
        body: defaults.body.as_ref().map(|body| RawBody { max: body.max, ..RawBody::default() }),
        ..RawScope::default()
    };
    let own = RawScope {
        limits: raw.limits.clone(),
        body: raw.max.map(|max| RawBody { max: Some(max), ..RawBody::default() }),
        ..RawScope::default()
    };
    // A provider's deliveries are as large as they are: to say so is no widening of what browsers may send.
    let relaxed = Relaxed::new(["body.max".to_owned()]);
    let known = inherited.known;
    let ground = |place: Place| Ground {
        place,
        relaxed: &relaxed,
        identities: known.identities,
        limits: known.limits,
        library: inherited.library,
    };
    // What is wrong with `defaults` is told there.
    let scope = Scope::default().settle(&outer, &ground(Place::root().key("defaults"))).unwrap_or_default();
    let scope = scope.settle(&own, &ground(at.clone()))?;
    debug_assert_eq!(Limits::KEY, "limits");
    let place = at.key("path");
    scope.plan(&RouteFacts { captures: &[], public: true, place, identities: &[], signed: true })
}

fn webhook(
    inherited: &Inherited<'_>,
    raw: &RawWebhook,
    at: &Place,
    problems: &mut Problems,
) -> Option<Webhook> {
    let scheme = scheme(raw, at, problems)?;
    let shared = secrets(inherited, raw, at, problems);
    let shared: Vec<SharedKey<'_>> = shared.iter().map(Named::key).collect();
    let keys = problems.keep_all(Keyring::compile(&scheme, &shared, &raw.public_keys, at));
    let settings = settings(inherited, raw, at, problems);
    let terms =
        RawTerms { name: &raw.name, base_url: raw.base_url.as_deref(), tolerance: raw.tolerance, settings };
    let terms = problems.keep_all(Terms::compile(&scheme, terms, at));
    let carriers = scheme.secret_headers().into_iter().cloned().collect();
    Some(Webhook {
        name: raw.name.as_str().into(),
        keys: keys?,
        terms: terms?,
        on_duplicate: raw.on_duplicate,
        carriers,
        scheme,
        fetches: Fetches::default(),
        used: Used::default(),
    })
}

fn scheme(raw: &RawWebhook, at: &Place, problems: &mut Problems) -> Option<Scheme> {
    let (mut written, place) = match (&raw.provider, &raw.scheme) {
        (Some(name), None) => {
            let place = at.key("provider");
            let known = known(name).map_err(|(what, remedy)| place.problem(what).remedy(remedy));
            (problems.keep(known)?.scheme, place)
        }
        (None, Some(scheme)) => (RawScheme::clone(scheme), at.key("scheme")),
        (Some(_), Some(_)) => {
            let problem = at.key("scheme").itself().problem("a webhook has either `provider` or `scheme`");
            problems.push(problem.remedy("remove one of them"));
            return None;
        }
        (None, None) => {
            let problem = at.problem(format!("nobody says how the webhook `{}` is signed", raw.name));
            problems.push(
                problem.remedy("write `provider: NAME`, as `portcullis webhooks` lists them, or `scheme:`"),
            );
            return None;
        }
    };
    let place = match &raw.replay {
        Some(replay) => {
            written.replay = Some(replay.clone());
            at.key("replay")
        }
        None => place,
    };
    problems.keep_all(Scheme::compile(&written, &place))
}

/// A secret with what is said of it.
struct Named {
    name: String,
    id: Option<String>,
    slot: Option<usize>,
    until: Option<Moment>,
    secret: Secret,
}

impl Named {
    fn key(&self) -> SharedKey<'_> {
        let Self { name, id, slot, until, secret } = self;
        SharedKey { name, id: id.as_deref(), slot: *slot, until: *until, secret }
    }
}

fn secrets(inherited: &Inherited<'_>, raw: &RawWebhook, at: &Place, problems: &mut Problems) -> Vec<Named> {
    let mut found = Vec::new();
    for (index, name) in raw.secret.iter().flat_map(|names| names.iter()).enumerate() {
        let place = at.key("secret").item(index);
        let values = problems.keep(inherited.library.secrets(name).map_err(|why| place.problem(why)));
        let written = inherited.raw.secrets.get(name).map(|all| all.0.as_slice()).unwrap_or_default();
        for (nth, (secret, said)) in values.into_iter().flatten().zip(written).enumerate() {
            let place = Place::root().key("secrets").key(name);
            let place = if written.len() > 1 { place.item(nth) } else { place };
            let until = said.until.as_deref().map(|text| {
                text.parse::<Moment>().map_err(|_| {
                    place
                        .key("until")
                        .problem(format!("`{text}` is not a date or a time"))
                        .remedy("write `2027-01-15` or `2027-01-15T09:30:00Z`")
                })
            });
            let until = until.and_then(|until| problems.keep(until));
            let called = said
                .id
                .clone()
                .unwrap_or_else(|| if written.len() > 1 { format!("{name}[{nth}]") } else { name.clone() });
            let slot = said.slot.and_then(|slot| usize::try_from(slot).ok());
            found.push(Named { name: called, id: said.id.clone(), slot, until, secret });
        }
    }
    found
}

fn settings(
    inherited: &Inherited<'_>,
    raw: &RawWebhook,
    at: &Place,
    problems: &mut Problems,
) -> std::collections::BTreeMap<String, Secret> {
    let mut settings = std::collections::BTreeMap::new();
    for (name, setting) in &raw.settings {
        let place = at.key("settings").key(name);
        let value = match setting {
            RawSetting::Text(_)
                if name.ends_with("token") && inherited.raw.environment != Environment::Development =>
            {
                let problem = place.problem(format!("`{name}` is a secret, and it stands in the file"));
                problems
                    .push(problem.remedy("write `{ secret: NAME }`, with the name of an entry of `secrets`"));
                continue;
            }
            RawSetting::Text(text) => Some(Secret::new(text.clone().into_bytes())),
            RawSetting::Secret(secret) => problems
                .keep(inherited.library.secret(secret).map_err(|why| place.key("secret").problem(why))),
        };
        settings.extend(value.map(|value| (name.clone(), value)));
    }
    settings
}

/// What an operator should know of the webhooks.
pub(super) fn notices(raw: &RawConfig, routes: &[Route]) -> Vec<String> {
    let webhooks = routes.iter().filter_map(|route| route.webhook.as_ref());
    let mut notices = Vec::new();
    for webhook in webhooks {
        let doubts = webhook.scheme.doubts();
        notices.extend(doubts.into_iter().map(|doubt| format!("the webhook {}: {doubt}", webhook.name)));
        let written = raw.webhooks.iter().find(|raw| *raw.name == *webhook.name);
        if webhook.scheme.signs_url() && written.is_some_and(|raw| raw.base_url.is_none()) {
            notices.push(format!(
                "the webhook {}: its provider signs the address that it calls; where that differs from what reaches the \
                 gateway, write `base_url`",
                webhook.name
            ));
        }
    }
    notices
}
