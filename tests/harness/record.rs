//! Recorded requests, and what `portcullis replay` says of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::{Ask, Site};

/// When the first recorded request came, in seconds since the Unix epoch.
pub const START: i64 = 1_800_000_000;

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Record {
    /// Milliseconds after [`START`].
    pub at_ms: i64,
    /// Who sends it.
    pub peer: String,
    /// What is sent, over TLS.
    pub ask: Ask,
    /// What the upstream would answer.
    pub upstream_status: u16,
}

impl Record {
    /// A request at a time.
    pub fn new(at_ms: i64, ask: Ask) -> Self {
        Self { at_ms, peer: "198.51.100.1".to_owned(), ask, upstream_status: 200 }
    }

    /// From another address.
    #[must_use]
    pub fn from(mut self, peer: &str) -> Self {
        peer.clone_into(&mut self.peer);
        self
    }

    /// To which the upstream answers so.
    #[must_use]
    pub fn answered(mut self, status: u16) -> Self {
        self.upstream_status = status;
        self
    }

    fn line(&self, id: usize) -> String {
        let at = OffsetDateTime::from_unix_timestamp_nanos(
            i128::from(START) * 1_000_000_000 + i128::from(self.at_ms) * 1_000_000,
        );
        let mut headers = vec![("host".to_owned(), self.ask.host.clone())];
        headers.extend(self.ask.headers.iter().cloned());
        if !self.ask.body.is_empty() {
            headers.push(("content-length".to_owned(), self.ask.body.len().to_string()));
        }
        json!({
            "id": id.to_string(), "at": at.unwrap().format(&Rfc3339).unwrap(), "peer": self.peer, "tls": true,
            "method": self.ask.method.as_str(), "url": format!("https://{}{}", self.ask.host, self.ask.target),
            "headers": headers, "body_b64": STANDARD.encode(&self.ask.body),
            "upstream_status": self.upstream_status,
        })
        .to_string()
    }
}

/// The verdicts on recorded requests, one after the other, by the site's `portcullis.yaml`.
pub async fn replay(site: &Site, records: &[Record]) -> Vec<Value> {
    let lines: Vec<String> = records.iter().enumerate().map(|(id, record)| record.line(id)).collect();
    let outcome = site.run_with(&["replay", "--config", "portcullis.yaml", "-"], &lines.join("\n")).await;
    let verdicts = outcome.expect(0).json_lines();
    assert_eq!(verdicts.len(), records.len(), "a verdict for each request");
    verdicts
}

/// `status code` of a verdict, or its status alone.
pub fn told(verdict: &Value) -> String {
    match verdict["code"].as_str().filter(|_| verdict["decision"] == "refuse") {
        Some(code) => format!("{} {code}", verdict["status"]),
        None => verdict["status"].to_string(),
    }
}
