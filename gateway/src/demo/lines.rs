//! What the demo prints: lines that work when they are pasted.

use super::folder::Folder;
use super::issuer::{ALICE, BOB, Issuer};
use super::{Ports, shell};
use crate::mint::NoSignature;

/// The handshake of a WebSocket, with the example's key of RFC 6455; curl waits for more until its time is up.
const HANDSHAKE: &str = "--http1.1 --max-time 2 --header 'connection: upgrade' --header 'upgrade: websocket' \
    --header 'sec-websocket-version: 13' --header 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=='";

/// One request to try, and the answer it gets.
pub(super) struct Line {
    pub(super) about: &'static str,
    pub(super) answer: &'static str,
    pub(super) command: String,
}

impl Line {
    fn text(&self) -> String {
        format!("\n# {}: {}\n{}\n", self.about, self.answer, self.command)
    }
}

/// The whole text.
pub(super) fn text(
    folder: &Folder,
    issuer: &Issuer,
    ports: Ports,
    notes: &[String],
) -> Result<String, NoSignature> {
    let base = format!("https://localhost:{}", ports.https);
    let notes: String = notes.iter().flat_map(|note| [note.as_str(), "\n"]).collect();
    let requests: Vec<String> = lines(folder, issuer, ports)?.iter().map(Line::text).collect();
    let requests = requests.concat();
    let (cert, config) = (folder.path("cert.pem"), folder.config().display());
    Ok(format!(
        "
A chatbot is served at {base}, with portcullis in front.
{notes}Paste these lines into another terminal. Alice is an admin of acme, Bob a user of globex.
{requests}
OpenAI clients: OPENAI_BASE_URL={base}/v1 SSL_CERT_FILE={cert} OPENAI_API_KEY=(a token from above)
Status page:    http://127.0.0.1:{admin}/
Configuration:  {config} (edit it: changes are taken up within seconds)
The access log follows, one line a request. Ctrl-C stops it.

",
        cert = shell::word(&cert.display().to_string()),
        admin = ports.admin,
    ))
}

/// The requests to try.
pub(super) fn lines(folder: &Folder, issuer: &Issuer, ports: Ports) -> Result<Vec<Line>, NoSignature> {
    let cert = folder.path("cert.pem").display().to_string();
    let (cert, port, http) = (shell::word(&cert), ports.https, ports.http);
    let bearer = |token: String| format!(" --header 'authorization: Bearer {token}'");
    let (alice, bob) = (bearer(issuer.token(&ALICE)?), bearer(issuer.token(&BOB)?));
    let expired = bearer(issuer.expired(&ALICE)?);
    let line = |about, answer, flags: &str, path: &str, more: &str| Line {
        about,
        answer,
        command: format!("curl -sS {flags} --cacert {cert} https://localhost:{port}{path}{more}"),
    };
    let again = format!(" https://localhost:{port}/v1/models");
    // Not `--json`, which curl has only since 7.82.
    let question = " --header 'content-type: application/json' --data '{\"model\": \"portcullis-demo\", \"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"Where is my order?\"}]}'";
    let message = " --header 'content-type: application/json' --data '{\"content\": \"Where is my order?\"}'";
    Ok(vec![
        line("Alice reads the conversations of her tenant", "200", "-i", "/v1/acme/conversations", &alice),
        line("and another tenant's", "403 tenant_mismatch", "-i", "/v1/globex/conversations", &alice),
        line("which are Bob's", "200", "-i", "/v1/globex/conversations", &bob),
        line("Nobody in particular reads them", "401 token_missing", "-i", "/v1/acme/conversations", ""),
        line(
            "Alice with a token that has expired",
            "401 token_expired",
            "-i",
            "/v1/acme/conversations",
            &expired,
        ),
        line(
            "What the chatbot learns; what a client says about itself is dropped",
            "200 with x-user-id alice",
            "-i",
            "/v1/acme/whoami",
            &format!("{alice} --header 'x-user-id: root'"),
        ),
        line(
            "Alice sends a message",
            "200",
            "-i",
            "/v1/acme/conversations/c1/messages",
            &format!("{alice}{message}"),
        ),
        line(
            "An answer word by word",
            "200 text/event-stream",
            "-N",
            "/v1/chat/completions",
            &format!("{alice}{question}"),
        ),
        line("The admins' part, for Alice", "200", "-i", "/admin/whoami", &alice),
        line("and for Bob", "403 role_required", "-i", "/admin/whoami", &bob),
        line(
            "Alice asks for the models four times in a minute, once too often",
            "200 three times, then 429 rate_limited",
            "-i",
            "/v1/models",
            &format!("{again}{again}{again}{alice}"),
        ),
        line("What somebody looks for who is up to no good", "403 blocked", "-i", "/wp-login.php", ""),
        line("An address that no route matches", "404 no_route", "-i", "/internal/metrics", &alice),
        line(
            "A WebSocket, which echoes; curl shows the handshake only",
            "101",
            "-i -N",
            "/ws",
            &format!("{alice} {HANDSHAKE}"),
        ),
        Line {
            about: "Plain http",
            answer: "308",
            command: format!("curl -sS -i http://localhost:{http}/v1/acme/conversations"),
        },
    ])
}
