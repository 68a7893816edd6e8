//! `cookies`: how the upstream's cookies are handed on (RFC 6265bis): out of reach of scripts, of plain http and of
//! other sites.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;
use http::header::SET_COOKIE;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::widening;
use crate::policy::{Gates, Ground, Policy, ReplyFields, ReplyGate, RouteFacts, Speaker, Standing};
use crate::problem::{Place, Problem};
use crate::set_cookie::{SameSite, SetCookie, Terms};
use crate::view::View;

/// `cookies:` as written; what is left out is inherited.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCookies {
    /// Whether every cookie gets `Secure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure: Option<bool>,
    /// Whether every cookie gets `HttpOnly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_only: Option<bool>,
    /// The loosest `SameSite` that a cookie may have; one without any gets this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_site: Option<SameSite>,
    /// Cookies by name for which something of this does not hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub except: BTreeMap<String, RawException>,
}

/// An exception for one cookie: what it names differs.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawException {
    /// Why.
    pub reason: String,
    /// As above, for this cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure: Option<bool>,
    /// As above, for this cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_only: Option<bool>,
    /// As above, for this cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_site: Option<SameSite>,
}

/// The terms in force.
#[derive(Clone, Debug)]
pub struct Cookies {
    terms: Terms,
    except: BTreeMap<String, Terms>,
    place: Place,
}

impl Policy for Cookies {
    const KEY: &'static str = "cookies";
    type Raw = RawCookies;

    fn settle(outer: Option<&Self>, raw: &RawCookies, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let inherited = outer.map_or(Terms::default(), |outer| outer.terms);
        let terms = Terms {
            secure: raw.secure.unwrap_or(inherited.secure),
            http_only: raw.http_only.unwrap_or(inherited.http_only),
            same_site: raw.same_site.or(inherited.same_site),
        };
        let mut problems = Vec::new();
        if terms == Terms::default() {
            let problem = ground.place.problem("`cookies` asks for nothing");
            problems.push(
                problem.remedy("write `secure: true`, `http_only: true` or `same_site: lax`, or remove it"),
            );
        }
        none_is_secure(terms, &ground.place, &mut problems);
        let mut except = outer.map(|outer| outer.except.clone()).unwrap_or_default();
        for (name, raw) in &raw.except {
            let at = ground.place.key("except").key(name);
            let excepted = exception(name, raw, terms, &at, &mut problems);
            except.insert(name.clone(), excepted);
        }
        let settled = Self { terms, except, place: ground.place.clone() };
        if let Some(outer) = outer
            && let Some(what) = settled.looser_than(outer)
            && !ground.relaxed.permits(Self::KEY)
        {
            problems.push(widening(&ground.place, Self::KEY, &what));
        }
        if problems.is_empty() { Ok(settled) } else { Err(problems) }
    }

    fn stand(&self, _: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        let gate = Arc::new(Rewrite { terms: self.terms, except: self.except.clone() });
        gates.reply.push(Standing { policy: Self::KEY, place: self.place.clone(), gate });
        Ok(())
    }
}

impl Cookies {
    /// What of this lets a cookie be more exposed than `outer` does.
    fn looser_than(&self, outer: &Self) -> Option<String> {
        if !self.terms.at_least(outer.terms) {
            return Some("cookies are less protected".to_owned());
        }
        let of = |policy: &Self, name: &str| policy.except.get(name).copied().unwrap_or(policy.terms);
        let names = self.except.keys().chain(outer.except.keys());
        let mut looser = names.filter(|name| !of(self, name).at_least(of(outer, name)));
        looser.next().map(|name| format!("the cookie `{name}` is less protected"))
    }
}

fn exception(name: &str, raw: &RawException, terms: Terms, at: &Place, problems: &mut Vec<Problem>) -> Terms {
    let excepted = Terms {
        secure: raw.secure.unwrap_or(terms.secure),
        http_only: raw.http_only.unwrap_or(terms.http_only),
        same_site: raw.same_site.or(terms.same_site),
    };
    problems.extend(at.key("reason").weigh_reason(&raw.reason));
    if excepted == terms {
        let problem = at.itself().problem(format!("the exception for `{name}` changes nothing"));
        problems
            .push(problem.remedy("name what differs: `secure`, `http_only` or `same_site`; or remove it"));
    }
    let prefixed =
        ["__secure-", "__host-"].iter().any(|prefix| name.to_ascii_lowercase().starts_with(prefix));
    if prefixed && !excepted.secure {
        let problem = at.problem(format!("browsers refuse a cookie `{name}` that is not `Secure`"));
        problems.push(problem.remedy("leave it `secure: true`, or rename the cookie"));
    }
    none_is_secure(excepted, at, problems);
    excepted
}

fn none_is_secure(terms: Terms, at: &Place, problems: &mut Vec<Problem>) {
    if terms.same_site == Some(SameSite::None) && !terms.secure {
        let problem = at.problem("browsers refuse a cookie with `same_site: none` that is not `Secure`");
        problems.push(problem.remedy("add `secure: true`"));
    }
}

struct Rewrite {
    terms: Terms,
    except: BTreeMap<String, Terms>,
}

impl ReplyGate for Rewrite {
    fn edit(&self, _: &View<'_>, speaker: Speaker, fields: &mut dyn ReplyFields) {
        if speaker == Speaker::Gateway || !fields.all().contains_key(SET_COOKIE) {
            return;
        }
        let written: Vec<HeaderValue> = fields.all().get_all(SET_COOKIE).iter().cloned().collect();
        fields.remove(&SET_COOKIE);
        for field in written {
            let cookie = SetCookie::parse(field.as_bytes());
            let terms = std::str::from_utf8(cookie.name()).ok().and_then(|name| self.except.get(name));
            // What cannot be written as a field any more is not handed on.
            if let Ok(rewritten) = HeaderValue::from_bytes(&cookie.under(*terms.unwrap_or(&self.terms))) {
                fields.append(SET_COOKIE, rewritten);
            }
        }
    }
}
