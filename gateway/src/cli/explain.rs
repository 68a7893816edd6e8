//! `portcullis explain`: walks one request through the pipeline and shows every gate's verdict.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rules::expr::Stage;
use rules::plan::{Plan, Step};
use rules::policy::Accepted;
use rules::problem::Place;
use rules::verdict::{Code, Refusal};
use serde_json::{Map, Value, json};

use self::show::{outcome, print};
use super::stand_ins::StandIns;
use super::test::{Format, open};
use crate::config::compile::{assume_json, send};
use crate::config::load::Loaded;
use crate::config::remedy_or_all;
use crate::judge::{self, Case, Memory};
use crate::pipeline::log::masked;
use crate::pipeline::{Way, accept, dispatch, identify};
use crate::snapshot::{Route, Snapshot};
use crate::state::{Store, Terms};
use crate::visit::Visit;

mod show;

/// Walks one request through the pipeline: each gate, its verdict, the line that made it.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Method and path: 'POST /v1/acme/files'.
    pub request: String,
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "portcullis.yaml")]
    pub config: PathBuf,
    /// Keys for identities that would fetch theirs.
    #[command(flatten)]
    pub stand_ins: StandIns,
    /// A fact of the caller, taken for granted: tenant=acme, roles=admin,user. Where a route accepts several
    /// identities, identity=NAME says which it is.
    #[arg(long = "as", value_name = "FACT=VALUE")]
    pub caller: Vec<String>,
    /// A header field: 'name: value'.
    #[arg(long, value_name = "FIELD")]
    pub header: Vec<String>,
    /// A file with the body: JSON unless a `--header` gives another content type.
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// A PEM file with the certificate that the client shows, and the rest of its chain.
    #[arg(long, value_name = "FILE")]
    pub client_cert: Option<PathBuf>,
    /// The host; by default the first that is served.
    #[arg(long)]
    pub host: Option<String>,
    /// How the walk is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Runs the command.
