//! An API as its OpenAPI description (3.0 or 3.1) tells it: each operation's parameters and body, compiled at load.
//! Nothing is fetched: a reference leads to another part of the file, or the file does not load.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::header::ALLOW;
use http::{HeaderValue, Method};
use serde_json::Value;

use crate::content::Content;
use crate::policy::Verdict;
use crate::route::{Found, Lookup, Pattern, Table};
use crate::strict_json;
use crate::verdict::{Code, Fault, Refusal};
use crate::view::View;

mod body;
mod document;
mod old;
mod parameter;
#[cfg(test)]
mod tests;

use body::Body;
use document::{Document, Part, below, flaw};
use parameter::Parameter;

/// The gate that speaks.
pub(crate) const GATE: &str = "openapi";
/// What path items call their operations.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// Faults that are told of one request.
const MOST_FAULTS: usize = 16;
/// Flaws that are told of one description.
const MOST_FLAWS: usize = 12;

/// A described API.
#[derive(Debug)]
pub struct Api {
    table: Table<Operation>,
}

#[derive(Debug)]
struct Operation {
    /// Where it stands in the description.
    pointer: String,
    parameters: Vec<Parameter>,
    body: Option<Body>,
}

impl Api {
    /// Compiles a description.
    ///
    /// # Errors
    /// Sentences, each with the pointer to the fault inside the description.
    pub fn compile(description: Value) -> Result<Self, Vec<String>> {
        let document = Document::read(description)?;
        let base = base(&document).map_err(|why| vec![why])?;
        let (mut operations, mut flaws) = (Vec::new(), Vec::new());
        let paths = document.root().get("paths");
        for (template, item) in paths.iter().flat_map(Part::members) {
            if template.starts_with("x-") {
                continue;
            }
            match path_item(&document, &base, template, &item) {
                Ok(found) => operations.extend(found),
                Err(found) => flaws.extend(found),
            }
        }
        if operations.is_empty() && flaws.is_empty() {
            flaws.push(flaw("/paths", "no operation is described, so every request would be refused"));
        }
        if !flaws.is_empty() {
            flaws.truncate(MOST_FLAWS);
            return Err(flaws);
        }
        let pointers: Vec<String> = operations.iter().map(|(_, own)| own.pointer.clone()).collect();
        let routes = operations.into_iter().map(|(pattern, operation)| (vec![pattern], operation)).collect();
        let clash = |clash: crate::route::Ambiguity| {
            let [left, right] =
                [clash.left, clash.right].map(|index| pointers.get(index).map_or("", String::as_str));
            flaw(right, format!("the same requests are described by {left}"))
        };
        let table = Table::compile(routes);
        table
            .map(|table| Self { table })
            .map_err(|clashes| clashes.into_iter().take(MOST_FLAWS).map(clash).collect())
    }

    /// Whether a body may have to be seen at all.
    pub fn reads_bodies(&self) -> bool {
        let bodies = self.table.routes().iter().filter_map(|operation| operation.body.as_ref());
        bodies.into_iter().any(Body::has_schema)
    }

    /// Judges what is known without the body.
    ///
    /// # Errors
    /// The refusal of what is not described, or not so.
    pub fn judge_head(&self, view: &View<'_>) -> Verdict {
        let Found { route: operation, captures, .. } = self.operation(view)?;
        let (mut faults, mut reason) = (Vec::new(), None);
        for parameter in &operation.parameters {
            if let Err((found, why)) = parameter.faults(view, &captures) {
                faults.extend(found);
                reason.get_or_insert(why);
            }
        }
        let body = operation.body.as_ref();
        if view.has_body {
            let media = body.ok_or("the operation describes no body").and_then(|body| body.schema(view));
            media.map_err(|why| Refusal::new(Code::MediaType, GATE, why))?;
        } else if body.is_some_and(|body| body.required) {
            faults.push(Fault { pointer: String::new(), keyword: "required".to_owned() });
            reason.get_or_insert("the operation needs a body");
        }
        let Some(why) = reason else { return Ok(()) };
        faults.truncate(MOST_FAULTS);
        Err(invalid(operation, why, faults))
    }

    /// Whether the body has to fit a schema.
    pub fn needs_body(&self, view: &View<'_>) -> bool {
        self.schema(view).is_some()
    }

    /// Judges the body.
    ///
    /// # Errors
    /// The refusal of one that is no JSON, or does not fit its schema.
    pub fn judge_body(&self, view: &View<'_>, content: &Content<'_>) -> Verdict {
        let Some((operation, schema)) = self.schema(view) else { return Ok(()) };
        let broken = |why: &str| Refusal::new(Code::BodyInvalid, GATE, why.to_owned());
        strict_json::check_charset(view.headers).map_err(broken)?;
        let faults = schema.faults(content.json().map_err(broken)?);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(invalid(operation, "the body does not fit its schema", faults))
        }
    }

    fn schema<'a>(&'a self, view: &View<'a>) -> Option<(&'a Operation, &'a crate::schema::Schema)> {
        // What is not described was refused with the head.
        let operation = self.operation(view).ok().filter(|_| view.has_body)?.route;
        Some((operation, operation.body.as_ref()?.schema(view).ok().flatten()?))
    }

    fn operation<'a>(&'a self, view: &View<'a>) -> Result<Found<'a, Operation>, Refusal> {
        let refused = |code, why: &'static str| Err(Refusal::new(code, GATE, why));
        match self.table.find_decoded(view.method, view.path) {
            Lookup::Found(found) => Ok(found),
            Lookup::NoRoute => refused(Code::NoRoute, "no operation is described at this path"),
            Lookup::Ambiguous => {
                refused(Code::BadRequest, "some readers take the path for another operation's")
            }
            Lookup::MethodNotAllowed { allow } => {
                let why = "no operation with this method is described at this path";
                let refusal = Refusal::new(Code::MethodNotAllowed, GATE, why);
                let allow = allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
                Err(match HeaderValue::from_str(&allow) {
                    Ok(allow) => refusal.with(ALLOW, allow),
                    Err(_) => refusal,
                })
            }
        }
    }
}

