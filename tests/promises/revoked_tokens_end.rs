//! A token that was good, and was remembered as good, ends when its list, its keys or its time say so.

use harness::issuer::now;
use harness::{Ask, Backend, Certificates, Site, Stage, json, stage, stage::stage_with, until};

const OWN: &str = "/v1/acme/conversations";

async fn listed(list: &str) -> Stage {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    site.write("revoked.txt", list);
    stage_with(Backend::http().await, certificates, site, |c| {
        c.set("identities.session.revoked", json!({ "file": "revoked.txt" }));
    })
    .await
}

async fn verdict(stage: &Stage, token: &str) -> String {
    stage.send(Ask::get(OWN).bearer(token)).await.verdict()
}

async fn becomes(stage: &Stage, token: &str, wanted: &str) {
    until(&format!("the token to get {wanted}"), || async {
        (verdict(stage, token).await == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_remembered_token_ends_when_the_list_names_it() {
    let stage = listed("# nobody yet\n").await;
    let [ada, other, bob, late] = [
        json!({ "jti": "one" }),
        json!({ "jti": "two" }),
        json!({ "sub": "bob", "iat": now() - 120 }),
        json!({ "sub": "bob", "iat": now() - 60 }),
    ]
    .map(|changes| stage.issuer.token(&changes));
    for token in [&ada, &other, &bob, &late, &ada] {
        assert_eq!(verdict(&stage, token).await, "200");
    }
    let between = time::OffsetDateTime::from_unix_timestamp(i64::try_from(now() - 90).unwrap()).unwrap();
    let between = between.format(&time::format_description::well_known::Rfc3339).unwrap();
    stage.site.write("revoked.txt", &format!("jti one  # stolen\nuser bob before {between}\n"));
    becomes(&stage, &ada, "401 token_invalid").await;
    assert_eq!(verdict(&stage, &bob).await, "401 token_invalid");
    assert_eq!(verdict(&stage, &late).await, "200", "issued after the moment");
    assert_eq!(verdict(&stage, &other).await, "200", "another token of the user");
    let reply = stage.send(Ask::get(OWN).bearer(&ada)).await;
    assert!(!reply.text().contains("revoked"), "what is on the list is ours to know: {}", reply.text());

    stage.site.write("revoked.txt", "user ada\n");
    becomes(&stage, &other, "401 token_invalid").await;
    assert_eq!(verdict(&stage, &bob).await, "200", "the list is what it says now");
}

#[tokio::test]
async fn a_list_may_be_long() {
    let entry = |nth: u32| format!("user auth0|{nth:024} before 2026-01-01T00:00:00+00:00");
    let stage = listed(&(0..100_000).map(entry).collect::<Vec<_>>().join("\n")).await;
    let user = |nth: u32| stage.issuer.token(&json!({ "sub": format!("auth0|{nth:024}"), "iat": null }));
    assert_eq!(verdict(&stage, &user(99_999)).await, "401 token_invalid");
    assert_eq!(verdict(&stage, &user(100_000)).await, "200");
}

#[tokio::test]
async fn a_broken_list_leaves_the_old_one_in_force() {
    let stage = listed("user ada\n").await;
    let (ada, bob) = (stage.token(), stage.issuer.token(&json!({ "sub": "bob" })));
    assert_eq!(verdict(&stage, &ada).await, "401 token_invalid");
    assert_eq!(verdict(&stage, &bob).await, "200");
    stage.site.write("revoked.txt", "# ada is back\nuser bob befor 2026-11-22T10:00:00Z\n");
    stage.gateway.reload("revoked.txt, line 2: after the name only `before` and a time can stand").await;
    assert_eq!(verdict(&stage, &ada).await, "401 token_invalid");
    assert_eq!(verdict(&stage, &bob).await, "200");
    std::fs::remove_file(stage.site.path("revoked.txt")).unwrap();
    stage.gateway.reload("revoked.txt` cannot be read").await;
    assert_eq!(verdict(&stage, &ada).await, "401 token_invalid");
}

#[tokio::test]
async fn a_remembered_token_ends_when_it_expires() {
    let stage = stage(|c| {
        c.set("identities.session.leeway", "0s");
    })
    .await;
    let token = stage.issuer.token(&json!({ "exp": now() + 3 }));
    assert_eq!(verdict(&stage, &token).await, "200");
    assert_eq!(verdict(&stage, &token).await, "200");
    becomes(&stage, &token, "401 token_expired").await;
}

#[tokio::test]
async fn a_remembered_token_ends_when_its_key_does() {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    site.write("keys/session", harness::issuer::SECRET);
    let stage = stage_with(Backend::http().await, certificates, site, |c| {
        c.set("secrets.session", json!({ "file": "keys/session" }));
    })
    .await;
    let token = stage.token();
    assert_eq!(verdict(&stage, &token).await, "200");
    stage.site.write("keys/session", &"another secret ".repeat(5));
    becomes(&stage, &token, "401 token_invalid").await;
}
