use rules::credential::Vouched;

use super::*;
use crate::config::load::{Purpose, load};

mod limits;

const TEXT: &str = r#"
version: 1
environment: development
listen: { http: { bind: "127.0.0.1:0", plaintext: "a test" } }
secrets: { session: { value: "a test's secret of forty-two bytes, no less" } }
upstreams: { chatbot: { servers: ["http://127.0.0.1:1"] } }
identities:
  session: { kind: jwt, issuer: "https://issuer.test/", audience: api, keys: { secret: session } }
  other: { kind: jwt, issuer: "https://issuer.test/", audience: api, keys: { secret: session } }
defaults: { upstream: chatbot, identity: session }
routes:
  - { name: a, match: GET /a }
  - { name: b, match: GET /b, identity: other, relax: { identity: "another" } }
"#;

fn snapshot() -> Arc<Snapshot> {
    load_text(TEXT)
}

fn load_text(text: &str) -> Arc<Snapshot> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.yaml");
    std::fs::write(&path, text).unwrap();
    load(&path, Purpose::Serve).unwrap_or_else(|broken| panic!("{}", broken.text(false))).snapshot
}

fn asked(snapshot: &Arc<Snapshot>, target: &str, token: &str) -> Result<Option<String>, Code> {
    let fields = [("authorization".to_owned(), format!("Bearer {token}"))];
    let judgement =
        judge(snapshot, &case(snapshot, &Method::GET, target, &fields, b"", None), &Memory::default());
    match judgement.end {
        End::Refuse(refusal, _) => Err(refusal.code),
        _ => Ok(judgement.visit.and_then(|visit| visit.user().map(str::to_owned))),
    }
}

/// What no key has signed stands for what some key did: only the memory can know it.
#[test]
fn a_remembered_credential_is_believed_without_its_signature_by_its_identity_alone() {
    let snapshot = snapshot();
    assert_eq!(asked(&snapshot, "/a", "x.y.z"), Err(Code::TokenInvalid));
    let session = snapshot.identities.iter().find(|identity| &*identity.def.name == "session").unwrap();
    let facts = serde_json::json!({ "user": "ada" });
    let caller = session.def.gate.assume(facts.as_object().unwrap()).unwrap();
    let now = now_ms() / 1000;
    let vouched = |from, until| Vouched { caller: Arc::clone(&caller), from, until };
    session.remember(b"x.y.z", vouched(now - 60, now + 60), None);
    assert_eq!(asked(&snapshot, "/a", "x.y.z"), Ok(Some("ada".to_owned())));
    assert_eq!(asked(&snapshot, "/a", "x.y.Z"), Err(Code::TokenInvalid));
    assert_eq!(
        asked(&snapshot, "/b", "x.y.z"),
        Err(Code::TokenInvalid),
        "each identity has a memory of its own"
    );
    session.remember(b"x.y.z", vouched(now - 60, now - 1), None);
    assert_eq!(asked(&snapshot, "/a", "x.y.z"), Err(Code::TokenInvalid));
}

#[test]
fn what_was_verified_is_remembered_and_what_was_refused_is_not() {
    let snapshot = snapshot();
    let session = snapshot.identities.iter().find(|identity| &*identity.def.name == "session").unwrap();
    let now = now_ms() / 1000;
    let claims =
        serde_json::json!({ "iss": "https://issuer.test/", "aud": "api", "sub": "ada", "exp": now + 60 });
    let secret = rules::secret::Secret::new(b"a test's secret of forty-two bytes, no less".to_vec());
    let key = crate::mint::SigningKey::of_secret(&secret, rules::token::Algorithm::Hs256).unwrap();
    let good = key.mint(claims.as_object().unwrap()).unwrap();
    let bad = format!("{good}A");
    for (token, known) in [(&good, true), (&bad, false)] {
        assert!(session.recall(token.as_bytes(), now).is_none());
        assert_eq!(asked(&snapshot, "/a", token).is_ok(), known);
        assert_eq!(session.recall(token.as_bytes(), now).is_some(), known);
    }
    assert!(session.recall(good.as_bytes(), now + 3600).is_none());
}