pub fn call(args: &Args) -> ExitCode {
    match explain(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Fault::Said(code)) => code,
        Err(Fault::Misuse(why)) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

enum Fault {
    Said(ExitCode),
    Misuse(String),
}

mod rules_of;

use rules_of::{ask_rules, matched, rule_line};

/// One row of the walk.
struct Row {
    gate: String,
    verdict: String,
    line: Option<usize>,
    why: Option<String>,
}

fn explain(args: &Args) -> Result<(), Fault> {
    let loaded = open(&args.config, &args.stand_ins, args.format).map_err(Fault::Said)?;
    let (method, target) = send(&args.request)
        .ok_or_else(|| Fault::Misuse(format!("`{}` is not a request: write 'GET /path'", args.request)))?;
    let mut fields = args.header.iter().map(|field| header(field)).collect::<Result<Vec<_>, _>>()?;
    let body = args.body.as_deref().map(read).transpose()?.unwrap_or_default();
    if args.body.is_some() {
        assume_json(&mut fields);
    }
    let facts = (!args.caller.is_empty()).then(|| facts(&args.caller)).transpose()?;
    let snapshot = &loaded.snapshot;
    if let Some(named) = facts.as_ref().and_then(|facts| facts.get("identity")) {
        let known: Vec<&str> = snapshot.identities.iter().map(|identity| &*identity.def.name).collect();
        if !known.iter().any(|name| named == name) {
            let remedy = remedy_or_all(named.as_str().unwrap_or_default(), &known);
            return Err(Fault::Misuse(format!("--as: there is no identity {named}; {remedy}")));
        }
    }
    let mut case = judge::case(snapshot, &method, &target, &fields, &body, facts.as_ref());
    if let Some(host) = &args.host {
        case.host = host;
    }
    if let Some(path) = &args.client_cert {
        let pem = String::from_utf8_lossy(&read(path)?).into_owned();
        let certificate = judge::shown(snapshot, &pem, case.arrival.now_ms.div_euclid(1000));
        let fails =
            |why| Fault::Misuse(format!("with `{}` there would be no request: {why}", path.display()));
        case.arrival.certificate = Some(certificate.map_err(fails)?);
    }
    let rows = walk(&loaded, &case);
    let judgement = judge::judge(snapshot, &case, &Memory::default());
    let (outcome, more) = outcome(&judgement.end, &snapshot.hidden);
    match args.format {
        Format::Text => print(&rows, &outcome, &more, loaded.source.path()),
        Format::Json => {
            let rows: Vec<Value> = rows
                .iter()
                .map(|row| json!({ "gate": row.gate, "verdict": row.verdict, "line": row.line, "why": row.why }))
                .collect();
            println!(
                "{}",
                json!({ "file": loaded.source.path(), "steps": rows, "outcome": outcome, "details": more })
            );
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(path)
        .map_err(|error| Fault::Misuse(format!("`{}` cannot be read: {error}", path.display())))
}

fn header(field: &str) -> Result<(String, String), Fault> {
    let split = field.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    split.ok_or_else(|| Fault::Misuse(format!("`{field}` is not a header field: write 'name: value'")))
}

/// `k=v`, where lists are written with commas and JSON is taken as JSON.
fn facts(pairs: &[String]) -> Result<Map<String, Value>, Fault> {
    let mut facts = Map::new();
    for pair in pairs {
        let (name, text) = pair
            .split_once('=')
            .ok_or_else(|| Fault::Misuse(format!("`{pair}` is not a fact: write 'tenant=acme'")))?;
        let list = matches!(name, "roles" | "scopes");
        let value = match serde_json::from_str::<Value>(text) {
            Ok(value @ (Value::Array(_) | Value::Object(_) | Value::Bool(_))) => value,
            _ if list => Value::from(text.split(',').map(str::trim).collect::<Vec<_>>()),
            _ => Value::from(text),
        };
        facts.insert(name.to_owned(), value);
    }
    Ok(facts)
}

fn walk(loaded: &Loaded, case: &Case<'_>) -> Vec<Row> {
    let snapshot = &loaded.snapshot;
    let refused = |gate: &str, refusal: &Refusal, line| Row {
        gate: gate.to_owned(),
        verdict: format!("refuse {} {}", refusal.status().as_u16(), refusal.code),
        line,
        why: Some(refusal.private.clone().into_owned()),
    };
    let passed = |gate: &str, why: Option<String>, line| Row {
        gate: gate.to_owned(),
        verdict: "pass".to_owned(),
        line,
        why,
    };
    let head = match judge::head(snapshot, case) {
        Ok(head) => head,
        Err(refusal) => return vec![refused(refusal.gate, &refusal, None)],
    };
    let mut rows = vec![passed("framing", None, None)];
    let mut visit = accept::begin(std::sync::Arc::clone(snapshot), case.arrival.clone(), &head);
    visit.has_body = !case.body.is_empty();
    let store = Store::offline(&Terms::default());
    let way = dispatch::dispatch(&mut visit, &head, &store, &mut |_| {});
    let told = matched(loaded, &visit, 0, &mut rows);
    match way {
        Err(refusal) => {
            rows.push(refused(refusal.gate, &refusal, rule_line(loaded, &visit, &refusal)));
            return rows;
        }
        Ok(Way::Redirect(_, to)) => {
            // What is printed is often shown around.
            let to = String::from_utf8_lossy(&to);
            let to = masked(&to, &snapshot.hidden);
            let by = if told > 0 { "rules" } else { "dispatch" };
            rows.push(passed(by, Some(format!("redirect to {to}")), None));
            return rows;
        }
        Ok(Way::Preflight(_)) => {
            rows.push(passed("cors", Some("a preflight, answered here".to_owned()), None));
            return rows;
        }
        // No gate before the route answers so.
        Ok(Way::On | Way::Own { .. }) => {}
    }
    let Some(route) = visit.route() else { return rows };
    let (what, place) = written(snapshot, route);
    rows.push(passed("dispatch", Some(format!("{what} {}", route.name)), loaded.line(&place)));
    let assumed = judge::assume(&mut visit, case).err();
    gates(loaded, &mut visit, &head, case, assumed, &mut rows, refused, passed);
    rows
}

#[expect(clippy::too_many_arguments, reason = "the two ways to write a row are arguments")]
fn gates(
    loaded: &Loaded,
    visit: &mut Visit,
    head: &http::request::Parts,
    case: &Case<'_>,
    mut assumed: Option<Refusal>,
    rows: &mut Vec<Row>,
    refused: impl Fn(&str, &Refusal, Option<usize>) -> Row,
    passed: impl Fn(&str, Option<String>, Option<usize>) -> Row,
) {
    let snapshot = std::sync::Arc::clone(&visit.snapshot);
    let Some(route) = visit.found.and_then(|(index, _)| snapshot.table.routes().get(index)) else { return };
    let (mut identified, store) = (false, Store::offline(&Terms::default()));
    // Rules are asked when the gates of their stage have passed.
    let mut stages = vec![Stage::Body, Stage::Caller];
    for step in route.plan.steps() {
        let due = match step {
            Step::Identity(_) | Step::Head(_) => None,
            Step::Limit(..) | Step::Body(_) => Some(Stage::Caller),
            Step::Reply(_) => Some(Stage::Body),
        };
        while let Some(stage) = stages.last().copied().filter(|stage| Some(*stage) <= due) {
            stages.pop();
            if let Some(end) = ask_rules(loaded, visit, head, (stage, case.body), &store, rows) {
                rows.push(end);
                return;
            }
        }
        let mut line = loaded.line(step.place());
        let verdict = match step {
            // All of them are asked at once, and one decides.
            Step::Identity(_) if identified => continue,
            Step::Identity(_) => {
                identified = true;
                let granted = visit.caller.is_some();
                let verdict = assumed.take().map_or_else(|| identify::offline(visit, head), Err);
                let decider = decider(&route.plan, visit, head);
                line = decider.map_or(line, |decider| loaded.line(&decider.place));
                // Which of several it is, who is identified says already.
                let several = decider.filter(|_| route.identities.len() > 1);
                let which = several.map_or_else(String::new, |decider| format!("{}: ", decider.def.name));
                let granted = granted.then(|| format!("{which}the caller is taken for granted (--as)"));
                verdict.map(|()| Some(granted.unwrap_or_else(|| who(visit)))).map_err(|refusal| Refusal {
                    private: format!("{which}{}", refusal.private).into(),
                    ..refusal
                })
            }
            Step::Head(standing) => standing.gate.judge(&visit.view(head)).map(|()| None),
            Step::Limit(limit, _) => Ok(Some(format!("limit {}, with nothing counted yet", limit.name))),
            Step::Reply(_) => Ok(Some("edits the answer".to_owned())),
            Step::Body(standing) => {
                let view = visit.view(head);
                let content = route.plan.open(&view, case.body);
                content.and_then(|content| standing.gate.judge(&view, &content)).map(|()| None)
            }
        };
        match verdict {
            Ok(why) => rows.push(passed(step.policy(), why, line)),
            Err(refusal) => {
                rows.push(refused(step.policy(), &refusal, line));
                return;
            }
        }
    }
    while let Some(stage) = stages.pop() {
        if let Some(end) = ask_rules(loaded, visit, head, (stage, case.body), &store, rows) {
            rows.push(end);
            return;
        }
    }
    if route.webhook.is_some() {
        let memory = Memory::default();
        let way = judge::prove(visit, head, case.body, &memory, &mut None);
        let line = loaded.line(&written(&snapshot, route).1);
        match way {
            Ok(Way::On) => {
                let key = visit.proven.as_ref().and_then(|proven| proven.key.as_deref());
                let by = key.map_or_else(String::new, |key| format!(" by the key {key}"));
                rows.push(passed("webhook", Some(format!("verified{by}")), line));
            }
            Ok(_) => {
                rows.push(passed(
                    "webhook",
                    Some("a request that sets it up, answered here".to_owned()),
                    line,
                ));
                return;
            }
            Err(refusal) => {
                rows.push(refused("webhook", &stood_in(route, refusal), line));
                return;
            }
        }
    }
    rows.push(passed("upstream", Some(route.upstream.name.to_string()), None));
}

/// What a route is, and where it is written.
fn written(snapshot: &Snapshot, route: &Route) -> (&'static str, Place) {
    match route.index.checked_sub(snapshot.written_routes) {
        Some(index) => ("webhook", Place::root().key("webhooks").item(index)),
        None => ("route", Place::root().key("routes").item(route.index)),
    }
}

/// Nothing is fetched here: whoever wants to go on is told how.
fn stood_in(route: &Route, refusal: Refusal) -> Refusal {
    let fetches = route.webhook.as_ref().is_some_and(|webhook| webhook.scheme.key_set().is_some());
    if refusal.code != Code::KeysUnavailable || !fetches {
        return refusal;
    }
    let private = format!("{} (offline, `--jwks {}=FILE` stands in for it)", refusal.private, route.name);
    Refusal { private: private.into(), ..refusal }
}

/// The identity that decides: the caller's, or the first to which the request shows anything.
fn decider<'a>(plan: &'a Plan, visit: &Visit, head: &http::request::Parts) -> Option<&'a Accepted> {
    let view = visit.view(head);
    let decides = |accepted: &&Accepted| match &visit.caller {
        Some(caller) => caller.identity == accepted.def.name,
        None => !matches!(accepted.def.gate.presented(&view), Ok(None)),
    };
    let mut identities = plan.steps().filter_map(|step| match step {
        Step::Identity(accepted) => Some(accepted),
        _ => None,
    });
    identities.find(decides)
}

fn who(visit: &Visit) -> String {
    let identity = visit.caller.as_ref().map_or("nobody", |caller| &caller.identity);
    visit.user().map_or_else(|| identity.to_owned(), |user| format!("{identity}: user {user}"))
}
