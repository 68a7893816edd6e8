//! What a sound configuration warns of.

use super::super::load::{Purpose, load};

const CONFIGURATION: &str = r#"
version: 1
environment: development
listen:
  http: { bind: "127.0.0.1:0", plaintext: TLS ends elsewhere }
identities:
  session:
    kind: jwt
    issuer: https://id.example.com
    audience: app
    keys: { file: keys.json }
upstreams:
  app: { servers: ["http://127.0.0.1:3000"] }
routes:
  - { name: chat, match: "GET /chat", upstream: app, identity: session }
"#;

/// The public key of RFC 7515, appendix A.3.1.
const SIGNING: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

fn warnings(keys: &str) -> Vec<String> {
    warnings_of(CONFIGURATION, keys)
}

fn warnings_of(configuration: &str, keys: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.yaml");
    std::fs::write(&path, configuration).unwrap();
    std::fs::write(folder.path().join("keys.json"), format!(r#"{{"keys":[{keys}]}}"#)).unwrap();
    load(&path, Purpose::Serve).unwrap_or_else(|broken| panic!("{}", broken.text(false))).warnings
}

#[test]
fn a_key_that_is_left_out_is_told() {
    assert_eq!(warnings(SIGNING), Vec::<String>::new());
    let secret = r#"{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}"#;
    let told = warnings(&format!("{SIGNING},{secret}"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("the identity session: key 2 is left out: it is a shared secret"),
        "{told:?}"
    );
    assert!(!told[0].contains("c2VjcmV0"), "{told:?}");
}

#[test]
fn a_session_in_a_cookie_is_guarded_or_told() {
    let cookie = CONFIGURATION
        .replace("    audience: app\n", "    audience: app\n    token_from: [header, \"cookie:s\"]\n");
    let told = warnings_of(&cookie, SIGNING);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("the route chat takes a session from a cookie"), "{told:?}");
    let guarded = cookie.replace("identity: session }", "identity: session, csrf: cookie_sessions }");
    assert_eq!(warnings_of(&guarded, SIGNING), Vec::<String>::new());
}
