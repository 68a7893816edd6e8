//! `portcullis replay`: judges recorded requests offline, one verdict line each.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write, stdin, stdout};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use rules::verdict::Code;
use rules::view::ClientCertificate;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::stand_ins::StandIns;
use super::test::{Format, open};
use crate::judge::{self, Case, End, Judgement, Memory, judge};
use crate::pipeline::accept::Arrival;
use crate::snapshot::Snapshot;
use crate::visit::Visit;

/// Judges recorded requests (JSON, one a line) by the same plan as the wire; prints one verdict line each.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The recorded requests; `-` reads standard input.
    pub requests: PathBuf,
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "portcullis.yaml")]
    pub config: PathBuf,
    /// Keys for identities that would fetch theirs.
    #[command(flatten)]
    pub stand_ins: StandIns,
}

/// A recorded request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    id: String,
    at: String,
    peer: IpAddr,
    tls: bool,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body_b64: String,
    #[serde(default = "ok")]
    upstream_status: u16,
    /// Verified as the handshake would have verified it at `at`. The handshake would fail with one that does not
    /// verify; here the request goes on without, and the verdict's `why` says so.
    #[serde(default)]
    client_cert_pem: Option<String>,
}

fn ok() -> u16 {
    200
}

/// Runs the command.
pub fn call(args: &Args) -> ExitCode {
    let loaded = match open(&args.config, &args.stand_ins, Format::Text) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let reader: Box<dyn BufRead> = if args.requests.as_os_str() == "-" {
        Box::new(stdin().lock())
    } else {
        match File::open(&args.requests) {
            Ok(file) => Box::new(BufReader::new(file)),
            Err(error) => return misuse(&format!("`{}` cannot be read: {error}", args.requests.display())),
        }
    };
    let mut out = BufWriter::new(stdout().lock());
    let memory = Memory::default();
    for (index, line) in reader.lines().enumerate() {
        let place = format!("{}:{}", args.requests.display(), index + 1);
        let verdict = line.map_err(|error| error.to_string()).and_then(|line| {
            if line.trim().is_empty() { Ok(None) } else { replay(&loaded.snapshot, &memory, &line).map(Some) }
        });
        let written = match verdict {
            Ok(Some(verdict)) => writeln!(out, "{verdict}"),
            Ok(None) => Ok(()),
            Err(why) => {
                // What was judged before the broken line has been judged.
                let _ = out.flush();
                return misuse(&format!("{place}: {why}"));
            }
        };
        // A reader that has seen enough closes the pipe.
        if written.is_err() {
            return ExitCode::SUCCESS;
        }
    }
    match out.flush() {
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

fn misuse(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(2)
}

fn replay(snapshot: &Arc<Snapshot>, memory: &Memory, line: &str) -> Result<Value, String> {
    let record: Record =
        serde_json::from_str(line).map_err(|error| format!("not a recorded request: {error}"))?;
    let at = OffsetDateTime::parse(&record.at, &Rfc3339)
        .map_err(|_| format!("`at` is not a time of RFC 3339: {}", record.at))?;
    let body = STANDARD.decode(&record.body_b64).map_err(|_| "`body_b64` is not base64".to_owned())?;
    let (host, target) =
        split(&record.url).ok_or_else(|| format!("`url` is not an http(s) address: {}", record.url))?;
    let now_ms = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX);
    let (certificate, doubt) = match certificate(&record, snapshot, now_ms.div_euclid(1000)) {
        Ok(certificate) => (certificate, None),
        Err(why) => (None, Some(why)),
    };
    let case = Case {
        arrival: Arrival {
            peer: record.peer.to_canonical(),
            peer_name: crate::edge::name(record.peer.to_canonical()),
            tls: record.tls,
            local: None,
            facts: None,
            certificate,
            now_ms,
        },
        method: &record.method,
        target,
        host,
        fields: &record.headers,
        body: &body,
        upstream_status: record.upstream_status,
        caller: None,
    };
    Ok(verdict(&record, &case, &judge(snapshot, &case, memory), doubt))
}

/// The certificate that the client showed, or why it does not count.
fn certificate(
    record: &Record,
    snapshot: &Snapshot,
    at: i64,
) -> Result<Option<Arc<ClientCertificate>>, String> {
    match &record.client_cert_pem {
        None => Ok(None),
        Some(_) if !record.tls => Err("the client cannot show a certificate without TLS".to_owned()),
        Some(pem) => judge::shown(snapshot, pem, at).map(Some),
    }
}

/// Host and target of an address, byte for byte.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at_checked(end)?;
    Some((host, if target.is_empty() { "/" } else { target }))
}

fn verdict(record: &Record, case: &Case<'_>, judgement: &Judgement, doubt: Option<String>) -> Value {
    let visit = judgement.visit.as_ref();
    let refusal = visit.and_then(|visit| visit.refusal.as_ref());
    let (decision, status, answer) = match &judgement.end {
        End::Forward { .. } => ("allow", record.upstream_status, None),
        End::Answer(answer) => ("answer", answer.status.as_u16(), Some(answer)),
        End::Refuse(_, answer) => ("refuse", answer.status.as_u16(), Some(answer)),
    };
    let refusal = match &judgement.end {
        End::Refuse(refusal, _) => Some(refusal),
        End::Forward { .. } | End::Answer(_) => refusal,
    };
    let own_code = visit.and_then(|visit| visit.code);
    let own = match &judgement.end {
        End::Forward { own, .. } => own,
        End::Answer(answer) | End::Refuse(_, answer) => &answer.fields,
    };
    let forwarded = match &judgement.end {
        End::Forward { target, fields, .. } => {
            let scheme = if visit.is_some_and(|visit| visit.secure) { "https" } else { "http" };
            let host = fields.get("host").and_then(|host| host.to_str().ok()).unwrap_or(case.host);
            json!({ "method": record.method, "url": format!("{scheme}://{host}{target}"), "headers": listed(fields) })
        }
        End::Answer(_) | End::Refuse(..) => Value::Null,
    };
    let private = refusal.map(|refusal| refusal.private.to_string());
    let why: Vec<String> = doubt.into_iter().chain(private).collect();
    let body = answer
        .filter(|answer| !answer.body.is_empty())
        .map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
    json!({
        "id": record.id,
        "decision": decision,
        "status": status,
        "code": refusal.map(|refusal| refusal.code).or(own_code).map(Code::name),
        "gate": refusal.map(|refusal| refusal.gate),
        "route": visit.and_then(Visit::route).map(|route| route.name.to_string()),
        "why": (!why.is_empty()).then(|| why.join("; ")),
        "rule": visit.and_then(Visit::rule),
        "matched": visit.map(Visit::matched).unwrap_or_default(),
        "user": visit.and_then(Visit::user),
        "tenant": visit.and_then(Visit::tenant),
        "location": own.get("location").and_then(|field| field.to_str().ok()),
        "body": body,
        "headers": listed(own),
        "forwarded": forwarded,
    })
}

fn listed(fields: &HeaderMap) -> Vec<(String, String)> {
    fields.iter().map(shown).collect()
}

/// A field as a pair of texts; a secret that the gateway injects is not shown.
pub(super) fn shown((name, value): (&HeaderName, &HeaderValue)) -> (String, String) {
    let text =
        if value.is_sensitive() { "[hidden]".into() } else { String::from_utf8_lossy(value.as_bytes()) };
    (name.to_string(), text.into_owned())
}
