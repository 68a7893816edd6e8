//! Rules that were exported from Cloudflare, imported: what their documentation says of requests comes true here.
//!
//! The vectors of `tests/corpus/cloudflare` are imported with `portcullis import`, and their requests played through
//! `portcullis replay`. Where a case needs what only Cloudflare knows, it is counted among those that are left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::site::workspace;
use harness::{Site, Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// How many requests are played, and of how many vectors. Fewer would be a promise that is kept no more.
const PLAYED: usize = 108;
const VECTORS: usize = 22;

/// The cases that cannot be played: they need scores that nobody here gives.
const LEFT_OUT: &[(&str, &str)] = &[
    ("cf-007", "human"),
    ("cf-007", "1"),
    ("cf-007", "2"),
    ("cf-007", "29"),
    ("cf-007", "30"),
    ("cf-007", "verified bot with score 1"),
    ("cf-012", "admin, low score"),
    ("cf-012", "admin, fine score"),
    ("cf-012", "user"),
    ("cf-012", "no token"),
    ("cf-012", "claim is a number"),
    ("cf-022", "en"),
];

/// The beginnings of the fields that only Cloudflare knows.
const FOREIGN: &[&str] = &["cf.bot_management.", "cf.waf."];

/// Addresses of the databases in `tests/corpus/geo`.
const PLACES: &[(&str, &str)] =
    &[("GB", "192.0.2.1"), ("FR", "192.0.2.2"), ("US", "192.0.2.3"), ("DE", "192.0.2.4")];
const NETWORKS: &[(u64, &str)] = &[(54321, "192.0.2.5")];

fn vectors() -> Vec<Value> {
    let mut files: Vec<_> = std::fs::read_dir(workspace().join("tests/corpus/cloudflare"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

/// A request of a case, and what is to become of it.
struct Play<'v> {
    name: String,
    at: OffsetDateTime,
    request: &'v Value,
    origin_status: u64,
    expect: &'v Value,
}

/// The requests of the cases that can be played, each case days after the one before; and the names of the others.
fn plays(vector: &Value) -> (Vec<Play<'_>>, Vec<String>) {
    let (mut plays, mut left_out) = (Vec::new(), Vec::new());
    let mut start = OffsetDateTime::from_unix_timestamp(1_780_000_000).unwrap();
    for case in vector["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let steps: Vec<&Value> = case["steps"].as_array().map_or(vec![case], |steps| steps.iter().collect());
        let is_foreign = |step: &&Value| {
            let context = step["request"]["context"].as_object();
            context.is_some_and(|context| {
                context.keys().any(|key| FOREIGN.iter().any(|start| key.starts_with(start)))
            })
        };
        if steps.iter().any(is_foreign) {
            left_out.push(name.to_owned());
            continue;
        }
        for (step, said) in steps.into_iter().enumerate() {
            let told = said["request"]["context"]["http.request.timestamp.sec"].as_i64();
            let at = told.map_or(start + Duration::seconds(said["at_s"].as_i64().unwrap_or(0)), |seconds| {
                OffsetDateTime::from_unix_timestamp(seconds).unwrap()
            });
            plays.push(Play {
                name: format!("{name} ({step})"),
                at,
                request: &said["request"],
                origin_status: said["origin_status"].as_u64().unwrap_or(200),
                expect: &said["expect"],
            });
        }
        start += Duration::days(2);
    }
    (plays, left_out)
}

impl Play<'_> {
    fn line(&self) -> String {
        let of = |key: &str| self.request[key].as_str().unwrap();
        let mut host = of("host").to_owned();
        if let Some(port) = self.request["context"]["cf.edge.server_port"].as_u64() {
            host = format!("{host}:{port}");
        }
        let mut headers = vec![json!(["host", host])];
        headers.extend(self.request["headers"].as_array().unwrap().iter().cloned());
        let body = self.request["body"].as_str().unwrap_or_default();
        json!({
            "id": self.name, "at": self.at.format(&Rfc3339).unwrap(), "peer": self.peer(),
            "tls": of("scheme") == "https", "method": of("method"),
            "url": format!("{}://{host}{}", of("scheme"), of("target")),
            "headers": headers, "body_b64": STANDARD.encode(body), "upstream_status": self.origin_status,
        })
        .to_string()
    }

    /// An address that is where the case wants the client to be.
    fn peer(&self) -> &str {
        let own = self.request["client_ip"].as_str().unwrap();
        let context = |key: &str| &self.request["context"][key];
        if own.starts_with("11.22.33.") {
            // The rule itself names these addresses, and the database has them.
            assert_eq!(*context("ip.src.country"), "US");
            return own;
        }
        let place = context("ip.src.country").as_str();
        let place = place.map(|code| PLACES.iter().find(|(known, _)| *known == code).unwrap().1);
        let network = context("ip.src.asnum").as_u64();
        let network = network.map(|number| NETWORKS.iter().find(|(known, _)| *known == number).unwrap().1);
        place.or(network).unwrap_or(own)
    }

    fn check(&self, verdict: &Value) {
        let Self { name, expect, .. } = self;
        let decision = match expect["verdict"].as_str().unwrap() {
            "pass" => "allow",
            "redirect" => "answer",
            "block" => "refuse",
            other => panic!("{name}: {other} is not played"),
        };
        assert_eq!(verdict["decision"], decision, "{name}: {verdict:#}");
        assert_eq!(verdict["matched"], expect["matched"], "{name}: {verdict:#}");
        for key in ["status", "body", "location"] {
            if let Some(wanted) = expect.get(key) {
                assert_eq!(&verdict[key], wanted, "{name}: {key} of {verdict:#}");
            }
        }
        let forwarded = &verdict["forwarded"];
        if let Some(wanted) = expect["origin_uri"].as_str() {
            let url = forwarded["url"].as_str().unwrap();
            let target = url.splitn(4, '/').nth(3).map(|rest| format!("/{rest}"));
            assert_eq!(target.as_deref(), Some(wanted), "{name}");
        }
        let arrived = |field: &str| {
            let mut pairs = forwarded["headers"].as_array().unwrap().iter();
            let same = |pair: &&Value| pair[0].as_str().unwrap().eq_ignore_ascii_case(field);
            pairs.find(same).map(|pair| pair[1].clone())
        };
        for (field, value) in expect["origin_request_headers"].as_object().into_iter().flatten() {
            assert_eq!(arrived(field).unwrap_or_default(), *value, "{name}: {field}");
        }
    }
}

/// A vector as a complete file that knows where addresses are, and the import's exit code.
async fn imported(vector: &Value) -> (Site, i32) {
    let site = Site::new();
    site.write("export.json", &vector["export"].to_string());
    site.write("lists.json", &json!({ "lists": vector["lists"] }).to_string());
    for name in ["countries.mmdb", "networks.mmdb"] {
        std::fs::copy(workspace().join("tests/corpus/geo").join(name), site.path(name)).unwrap();
    }
    let line = "import cloudflare export.json lists.json --upstream http://127.0.0.1:1 --challenge-as block \
                --geo countries.mmdb --geo networks.mmdb --output portcullis.yaml";
    let outcome = site.run(&line.split_whitespace().collect::<Vec<_>>()).await;
    assert!(!outcome.stderr.contains("Not carried over"), "{}: {}", vector["id"], outcome.stderr);
    let _ = site.run(&["test"]).await.expect(0);
    (site, outcome.code)
}

#[tokio::test]
async fn requests_of_the_vectors_end_as_cloudflare_says() {
    let (mut played, mut left_out) = (0, Vec::new());
    let vectors = vectors();
    assert_eq!(vectors.len(), VECTORS);
    for vector in &vectors {
        let id = vector["id"].as_str().unwrap();
        let (site, code) = imported(vector).await;
        // The only ones that mean something else here are those that need scores.
        assert_eq!(code, i32::from(["cf-007", "cf-012", "cf-022"].contains(&id)), "{id}");
        let (plays, others) = plays(vector);
        left_out.extend(others.into_iter().map(|name| (id.to_owned(), name)));
        let lines: Vec<String> = plays.iter().map(Play::line).collect();
        let verdicts = site.run_with(&["replay", "-"], &lines.join("\n")).await.expect(0).json_lines();
        assert_eq!(verdicts.len(), plays.len(), "{id}");
        for (play, verdict) in plays.iter().zip(&verdicts) {
            play.check(verdict);
        }
        played += plays.len();
    }
    let known: Vec<_> = LEFT_OUT.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect();
    assert_eq!(left_out, known);
    assert_eq!(played, PLAYED);
}

#[tokio::test]
async fn what_has_no_counterpart_is_told_and_is_exit_1() {
    let site = Site::new();
    let set = json!({
        "id": "1", "kind": "zone", "phase": "http_request_firewall_custom", "name": "default", "rules": [
            { "ref": "challenged", "action": "managed_challenge", "expression": "http.host eq \"a.example\"" },
            { "ref": "probes", "action": "block", "expression": "http.request.uri.path contains \".php\"" },
        ],
    });
    let managed = json!({
        "id": "2", "kind": "zone", "phase": "http_request_firewall_managed", "rules": [
            { "ref": "owasp", "action": "execute", "expression": "true", "action_parameters": { "id": "efb7b8c9" } },
        ],
    });
    site.write("export.json", &json!({ "result": [set, managed], "success": true }).to_string());
    let args = ["import", "cloudflare", "export.json", "--upstream", "http://127.0.0.1:1"];
    let outcome = site.run(&args).await.expect(1);
    for told in [
        "rule `challenged`",
        "--challenge-as",
        "rule `owasp` (http_request_firewall_managed)",
        "no managed rules",
    ] {
        assert!(outcome.stderr.contains(told), "{told} in {}", outcome.stderr);
    }
    site.write("portcullis.yaml", &outcome.stdout);
    let _ = site.run(&["test"]).await.expect(0);
    let explained = site.run(&["explain", "GET /x.php"]).await.expect(0).stdout;
    assert!(explained.contains("probes"), "{explained}");
    // What is there already stays, unless it is said otherwise.
    let refused = site.run(&[&args[..], &["--output", "portcullis.yaml"]].concat()).await.expect(2);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    site.write("export.json", "resource \"cloudflare_ruleset\" \"x\" {}");
    let refused = site.run(&args).await.expect(2);
    assert!(
        refused.stderr.contains("terraform show -json") && refused.stdout.is_empty(),
        "{}",
        refused.stderr
    );
}
