//! Every delivery of `rules/cases-webhook/vectors.json` ends as it says: 545 over 65 schemes, judged by `portcullis replay`
//! as data of the configuration and by the providers' names, and a part of them through the wire.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::site::workspace;
use harness::{Ask, Site, Value, json, stage};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Vectors that end otherwise here, and why: the check before the signature's is the stricter one.
const EXCEPTIONS: &[(&str, &str)] = &[
    // Its path has a dot segment. No request with such a path is let in, so no webhook can have it.
    ("twilio-18", "dot segment"),
    // It has two `Authorization` fields, which the edge refuses for every route.
    ("teams_outgoing-10", "400 bad_request"),
];

fn table() -> Value {
    let path = workspace().join("rules/cases-webhook/vectors.json");
    let table: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(table["vectors"].as_array().unwrap().len(), 545);
    table
}

fn exception(id: &str) -> Option<&'static str> {
    EXCEPTIONS.iter().find(|(name, _)| *name == id).map(|(_, why)| *why)
}

fn is_preset(provider: &str) -> bool {
    workspace().join(format!("rules/src/webhook/presets/{provider}.yaml")).exists()
}

/// One request of a vector, as the gateway sees it.
struct Seen<'a> {
    request: &'a Value,
    url: String,
}

impl<'a> Seen<'a> {
    fn new(request: &'a Value, received: &Value) -> Self {
        let text = |key: &str| received[key].as_str().unwrap_or_default();
        let url = if received.is_object() {
            format!("{}://{}{}", text("scheme"), text("host"), text("target"))
        } else {
            request["url"].as_str().unwrap().to_owned()
        };
        Self { request, url }
    }

    fn target(&self) -> String {
        let rest = self.url.split_once("://").unwrap().1;
        let target = rest.find(['/', '?']).map_or("", |from| rest.split_at(from).1);
        if target.starts_with('/') { target.to_owned() } else { format!("/{target}") }
    }

    fn path(&self) -> String {
        self.target().split('?').next().unwrap().to_owned()
    }

    fn line(&self, id: &str, now_ms: i64, upstream_status: &Value) -> String {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(now_ms) * 1_000_000).unwrap();
        json!({
            "id": id, "at": at.format(&Rfc3339).unwrap(), "peer": "198.51.100.1",
            "tls": self.url.starts_with("https"), "method": self.request["method"], "url": self.url,
            "headers": self.request["headers"], "body_b64": self.request["body_b64"].as_str().unwrap_or_default(),
            "upstream_status": upstream_status,
        })
        .to_string()
    }

    fn ask(&self) -> Ask {
        let mut ask = Ask::new(self.request["method"].as_str().unwrap(), &self.target());
        for pair in self.request["headers"].as_array().unwrap() {
            ask = ask.header(pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        }
        ask.body(STANDARD.decode(self.request["body_b64"].as_str().unwrap_or_default()).unwrap())
    }
}

