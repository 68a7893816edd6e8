//! `cors`: which other sites' pages may use an address (Fetch Standard, CORS protocol), and that no others change
//! anything there: a request that needs no preflight is judged by its `Origin` too.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::origin::{Entry, Origins};
use crate::policies::widening;
use crate::policy::{Gates, Ground, Policy, RouteFacts, Standing};
use crate::problem::{Place, Problem};
use crate::units::Time;

mod terms;

use terms::Terms;

/// Browsers keep a preflight's answer for no longer.
const MAX_AGE_LIMIT: Duration = Duration::from_hours(24);

/// `cors:` as written. What is not written is inherited.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCors {
    /// The sites whose pages may use the address: `https://app.example.com`, `https://*.example.com` for every
    /// subdomain (not the domain itself), or `*`. The service's own pages need not be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<Vec<String>>,
    /// Whether their requests may carry the caller's cookies. Only for origins that are written out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<bool>,
    /// The methods that preflights allow. Without it: GET, HEAD and POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// The header fields that pages may send, such as `authorization` and `content-type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<String>>,
    /// The header fields of the upstream's answers that pages may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose: Option<Vec<String>>,
    /// For how long browsers may keep the answer to a preflight: whole seconds, at most a day. Without it: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Time>,
    /// Whether pages of the public network may use the address where it is in a private one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_network: Option<bool>,
}

/// The rules for other sites' pages in force.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Arc<Origins>,
    credentials: bool,
    methods: Vec<Method>,
    headers: Names,
    expose: Names,
    max_age: Duration,
    private_network: bool,
    place: Place,
}

/// Names of header fields, or all of them.
#[derive(Clone, Debug, Default)]
struct Names {
    any: bool,
    names: Vec<HeaderName>,
}

impl Policy for Cors {
    const KEY: &'static str = "cors";
    type Raw = RawCors;

    fn settle(outer: Option<&Self>, raw: &RawCors, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let found = &mut problems;
        let written = raw.origins.as_ref().map(|texts| origins(texts, outer, ground, found));
        let origins =
            written.or_else(|| outer.map(|outer| Arc::clone(&outer.origins))).unwrap_or_else(|| {
                let problem = ground.place.problem("`cors` names no origin");
                found.push(problem.remedy("write `origins: [https://app.example.com]`"));
                Arc::new(Origins::new([]))
            });
        let inherited = outer.is_some_and(|outer| outer.credentials);
        let credentials = raw.credentials.unwrap_or(inherited);
        if credentials && !inherited && outer.is_some() && !ground.relaxed.permits("cors.credentials") {
            let what = "`credentials: true` lets other sites' pages use a caller's cookies";
            found.push(widening(&ground.place.key("credentials"), "cors.credentials", what));
        }
        let outer_methods = outer.map(|outer| outer.methods.clone());
        let methods = raw.methods.as_ref().map(|words| methods(words, &ground.place.key("methods"), found));
        let names =
            |key: &str, written: &Option<Vec<String>>, outer: Option<&Names>, found: &mut Vec<Problem>| {
                let own = written.as_ref().map(|words| Names::parse(words, &ground.place.key(key), found));
                own.or_else(|| outer.cloned()).unwrap_or_default()
            };
        let settled = Self {
            origins,
            credentials,
            methods: methods
                .or(outer_methods)
                .unwrap_or_else(|| vec![Method::GET, Method::HEAD, Method::POST]),
            headers: names("headers", &raw.headers, outer.map(|outer| &outer.headers), found),
            expose: names("expose", &raw.expose, outer.map(|outer| &outer.expose), found),
            max_age: match raw.max_age {
                Some(time) => max_age(time, &ground.place.key("max_age"), found),
                None => outer.map_or(Duration::from_mins(10), |outer| outer.max_age),
            },
            private_network: raw.private_network.unwrap_or(outer.is_some_and(|outer| outer.private_network)),
            place: ground.place.clone(),
        };
        if settled.credentials {
            found.extend(settled.too_open(raw));
        }
        if problems.is_empty() { Ok(settled) } else { Err(problems) }
    }

    fn stand(&self, _route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        if self.credentials {
            gates.origins = Some(Arc::clone(&self.origins));
        }
        let terms = Arc::new(Terms::new(self.clone()));
        let (policy, place) = (Self::KEY, || self.place.clone());
        gates.preflight = Some(Standing { policy, place: place(), gate: Arc::clone(&terms) as _ });
        gates.head.push(Standing { policy, place: place(), gate: Arc::clone(&terms) as _ });
        gates.reply.push(Standing { policy, place: place(), gate: terms });
        Ok(())
    }
}

