//! `tests`: requests with the expected verdict.

use http::Method;
use rules::problem::{Place, Problem};
use rules::verdict::Code;

use super::Problems;
use crate::config::raw::{RawConfig, RawTest};
use crate::config::suggest;
use crate::snapshot::{Expectation, Test};

pub(super) fn compile(raw: &RawConfig, problems: &mut Problems) -> Vec<Test> {
    let at = Place::root().key("tests");
    let known: Vec<&str> = raw.identities.keys().map(String::as_str).collect();
    let test = |(index, raw): (usize, &RawTest)| problems.keep(test(index, raw, &known, &at.item(index)));
    raw.tests.iter().enumerate().filter_map(test).collect()
}

fn test(index: usize, raw: &RawTest, identities: &[&str], at: &Place) -> Result<Test, Problem> {
    let (method, target) = send(&raw.send).ok_or_else(|| {
        at.key("send")
            .problem(format!("`{}` is not a request", raw.send))
            .remedy("write method and path: `GET /v1/acme/files`")
    })?;
    if let Some(named) = raw.caller.as_ref().and_then(|facts| facts.get("identity"))
        && !named.as_str().is_some_and(|name| identities.contains(&name))
    {
        let named = named.as_str().map_or_else(|| named.to_string(), str::to_owned);
        let problem = at.key("as").key("identity").problem(format!("there is no identity `{named}`"));
        return Err(problem.remedy(suggest::remedy_or_all(&named, identities)));
    }
    let mut headers: Vec<_> = raw.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(origin) = &raw.origin {
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("origin")) {
            let problem = at.key("origin").problem("the test's `headers` name an origin too");
            return Err(problem.remedy("remove one of them"));
        }
        headers.push(("origin".to_owned(), origin.clone()));
    }
    if raw.body.is_some() {
        assume_json(&mut headers);
    }
    Ok(Test {
        index,
        caller: raw.caller.clone(),
        method,
        target,
        headers,
        body: raw.body.clone().unwrap_or_default().into_bytes(),
        expect: expectation(&raw.expect, &at.key("expect"))?,
        written: (raw.send.clone(), raw.expect.clone()),
    })
}

/// A body that is told without a type is JSON.
pub(crate) fn assume_json(fields: &mut Vec<(String, String)>) {
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        fields.push(("content-type".to_owned(), "application/json".to_owned()));
    }
}

/// `METHOD /path?query`, as tests and `explain` take it.
pub(crate) fn send(text: &str) -> Option<(Method, String)> {
    let (method, target) = text.trim().split_once(' ')?;
    let target = target.trim();
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    target.starts_with('/').then(|| (method, target.to_owned()))
}

fn expectation(text: &str, place: &Place) -> Result<Expectation, Problem> {
    if text.trim() == "allow" {
        return Ok(Expectation::Allow);
    }
    let mut words = text.split_whitespace();
    let status = words.next().and_then(|word| word.parse().ok()).filter(|status| (200..600).contains(status));
    let (Some(status), code, None) = (status, words.next(), words.next()) else {
        let problem = place.problem(format!("`{text}` is not an expectation"));
        return Err(problem.remedy("write `allow`, a status, or a status and a code: `403 tenant_mismatch`"));
    };
    if let Some(code) = code {
        let known: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        match Code::ALL.iter().find(|known| known.name() == code) {
            None => {
                return Err(place
                    .problem(format!("there is no code `{code}`"))
                    .remedy(suggest::remedy_or_all(code, &known)));
            }
            Some(known) if known.status().as_u16() != status => {
                let problem = place
                    .problem(format!("`{code}` goes with status {}, not {status}", known.status().as_u16()));
                return Err(problem.remedy(format!("write `{} {code}`", known.status().as_u16())));
            }
            Some(_) => {}
        }
    }
    Ok(Expectation::Answer(status, code.map(str::to_owned)))
}