/// The webhook of a vector, and its secret.
fn webhook(vector: &Value, table: &Value, named: bool) -> (Value, Option<Value>) {
    let provider = vector["provider"].as_str().unwrap();
    let name = vector["id"].as_str().unwrap();
    let mut webhook =
        json!({ "name": name, "path": Seen::new(&vector["request"], &vector["received"]).path() });
    if named {
        webhook["provider"] = json!(provider);
    } else {
        webhook["scheme"] = table["providers"][provider]["scheme"].clone();
    }
    let (mut secrets, mut public) = (Vec::new(), Vec::new());
    for key in vector["keys"].as_array().unwrap() {
        let mut own = json!({});
        for (from, to) in [
            ("secret", "value"),
            ("public", "public"),
            ("encoding", "encoding"),
            ("jwk", "jwk"),
            ("certificate_der_b64", "certificate"),
            ("id", "id"),
            ("slot", "slot"),
        ] {
            if let Some(value) = key.get(from) {
                own[to] = value.clone();
            }
        }
        if own.get("certificate").is_some() {
            own["encoding"] = json!("der");
        }
        if key.get("secret").is_some() { secrets.push(own) } else { public.push(own) }
    }
    if !public.is_empty() {
        webhook["public_keys"] = json!(public);
    }
    let mut settings = BTreeMap::new();
    for (name, value) in vector["config"].as_object().into_iter().flatten() {
        if name == "external_base" {
            webhook["base_url"] = value.clone();
        } else {
            settings.insert(name.as_str(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    if named && provider == "livekit" {
        // The issuer stands in the vectors' scheme; the preset reads it as a setting.
        settings.insert("api_key", "APIportcullis".to_owned());
    }
    if !settings.is_empty() {
        webhook["settings"] = json!(settings);
    }
    let secrets = (!secrets.is_empty()).then(|| json!(secrets));
    if secrets.is_some() {
        webhook["secret"] = json!(name);
    }
    (webhook, secrets)
}

fn configuration(vectors: &[&Value], table: &Value, named: bool) -> Value {
    let mut root = json!({
        "version": 1, "environment": "development",
        "listen": { "http": { "bind": "127.0.0.1:0", "plaintext": "recorded requests" } },
        "upstreams": { "a": { "servers": ["http://127.0.0.1:1"] } }, "defaults": { "upstream": "a" },
        "routes": [], "webhooks": [], "secrets": {},
    });
    for vector in vectors {
        let (webhook, secrets) = webhook(vector, table, named);
        if let Some(secrets) = secrets {
            root["secrets"][vector["id"].as_str().unwrap()] = secrets;
        }
        root["webhooks"].as_array_mut().unwrap().push(webhook);
    }
    root
}

/// Vectors by rounds, so that within a round each path is there once.
fn rounds(table: &Value, pick: impl Fn(&Value) -> bool) -> Vec<Vec<&Value>> {
    let mut rounds: Vec<Vec<&Value>> = Vec::new();
    let mut nth: BTreeMap<String, usize> = BTreeMap::new();
    for vector in table["vectors"].as_array().unwrap().iter().filter(|vector| pick(vector)) {
        let count = nth.entry(Seen::new(&vector["request"], &vector["received"]).path()).or_default();
        if *count == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*count].push(vector);
        *count += 1;
    }
    rounds
}

/// What a verdict means in the vectors' words: any of these.
fn meanings(verdict: &Value) -> &'static [&'static str] {
    match (verdict["decision"].as_str().unwrap(), verdict["code"].as_str()) {
        // A handshake that the upstream answers is let through.
        ("allow", None) => &["valid", "challenge"],
        ("answer", Some("webhook_duplicate")) => &["replay"],
        ("answer", None) => &["challenge"],
        ("refuse", Some(code)) => {
            let reason = verdict["why"].as_str().unwrap().split(':').next().unwrap();
            match (code, reason) {
                ("signature_missing", "missing") => &["missing_header"],
                ("signature_malformed", "malformed" | "ambiguous" | "oversized" | "unmet") => {
                    &["malformed_header"]
                }
                ("signature_invalid", "unknown_key" | "retired_key" | "mismatch") => {
                    &["bad_signature", "wrong_key"]
                }
                ("signature_expired", "too_old") => &["too_old"],
                ("signature_expired", "too_new") => &["too_new"],
                _ => &[],
            }
        }
        _ => &[],
    }
}

/// Whether a handshake is answered in one of the ways that are right.
fn answered(vector: &Value, verdict: &Value) -> bool {
    let forwarded = verdict["decision"] == "allow";
    let text = verdict["body"].as_str().unwrap_or_default();
    let fields = verdict["headers"].as_array().unwrap();
    let has = |pair: &Value| {
        let name = pair[0].as_str().unwrap().to_ascii_lowercase();
        fields.iter().any(|field| field[0] == name && field[1] == pair[1])
    };
    vector["respond_any"].as_array().unwrap().iter().any(|wanted| {
        if wanted["forward"] == true || forwarded {
            return forwarded && wanted["forward"] == true;
        }
        let json = || serde_json::from_str::<Value>(text).ok();
        wanted["status"] == verdict["status"]
            && wanted["headers"].as_array().is_none_or(|pairs| pairs.iter().all(has))
            && wanted["text"].as_str().is_none_or(|wanted| wanted == text)
            && wanted.get("json").is_none_or(|wanted| json().as_ref() == Some(wanted))
    })
}

fn complaint(vector: &Value, verdict: &Value) -> Option<String> {
    let meanings = meanings(verdict);
    let accepted = vector["accept"].as_array().unwrap();
    let matching = accepted.iter().find(|wanted| meanings.iter().any(|meaning| *wanted == meaning));
    let right = matching.is_some_and(|matching| matching != "challenge" || answered(vector, verdict));
    (!right).then(|| format!("{} {}: {accepted:?}, and it is {verdict}", vector["id"], vector["case"]))
}

/// Judges all vectors for which there is such a configuration; how many.
async fn judge(named: bool) -> usize {
    let (table, site) = (table(), Site::new());
    let (mut judged, mut wrong) = (0, Vec::new());
    let is_for =
        |vector: &Value| !named || is_preset(vector["provider"].as_str().expect("a provider's name"));
    let possible = |vector: &Value| exception(vector["id"].as_str().unwrap()) != Some("dot segment");
    for round in rounds(&table, |vector| is_for(vector) && possible(vector)) {
        site.write("c.yaml", &configuration(&round, &table, named).to_string());
        let mut lines = Vec::new();
        for vector in &round {
            let now = vector["now_ms"].as_i64().unwrap();
            for prior in vector["prior"].as_array().into_iter().flatten() {
                let at = prior["now_ms"].as_i64().unwrap_or(now);
                let seen = Seen::new(&prior["request"], &Value::Null);
                lines.push(seen.line("prior", at, &prior["upstream_status"]));
            }
            let seen = Seen::new(&vector["request"], &vector["received"]);
            lines.push(seen.line(vector["id"].as_str().unwrap(), now, &json!(200)));
        }
        let outcome = site.run_with(&["replay", "--config", "c.yaml", "-"], &lines.join("\n")).await;
        let verdicts = outcome.expect(0).json_lines();
        assert_eq!(verdicts.len(), lines.len(), "one verdict a request");
        wrong.extend(
            verdicts
                .iter()
                .filter(|verdict| verdict["id"] == "prior" && verdict["decision"] != "allow")
                .map(ToString::to_string),
        );
        for vector in round {
            let verdict = verdicts.iter().find(|verdict| verdict["id"] == vector["id"]).unwrap();
            judged += 1;
            match exception(vector["id"].as_str().unwrap()) {
                Some(end) => assert_eq!(harness::record::told(verdict), end),
                None => wrong.extend(complaint(vector, verdict)),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {judged}:\n{}", wrong.len(), wrong.join("\n"));
    judged
}

#[tokio::test]
async fn every_vector_ends_as_it_says() {
    assert_eq!(judge(false).await, 544);
    let (table, site) = (table(), Site::new());
    let vectors = table["vectors"].as_array().unwrap();
    let left = vectors.iter().find(|vector| vector["id"] == "twilio-18").unwrap();
    site.write("c.yaml", &configuration(&[left], &table, false).to_string());
    let told = site.run(&["test", "--config", "c.yaml"]).await.expect(2).stderr;
    assert!(told.contains("the path has a dot segment, and no request with such a path is let in"), "{told}");
}

#[tokio::test]
async fn every_vector_ends_the_same_by_the_providers_name() {
    assert_eq!(judge(true).await, 544, "every provider of the vectors has a preset");
}

/// Those whose time does not count, over HTTP/1.1 and HTTP/2, at a gateway that sees another host than the provider does.
#[tokio::test]
async fn the_wire_agrees() {
    let table = table();
    let timeless = |vector: &Value| {
        let scheme = &table["providers"][vector["provider"].as_str().unwrap()]["scheme"];
        let once = vector.get("prior").is_none() && vector.get("received").is_none();
        let simple = ["hmac", "keyed_hash", "token"].map(Value::from).contains(&scheme["kind"]);
        let clear = vector["accept"].as_array().unwrap().iter().all(|one| one != "challenge");
        simple
            && once
            && clear
            && scheme.get("timestamp").is_none()
            && exception(vector["id"].as_str().unwrap()).is_none()
    };
    let rounds = rounds(&table, timeless);
    let (mut valid, mut refused) = (0, 0);
    for round in rounds.iter().take(6) {
        let written = configuration(round, &table, false);
        let stage = stage(|c| {
            c.set("environment", "development");
            for (name, secret) in written["secrets"].as_object().unwrap() {
                c.root["secrets"][name] = secret.clone();
            }
            c.root["webhooks"] = written["webhooks"].clone();
            for (webhook, vector) in c.root["webhooks"].as_array_mut().unwrap().iter_mut().zip(round) {
                let url = vector["request"]["url"].as_str().unwrap();
                let (scheme, rest) = url.split_once("://").unwrap();
                let host = rest.split(['/', '?']).next().unwrap();
                webhook["base_url"] = json!(format!("{scheme}://{host}"));
            }
        })
        .await;
        for (number, vector) in round.iter().enumerate() {
            let client = if number % 2 == 0 { stage.http1() } else { stage.http2() };
            let reply = client.send(Seen::new(&vector["request"], &Value::Null).ask()).await;
            if vector["expect"] == "valid" {
                assert_eq!(reply.verdict(), "200", "{}", vector["id"]);
                assert_eq!(stage.backend.last().header("portcullis-webhook"), vector["id"].as_str());
                valid += 1;
            } else {
                assert!(
                    reply.verdict().starts_with("401 signature_"),
                    "{}: {}",
                    vector["id"],
                    reply.verdict()
                );
                refused += 1;
            }
        }
        let wanted = round.iter().filter(|vector| vector["expect"] == "valid").count();
        assert_eq!(stage.backend.requests().len(), wanted, "what is forged does not arrive");
    }
    println!("{valid} were let through, {refused} refused");
    assert!(valid > 40 && refused > 40, "{valid} and {refused} tell little");
}
