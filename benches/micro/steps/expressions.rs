//! `rules/…`: a request is asked about 10 to 10,000 rules, none of which it meets, with the index and without; and what
//! single operators cost.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, Method};
use rules::expr::{Candidates, Condition, Facts, Formula, Head, Index, Vocabulary};
use rules::lists::Lists;

use crate::visit::fields;
use crate::{Fallible, Run, Step};

const INDEXED: [usize; 4] = [10, 100, 1_000, 10_000];
const ONE_BY_ONE: [usize; 3] = [10, 100, 1_000];
/// Single conditions, each with whether it holds.
const CONDITIONS: [(&str, &str, bool); 8] = [
    ("equal", r#"http.host eq "app.example.com""#, true),
    ("contains", r#"http.user_agent contains "bot-17""#, false),
    ("matches", r#"http.request.uri.path matches "^/v[0-9]+/[a-z]+/conversations/[0-9]+/""#, true),
    ("wildcard", r#"http.request.uri.path wildcard "/v1/*/conversations/*""#, true),
    ("in networks", "ip.src in {10.0.0.0/8 192.168.0.0/16 198.51.100.0/24}", true),
    ("in texts", r#"http.request.method in {"PUT" "PATCH" "DELETE"}"#, false),
    ("any of a header", r#"any(http.request.headers["x-tenant"][*] eq "t17")"#, false),
    ("functions", r#"lower(url_decode(http.request.uri.query)) contains "order=asc""#, false),
];

pub(crate) fn steps() -> Vec<Step> {
    let indexed = INDEXED.map(|rules| Step::new(format!("rules/{rules}/indexed"), move || indexed(rules)));
    let one_by_one = ONE_BY_ONE
        .map(|rules| Step::new(format!("rules/{rules}/one by one"), move || one_by_one(rules)).times(10));
    let single = CONDITIONS.map(|(name, text, holds)| {
        Step::new(format!("rules/condition/{name}"), move || condition(text, holds))
    });
    let mut steps: Vec<Step> = indexed.into_iter().chain(one_by_one).chain(single).collect();
    steps.push(Step::new("rules/formula", formula));
    steps.push(Step::sure("rules/load 1000", || load(1_000)).times(1));
    steps
}

fn vocabulary(lists: &Lists) -> Vocabulary<'_> {
    Vocabulary { lists, geo: false, identities: &[], responses: false, bodies: false }
}

/// Rules as people have them, none of which an average request meets.
fn conditions(rules: usize) -> Fallible<Vec<Condition>> {
    let lists = Lists::new();
    let text = |nth: usize| match nth % 10 {
        0 => format!(r#"http.request.uri.path wildcard "/wp-{nth}-*""#),
        1 => format!(r#"http.request.uri.path contains "secret-{nth}" and http.host eq "app.example.com""#),
        2 => format!(
            r#"starts_with(http.request.uri.path, "/old-{nth}/") and not ip.src in {{203.0.113.0/24}}"#
        ),
        3 => format!(r#"http.host eq "h{nth}.example.net" and http.request.uri.path eq "/""#),
        4 => format!(r#"http.user_agent contains "bot-{nth}""#),
        5 => format!(r#"http.user_agent in {{"scanner-{nth}" "agent-{nth}"}}"#),
        6 => format!("ip.src in {{10.{}.{}.0/24 2001:db8:{nth:x}::/48}}", nth / 256 % 256, nth % 256),
        7 => format!(r#"http.request.uri.path matches "^/(cgi|fcgi)-{nth}/.*\.pl$""#),
        8 => format!(
            r#"lower(http.request.uri.query) contains "id={nth}'" or http.cookie contains "debug-{nth}=""#
        ),
        _ => format!(
            r#"any(http.request.headers["x-tenant"][*] eq "t{nth}") and http.request.method eq "POST""#
        ),
    };
    let compile =
        |nth| Condition::compile(&text(nth), &vocabulary(&lists)).map_err(|fault| fault.message.into());
    (0..rules).map(compile).collect()
}

fn headers() -> Fallible<HeaderMap> {
    let mut headers = fields();
    headers.insert("x-tenant", "acme".parse()?);
    Ok(headers)
}

fn facts(headers: &HeaderMap) -> Facts<'_> {
    Facts::new(Head {
        path: "/v1/acme/conversations/4711/messages",
        query: Some("page=2&order=desc"),
        ..Head::plain(&Method::GET, "app.example.com", headers, IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)))
    })
}

fn indexed(rules: usize) -> Fallible<Run> {
    let (conditions, headers) = (conditions(rules)?, headers()?);
    let index = Index::new(&conditions);
    let mut candidates = Candidates::default();
    Ok(Box::new(move || {
        let facts = facts(black_box(&headers));
        index.candidates(&facts, &mut candidates);
        let mut left = candidates.iter().filter_map(|place| conditions.get(place));
        !left.any(|rule| rule.holds(&facts))
    }))
}

fn one_by_one(rules: usize) -> Fallible<Run> {
    let (conditions, headers) = (conditions(rules)?, headers()?);
    Ok(Box::new(move || {
        let facts = facts(black_box(&headers));
        !conditions.iter().any(|rule| rule.holds(&facts))
    }))
}

fn condition(text: &str, holds: bool) -> Fallible<Run> {
    let (lists, headers) = (Lists::new(), headers()?);
    let condition = Condition::compile(text, &vocabulary(&lists)).map_err(|fault| fault.message)?;
    Ok(Box::new(move || condition.holds(&facts(black_box(&headers))) == holds))
}

fn formula() -> Fallible<Run> {
    let (lists, headers) = (Lists::new(), headers()?);
    let text = r#"concat("/api", http.request.uri.path, "?from=", http.host)"#;
    let formula = Formula::compile(text, &vocabulary(&lists)).map_err(|fault| fault.message)?;
    Ok(Box::new(move || formula.text_of(&facts(black_box(&headers))).is_some_and(|text| text.len() > 40)))
}

fn load(rules: usize) -> Run {
    Box::new(move || {
        conditions(rules).is_ok_and(|conditions| {
            black_box(Index::new(&conditions));
            conditions.len() == rules
        })
    })
}
