//! What a client sends.

use std::io::Write as _;

use crate::contender::{Ask, Policy, Scenario, Transport};
use crate::wire::HOST;

/// The page that asks: another site's, so that every answer has its CORS fields.
const ORIGIN: &str = "https://shop.example.test";

/// A request, for whichever protocol.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET` or `POST`.
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) path: &'static str,
    /// Header fields in lower case, without `host` and `content-length`.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The scenario's request. All carry a token, so that all have about the same bytes to move.
    pub(crate) fn new(scenario: &Scenario, token: Option<&str>) -> Self {
        let mut fields = vec![
            ("user-agent", "bench/1".to_owned()),
            ("accept", "application/json".to_owned()),
            ("origin", ORIGIN.to_owned()),
        ];
        fields.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
        let body = if scenario.ask == Ask::Chat { chat() } else { Vec::new() };
        if scenario.ask == Ask::Chat {
            fields.push(("content-type", "application/json".to_owned()));
        }
        let method = if scenario.ask == Ask::Chat { "POST" } else { "GET" };
        Self { method, path: path(scenario), fields, body }
    }

    /// Its bytes in HTTP/1.1.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nhost: {HOST}\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.fields {
            // Writing into memory cannot fail.
            drop(write!(bytes, "{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            drop(write!(bytes, "content-length: {}\r\n", self.body.len()));
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

fn path(scenario: &Scenario) -> &'static str {
    match (scenario.ask, scenario.policy) {
        (Ask::Chat, _) => "/public/acme/conversations/c1/messages",
        (Ask::OverLimit, _) => "/limited/acme/conversations?page=2",
        (Ask::Events, _) if scenario.transport == Transport::Plain => "/public/acme/events",
        (Ask::Events, Policy::None) => "/public/acme/events",
        (Ask::Events, Policy::Hs256) => "/hs256/acme/events",
        (Ask::Events, Policy::Rs256) => "/rs256/acme/events",
        (_, Policy::None) => "/public/acme/conversations?page=2",
        (_, Policy::Hs256) => "/hs256/acme/conversations?page=2",
        (_, Policy::Rs256) => "/rs256/acme/conversations?page=2",
    }
}

/// A conversation so far, of two kilobytes.
fn chat() -> Vec<u8> {
    let said = "What does the gateway do with a message that it has to hold until it is whole? ".repeat(6);
    let messages: Vec<_> = ["system", "user", "assistant", "user"]
        .map(|role| serde_json::json!({ "role": role, "content": said }))
        .into();
    serde_json::json!({ "model": "bench", "stream": false, "messages": messages }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::{CHAT_POST, FULL_HS256};

    #[test]
    fn a_request_is_what_a_client_sends() {
        let text = String::from_utf8(Request::new(&FULL_HS256, Some("a.b.c")).bytes()).unwrap();
        assert!(
            text.starts_with("GET /hs256/acme/conversations?page=2 HTTP/1.1\r\nhost: app.example.test\r\n")
        );
        assert!(text.ends_with("authorization: Bearer a.b.c\r\n\r\n"), "{text}");
        let chat = Request::new(&CHAT_POST, None);
        assert!((1900..2200).contains(&chat.body.len()), "{}", chat.body.len());
    }
}
