//! `routing/…`: one of 10, 1,000 and 10,000 routes.

use std::hint::black_box;

use http::Method;
use rules::path::Path;
use rules::route::{Lookup, Pattern, Table};

use crate::{Fallible, Run, Step};

const ROUTES: [usize; 3] = [10, 1_000, 10_000];

pub(crate) fn steps() -> Vec<Step> {
    let of = |routes: usize| {
        let step = |name: &str, kind: Kind| {
            Step::new(format!("routing/{routes}/{name}"), move || make(routes, kind))
        };
        [
            step("found", Kind::Found),
            step("wrong method", Kind::WrongMethod),
            step("not found", Kind::NotFound),
        ]
    };
    ROUTES.into_iter().flat_map(of).collect()
}

#[derive(Clone, Copy)]
enum Kind {
    Found,
    WrongMethod,
    NotFound,
}

/// Routes as an API of many parts has them: ten forms under each of its resources.
fn pattern(nth: usize) -> Fallible<Pattern> {
    let part = nth / 10;
    let text = match nth % 10 {
        0 => format!("GET /v1/{{tenant}}/part-{part}"),
        1 => format!("POST /v1/{{tenant}}/part-{part}"),
        2 => format!("GET /v1/{{tenant}}/part-{part}/{{id}}"),
        3 => format!("PUT /v1/{{tenant}}/part-{part}/{{id}}"),
        4 => format!("DELETE /v1/{{tenant}}/part-{part}/{{id}}"),
        5 => format!("GET /v1/{{tenant}}/part-{part}/{{id}}/messages"),
        6 => format!("POST /v1/{{tenant}}/part-{part}/{{id}}/messages"),
        7 => format!("GET /assets/part-{part}/**"),
        8 => format!("* /hooks/part-{part}"),
        _ => format!("POST /v1/{{tenant}}/part-{part}/search"),
    };
    Pattern::parse(&text).map_err(|error| error.message.into())
}

fn make(routes: usize, kind: Kind) -> Fallible<Run> {
    let mut all = Vec::with_capacity(routes);
    for nth in 0..routes {
        all.push((vec![pattern(nth)?], nth));
    }
    let table = Table::compile(all).map_err(|clashes| format!("{clashes:?}"))?;
    let part = routes / 20;
    let (method, path) = match kind {
        Kind::Found => (Method::GET, format!("/v1/acme/part-{part}/4711/messages")),
        Kind::WrongMethod => (Method::PATCH, format!("/v1/acme/part-{part}/4711/messages")),
        Kind::NotFound => (Method::GET, format!("/v1/acme/part-{part}/4711/secrets")),
    };
    let path = Path::parse(path.as_bytes()).map_err(|refusal| refusal.private.into_owned())?.into_owned();
    Ok(Box::new(move || match black_box(&table).find(black_box(&method), &path) {
        Lookup::Found(found) => {
            matches!(kind, Kind::Found) && black_box(found.captures).get("tenant") == Some("acme")
        }
        Lookup::MethodNotAllowed { allow } => matches!(kind, Kind::WrongMethod) && !allow.is_empty(),
        Lookup::NoRoute => matches!(kind, Kind::NotFound),
        Lookup::Ambiguous => false,
    }))
}
