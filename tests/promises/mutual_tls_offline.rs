//! What the commands and the start make of clients' certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::certificates::CertificateParams;
use harness::mutual::{Mutual, acme, ask};
use harness::{Certificates, Configuration, Site, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

const REQUIRED: &str = "401 certificate_required";

#[tokio::test]
async fn replay_verifies_the_recorded_certificate_at_the_recorded_time() {
    let mutual = Mutual::new().await;
    let issued = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    let dated = |params: &mut CertificateParams| {
        acme(params);
        (params.not_before, params.not_after) = (issued, issued + Duration::minutes(10));
    };
    let worker = mutual.clients.issue_client("worker-7", dated).cert;
    let other = Certificates::new().issue_client("worker-7", dated).cert;
    let line = |id: &str, path: &str, cert: Option<&str>, tls: bool, seconds: i64| {
        let at = (issued + Duration::seconds(seconds)).format(&Rfc3339).unwrap();
        let scheme = if tls { "https" } else { "http" };
        let mut line = json!({
            "id": id, "at": at, "peer": "192.0.2.7", "tls": tls, "method": "GET",
            "url": format!("{scheme}://app.example.test{path}"), "headers": [["x-worker", "root"]],
            "body_b64": STANDARD.encode(""),
        });
        if let Some(cert) = cert {
            line["client_cert_pem"] = json!(cert);
        }
        line.to_string()
    };
    let unknown = "does not verify: invalid peer certificate";
    let rows = [
        (line("good", "/machines/a", Some(&worker), true, 1), 200, ""),
        (line("last", "/machines/a", Some(&worker), true, 600), 200, ""),
        (line("late", "/machines/a", Some(&worker), true, 601), 401, "certificate expired"),
        (line("early", "/machines/a", Some(&worker), true, -1), 401, "certificate not valid yet"),
        (line("none", "/machines/a", None, true, 1), 401, "the client showed no certificate that is trusted"),
        (line("other", "/machines/a", Some(&other), true, 1), 401, unknown),
        (line("open", "/healthz", Some(&other), true, 1), 200, unknown),
        (line("plain", "/machines/a", Some(&worker), false, 1), 308, "without TLS"),
        (line("nonsense", "/machines/a", Some("nonsense"), true, 1), 401, "there is no certificate"),
    ];
    let lines: Vec<&str> = rows.iter().map(|(line, ..)| line.as_str()).collect();
    mutual.stage.site.write("cases.jsonl", &lines.join("\n"));
    let outcome = mutual.stage.site.run(&["replay", "cases.jsonl"]).await.expect(0);
    let verdicts = outcome.json_lines();
    assert_eq!(verdicts.len(), rows.len());
    for (verdict, (_, status, why)) in verdicts.iter().zip(&rows) {
        assert_eq!(verdict["status"], *status, "{verdict}");
        let told = verdict["why"].as_str().unwrap_or_default();
        assert!(told.contains(why) && told.is_empty() == why.is_empty(), "{verdict}");
    }
    assert_eq!([&verdicts[0]["user"], &verdicts[0]["tenant"]], ["worker-7", "acme"]);
    let forwarded = verdicts[0]["forwarded"]["headers"].as_array().unwrap();
    assert!(
        forwarded.contains(&json!(["x-worker", "worker-7"]))
            && !forwarded.contains(&json!(["x-worker", "root"]))
    );
    mutual.stage.backend.assert_untouched();
}

#[tokio::test]
async fn the_commands_know_certificates() {
    let mutual = Mutual::with(|c| {
        c.set(
            "tests",
            json!([
                { "as": { "user": "worker-7", "tenant": "acme" }, "send": "GET /either/acme", "expect": "allow" },
                { "as": { "user": "worker-7", "tenant": "acme" }, "send": "GET /either/globex", "expect": "403 tenant_mismatch" },
                { "as": { "user": "worker-7", "roles": ["on-call"] }, "send": "GET /on-call", "expect": "allow" },
                { "send": "GET /machines/a", "expect": "401 certificate_required" },
            ]),
        );
    })
    .await;
    let site = &mutual.stage.site;
    let _ = site.run(&["test"]).await.expect(0);
    site.write("client.pem", &mutual.worker().cert);
    site.write("other.pem", &Certificates::new().issue_client("worker-7", acme).cert);
    let explain = |file: &'static str| ["explain", "GET /machines/a", "--client-cert", file];
    let known = site.run(&explain("client.pem")).await.expect(0).stdout;
    assert!(known.contains("worker: user worker-7") && known.contains("→ allow"), "{known}");
    let refused = site.run(&explain("other.pem")).await.expect(2).stderr;
    assert!(refused.contains("error: with `other.pem` there would be no request"), "{refused}");
    let unknown = site.run(&["explain", "GET /machines/a"]).await.expect(0).stdout;
    assert!(unknown.contains(REQUIRED), "{unknown}");
    let minted = site.run(&["token", "--identity", "worker"]).await.expect(2).stderr;
    assert!(minted.contains("the identity `worker` has no tokens"), "{minted}");
}

#[tokio::test]
async fn the_gateway_does_not_start_with_authorities_that_it_cannot_use() {
    let (certificates, clients) = (Certificates::new(), Certificates::new());
    for (pem, why) in [
        (None, "cannot be read"),
        (Some(String::new()), "there is no certificate in it"),
        (Some(clients.issue_client("worker-7", acme).cert), "certificate 1 in it is not an authority's"),
        (
            Some(clients.ca_pem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "certificate 2 in it is damaged",
        ),
    ] {
        let site = Site::furnished(&certificates);
        if let Some(pem) = &pem {
            site.write("tls/clients.pem", pem);
        }
        let mut configuration = Configuration::complete("http://127.0.0.1:1");
        ask(&mut configuration);
        site.configure(&configuration);
        let outcome = harness::Gateway::try_start(&site).await.err().expect("it does not start");
        let place = format!("portcullis.yaml:{}", site.line_of("client_ca"));
        assert!(
            outcome.code == 2 && outcome.stderr.contains(why) && outcome.stderr.contains(&place),
            "{outcome:?}"
        );
        assert!(outcome.stderr.contains("help"), "{}", outcome.stderr);
    }
}