impl Cors {
    /// What may not stand beside `credentials`: it would let any page act as the caller and read what comes of it.
    fn too_open(&self, raw: &RawCors) -> Vec<Problem> {
        let open = self.origins.entries().position(|entry| !Origins::new([entry]).are_exact());
        let places = [
            open.map(|index| ("origins", raw.origins.as_ref().map(|_| index))),
            self.headers.any.then_some(("headers", star(raw.headers.as_deref()))),
            self.expose.any.then_some(("expose", star(raw.expose.as_deref()))),
        ];
        let problem = |(key, own): (&str, Option<usize>)| {
            // What is inherited is not wrong where it stands; the credentials that are added here are.
            let inherited = || self.place.key("credentials");
            own.map_or_else(inherited, |index| self.place.key(key).item(index))
                .problem(format!(
                    "`credentials: true` goes only with `{key}` that are written out one by one"
                ))
                .remedy("name each, without `*`, or remove `credentials`")
        };
        places.into_iter().flatten().map(problem).collect()
    }
}

fn star(words: Option<&[String]>) -> Option<usize> {
    words?.iter().position(|word| word == "*")
}

fn origins(
    texts: &[String],
    outer: Option<&Cors>,
    ground: &Ground<'_>,
    problems: &mut Vec<Problem>,
) -> Arc<Origins> {
    let at = ground.place.key("origins");
    let mut entries: Vec<Entry> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let place = at.item(index);
        let entry = match Entry::parse(text) {
            Ok(entry) => entry,
            Err(error) => {
                problems.push(place.problem(format!("`{text}` {}", error.message)).remedy(error.remedy));
                continue;
            }
        };
        if entries.contains(&entry) {
            problems.push(twice(&entry.to_string(), &place));
        }
        if outer.is_some_and(|outer| !outer.origins.include(&entry))
            && !ground.relaxed.permits("cors.origins")
        {
            let what = format!("`{entry}` is not among the inherited origins");
            problems.push(widening(&place, "cors.origins", &what));
        }
        entries.push(entry);
    }
    if texts.is_empty() {
        let problem = at.problem("`origins` is empty");
        problems.push(problem.remedy("name at least one; to refuse every other site's page, name your own"));
    }
    Arc::new(Origins::new(entries))
}

fn twice(what: &str, place: &Place) -> Problem {
    place.problem(format!("`{what}` is there twice")).remedy("remove one of them")
}

fn methods(words: &[String], at: &Place, problems: &mut Vec<Problem>) -> Vec<Method> {
    let mut methods = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let upper = word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        let method = Method::from_bytes(word.as_bytes()).ok().filter(|_| upper);
        match method.filter(|method| !matches!(*method, Method::CONNECT | Method::TRACE)) {
            Some(method) if methods.contains(&method) => problems.push(twice(word, &at.item(index))),
            Some(method) => methods.push(method),
            None => problems.push(
                at.item(index)
                    .problem(format!("`{word}` is not a method that a page can use"))
                    .remedy("write each in upper case: `[GET, POST, DELETE]`"),
            ),
        }
    }
    if words.is_empty() {
        problems.push(at.problem("`methods` is empty").remedy("name at least one, or leave the key out"));
    }
    methods
}

fn max_age(time: Time, at: &Place, problems: &mut Vec<Problem>) -> Duration {
    if time.0 > MAX_AGE_LIMIT || time.0.subsec_nanos() > 0 {
        let problem = at.problem(format!("`max_age: {time}` is not a number of seconds up to a day"));
        problems.push(problem.remedy("write `10m`, or another duration from `0s` to `24h`"));
    }
    time.0
}

impl Names {
    fn parse(words: &[String], at: &Place, problems: &mut Vec<Problem>) -> Self {
        let mut parsed = Self::default();
        for (index, word) in words.iter().enumerate() {
            let place = at.item(index);
            let name = HeaderName::from_bytes(word.as_bytes()).ok().filter(|_| !word.contains('_'));
            match name {
                _ if word == "*" && parsed.any => problems.push(twice(word, &place)),
                _ if word == "*" => parsed.any = true,
                Some(name) if parsed.names.contains(&name) => problems.push(twice(word, &place)),
                Some(name) => parsed.names.push(name),
                None => problems.push(
                    place
                        .problem(format!("`{word}` is not a header name"))
                        .remedy("use letters, digits and `-`"),
                ),
            }
        }
        parsed
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.any.then_some("*").into_iter().chain(self.names.iter().map(HeaderName::as_str))
    }
}