fn invalid(operation: &Operation, why: &str, faults: Vec<Fault>) -> Refusal {
    let first = faults.first().map_or(("", ""), |fault| (&fault.pointer, &fault.keyword));
    let private = format!("{why}: `{}` at `{}`, by {}", first.1, first.0, operation.pointer);
    Refusal { faults, ..Refusal::new(Code::SchemaInvalid, GATE, private) }
}

/// The path that stands before every template.
fn base(document: &Document) -> Result<String, String> {
    let Some(server) = document.root().get("servers").and_then(|servers| servers.items().next()) else {
        return Ok(String::new());
    };
    let url = server.text("url").ok_or_else(|| server.flaw("the server has no `url`"))?;
    let mut url = url.to_owned();
    for (name, variable) in server.get("variables").iter().flat_map(Part::members) {
        let default =
            variable.text("default").ok_or_else(|| variable.flaw("the variable has no `default`"))?;
        url = url.replace(&format!("{{{name}}}"), default);
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        None if url.starts_with('/') && !url.starts_with("//") => url.as_str(),
        None => {
            return Err(server
                .flaw(format!("the base path of `{url}` cannot be told: write a URL, or a path from `/`")));
        }
    };
    if path.contains(['{', '}', '?', '#']) {
        return Err(server.flaw(format!("`{path}` is no base path")));
    }
    Ok(path.trim_end_matches('/').to_owned())
}

fn path_item(
    document: &Document,
    base: &str,
    template: &str,
    item: &Part<'_>,
) -> Result<Vec<(Pattern, Operation)>, Vec<String>> {
    let pointer = item.pointer.clone();
    let item = document.follow(item).map_err(|why| vec![why])?;
    let (path, names) = path(base, template).map_err(|why| vec![flaw(&pointer, why)])?;
    let (mut operations, mut flaws) = (Vec::new(), Vec::new());
    for method in METHODS {
        let Some(part) = item.get(method) else { continue };
        let text = format!("{} {path}", method.to_ascii_uppercase());
        let made = Pattern::parse(&text).map_err(|error| flaw(&below(&pointer, method), error));
        match made.and_then(|pattern| Ok((pattern, operation(document, &item, &part, &names)?))) {
            Ok(made) => operations.push(made),
            Err(why) => flaws.push(why),
        }
    }
    flaws.extend(item.get("servers").map(|servers| servers.flaw("`servers` of a path is not supported")));
    if flaws.is_empty() { Ok(operations) } else { Err(flaws) }
}

/// A template as our patterns have it, and its names from the left: theirs may be anything.
fn path<'t>(base: &str, template: &'t str) -> Result<(String, Vec<&'t str>), String> {
    let Some(rest) = template.strip_prefix('/') else {
        return Err(format!("the path `{template}` does not begin with a slash"));
    };
    let (mut path, mut names) = (base.replace('*', "%2A"), Vec::new());
    for segment in rest.split('/') {
        path.push('/');
        match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            Some(name) if !name.is_empty() && !name.contains(['{', '}']) => {
                if names.contains(&name) {
                    return Err(format!("`{{{name}}}` is there twice"));
                }
                let _ = write!(path, "{{p{}}}", names.len());
                names.push(name);
            }
            _ => path.push_str(&segment.replace('*', "%2A")),
        }
    }
    Ok((path, names))
}

fn operation(
    document: &Document,
    item: &Part<'_>,
    part: &Part<'_>,
    names: &[&str],
) -> Result<Operation, String> {
    if let Some(servers) = part.get("servers") {
        return Err(servers.flaw("`servers` of an operation is not supported"));
    }
    // An operation's own replace those of its path.
    let mut described = BTreeMap::new();
    for listed in [item, part] {
        for parameter in listed.get("parameters").iter().flat_map(Part::items) {
            let parameter = document.follow(&parameter)?;
            if let Some(key) = parameter::key(&parameter)? {
                described.insert(key, parameter);
            }
        }
    }
    let unsaid = names.iter().find(|name| !described.contains_key(&("path", **name)));
    if let Some(name) = unsaid {
        return Err(part.flaw(format!("the path parameter `{name}` is not described")));
    }
    let mut parameters = Vec::new();
    for (key, parameter) in &described {
        let captured = names.iter().position(|name| key.0 == "path" && *name == key.1);
        let others = described.keys().filter(|other| other.0 == "query" && *other != key);
        let others = others.map(|(_, name)| (*name).to_owned()).collect();
        let captured = captured.map(|index| format!("p{index}"));
        parameters.push(Parameter::compile(document, parameter, *key, captured, others)?);
    }
    let body = part.get("requestBody").map(|body| Body::compile(document, &body)).transpose()?;
    Ok(Operation { pointer: part.pointer.clone(), parameters, body })
}
