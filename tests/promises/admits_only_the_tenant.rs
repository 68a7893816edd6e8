//! Only a valid token for one's own tenant comes through; everyone else learns why, and the backend learns nothing.

use harness::curl::curl;
use harness::issuer::{Algorithm, now};
use harness::{Ask, Certificates, Site, Stage, Value, json, stage};

const OWN: &str = "/v1/acme/conversations";

#[tokio::test]
async fn ones_own_tenant_is_admitted_and_named_to_the_backend() {
    let stage = stage(|_| {}).await;
    let token = stage.issuer.token(&json!({ "roles": ["user", "editor"] }));
    for client in [stage.http1(), stage.http2()] {
        let reply = client.send(Ask::get(OWN).bearer(&token)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let seen = stage.backend.last();
        assert_eq!(seen.header("x-user-id"), Some("ada"));
        assert_eq!(seen.header("x-tenant-id"), Some("acme"));
        let roles = seen.header("x-roles").unwrap_or_default();
        assert!(roles.contains("user") && roles.contains("editor"), "x-roles: {roles}");
    }
}

#[tokio::test]
async fn curl_is_admitted_over_both_protocols() {
    let stage = stage(|_| {}).await;
    let bearer = format!("authorization: Bearer {}", stage.token());
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let reply = curl(&stage, OWN, &[flag, "-H", &bearer]).await;
        assert_eq!((reply.status, reply.version.as_str()), (200, version), "{}", reply.stderr);
        assert_eq!(reply.json()["target"], OWN);
        assert_eq!(curl(&stage, OWN, &[flag]).await.verdict(), "401 token_missing");
    }
    assert_eq!(stage.backend.requests().len(), 2);
}

#[tokio::test]
async fn everyone_else_is_refused() {
    let stage = stage(|_| {}).await;
    let good = stage.token();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let swapped = if signature.starts_with('A') { 'B' } else { 'A' };
    let tampered = format!("{head}.{swapped}{}", signature.get(1..).unwrap());
    let issuer = stage.issuer;
    let cases: Vec<(&str, String, &str)> = vec![
        ("another tenant", issuer.token(&json!({ "org_id": "globex" })), "403 tenant_mismatch"),
        ("tenant in another case", issuer.token(&json!({ "org_id": "ACME" })), "403 tenant_mismatch"),
        ("no tenant at all", issuer.token(&json!({ "org_id": null })), "403 tenant_mismatch"),
        (
            "a tenant that is no string",
            issuer.token(&json!({ "org_id": { "id": "acme" } })),
            "403 tenant_mismatch",
        ),
        ("expired", issuer.token(&json!({ "exp": now() - 60 })), "401 token_expired"),
        ("not yet valid", issuer.token(&json!({ "nbf": now() + 300 })), "401 token_invalid"),
        ("no expiry", issuer.token(&json!({ "exp": null })), "401 token_invalid"),
        ("forged", issuer.forged(&json!({})), "401 token_invalid"),
        ("tampered with", tampered, "401 token_invalid"),
        ("unsigned", issuer.unsigned(&json!({})), "401 token_invalid"),
        (
            "another issuer",
            issuer.token(&json!({ "iss": "https://evil.example.test/" })),
            "401 token_invalid",
        ),
        ("no issuer", issuer.token(&json!({ "iss": null })), "401 token_invalid"),
        ("another audience", issuer.token(&json!({ "aud": "other.example.test" })), "401 token_invalid"),
        ("no audience", issuer.token(&json!({ "aud": null })), "401 token_invalid"),
        ("an algorithm not listed", issuer.sign(Algorithm::HS512, &json!({})), "401 token_invalid"),
        ("another family", issuer.sign(Algorithm::ES256, &json!({})), "401 token_invalid"),
        ("not a token", "abc".to_owned(), "401 token_invalid"),
        ("a token of 100 kB of nothing", "a".repeat(20_000), "401 token_invalid"),
    ];
    for (what, token, verdict) in cases {
        let reply = stage.send(Ask::get(OWN).bearer(&token)).await;
        assert_eq!(reply.verdict(), verdict, "{what}");
        assert!(!reply.text().contains(&token), "{what}: the answer repeats the token");
    }
    stage.assert_untouched().await;
}

#[tokio::test]
async fn a_missing_token_is_told_how_to_come_back() {
    let stage = stage(|_| {}).await;
    let none = stage.send(Ask::get(OWN)).await;
    assert_eq!(none.verdict(), "401 token_missing");
    assert!(none.header("www-authenticate").starts_with("Bearer"), "{:?}", none.headers);
    let expired = stage.issuer.token(&json!({ "exp": now() - 60 }));
    let expired = stage.send(Ask::get(OWN).bearer(&expired)).await;
    assert!(
        expired.header("www-authenticate").contains("invalid_token"),
        "RFC 6750, section 3: {:?}",
        expired.headers
    );
    for odd in ["Basic YWRhOmFkYQ==", "Bearer", "Bearer ", ""] {
        let reply = stage.send(Ask::get(OWN).header("authorization", odd)).await;
        assert_eq!(reply.status, 401, "authorization: {odd:?} gave {}", reply.verdict());
    }
    let twice = Ask::get(OWN).bearer(&stage.token()).bearer(&stage.issuer.forged(&json!({})));
    let twice = stage.send(twice).await;
    assert!(twice.status.is_client_error(), "two Authorization lines gave {}", twice.verdict());
    stage.assert_untouched().await;
}

#[tokio::test]
async fn the_tenant_cannot_be_smuggled_through_the_path() {
    let stage = stage(|_| {}).await;
    let token = stage.token();
    for path in [
        "/v1/globex/conversations",
        "/v1/%67lobex/conversations",
        "/v1//globex/conversations",
        "/v1/acme/../globex/conversations",
        "/v1/acme%2f..%2fglobex/conversations",
        "/v1/./globex/conversations",
        "/v1/acme%00/conversations",
        "/v1/acme;globex/conversations",
        "/V1/globex/conversations",
    ] {
        let reply = stage.send(Ask::get(path).bearer(&token)).await;
        assert!(reply.status.is_client_error(), "{path} gave {}", reply.verdict());
    }
    stage.assert_untouched().await;
}

/// Each body names `acme` to a JSON parser that is exact, and `globex` to some backend in use.
#[tokio::test]
async fn the_tenant_cannot_be_smuggled_through_the_body() {
    let stage = stage(|_| {}).await;
    let token = stage.token();
    let json = "application/json";
    for (kind, coding, body) in [
        (json, "", r#"{"tenant_id":"acme","Tenant_ID":"globex"}"#),
        (json, "", r#"{"tenant_id":"acme","tenant\u005fid":"globex"}"#),
        ("application/x-www-form-urlencoded", "", r#"{"tenant_id":"acme","x":"&tenant_id=globex&"}"#),
        ("", "", r#"{"tenant_id":"acme","x":"&tenant_id=globex&"}"#),
        (
            "application/json; charset=utf-7",
            "",
            r#"{"tenant_id":"acme","x":"+ACI-,+ACI-tenant_id+ACI-:+ACI-globex"}"#,
        ),
        (json, "deflate", r#"{"tenant_id":"acme"}"#),
    ] {
        let mut ask = Ask::new("POST", OWN).bearer(&token).body(body);
        for (name, value) in [("content-type", kind), ("content-encoding", coding)] {
            ask = if value.is_empty() { ask } else { ask.header(name, value) };
        }
        for client in [stage.http1(), stage.http2()] {
            let reply = client.send(ask.clone()).await;
            let verdict = match (kind.ends_with("urlencoded"), coding.is_empty()) {
                // A form may bring the tenant too, and this one brings another.
                (true, _) => "403 tenant_mismatch",
                (false, true) => "400 body_invalid",
                (false, false) => "415 media_type",
            };
            assert_eq!(reply.verdict(), verdict, "{kind} {coding} {body}");
        }
    }
    stage.assert_untouched().await;
}

#[tokio::test]
async fn roles_scopes_and_claims_are_required() {
    let stage = stage(|_| {}).await;
    let issuer = stage.issuer;
    let cases = [
        ("GET", "/admin/users", json!({}), "403 role_required"),
        ("GET", "/admin/users", json!({ "roles": "administrator" }), "403 role_required"),
        ("GET", "/admin/users", json!({ "roles": { "admin": true } }), "403 role_required"),
        ("DELETE", "/admin/users", json!({ "roles": null }), "403 role_required"),
        ("POST", "/writers/a", json!({ "scope": "chat:read chat:writer" }), "403 scope_required"),
        ("POST", "/writers/a", json!({ "scope": null }), "403 scope_required"),
        ("GET", "/careful/a", json!({}), "403 claim_required"),
        ("GET", "/careful/a", json!({ "mfa": false }), "403 claim_required"),
        ("GET", "/careful/a", json!({ "mfa": "true" }), "403 claim_required"),
    ];
    for (method, path, claims, verdict) in cases {
        let reply = stage.send(Ask::new(method, path).bearer(&issuer.token(&claims))).await;
        assert_eq!(reply.verdict(), verdict, "{method} {path} with {claims}");
    }
    stage.assert_untouched().await;
    let admitted = [
        ("GET", "/admin/users", json!({ "roles": ["user", "admin"] })),
        ("POST", "/writers/a", json!({ "scope": "chat:read chat:write" })),
        ("GET", "/careful/a", json!({ "mfa": true })),
    ];
    for (method, path, claims) in admitted {
        let reply = stage.send(Ask::new(method, path).bearer(&issuer.token(&claims))).await;
        assert_eq!(reply.status, 200, "{method} {path} with {claims}: {}", reply.text());
    }
}

/// Every family, with the keys in each form that the contract names.
#[tokio::test]
async fn every_algorithm_is_verified_and_only_the_listed_ones() {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS512, RS256, RS384};
    for algorithm in [RS256, RS384, PS256, PS512, ES256, ES384, EdDSA] {
        for form in ["pem", "file"] {
            let stage = keyed(&[algorithm], form).await;
            let what = format!("{algorithm:?} by {form}");
            let good = stage.issuer.sign(algorithm, &json!({}));
            assert_eq!(ask(&stage, &good).await, "200", "{what}");
            assert_eq!(
                ask(&stage, &stage.token()).await,
                "401 token_invalid",
                "{what}: HS256 with another key"
            );
            let confused = stage.issuer.confused(algorithm, &json!({}));
            assert_eq!(
                ask(&stage, &confused).await,
                "401 token_invalid",
                "{what}: HS256 with the public key"
            );
            let other = if algorithm == ES256 { EdDSA } else { ES256 };
            let other = stage.issuer.sign(other, &json!({}));
            assert_eq!(ask(&stage, &other).await, "401 token_invalid", "{what}: an algorithm not listed");
            assert_eq!(stage.backend.requests().len(), 1, "{what}");
        }
    }
}

#[tokio::test]
async fn one_key_set_serves_several_families() {
    let stage = keyed(&[Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA], "file").await;
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert_eq!(ask(&stage, &stage.issuer.sign(algorithm, &json!({}))).await, "200", "{algorithm:?}");
    }
    let unlisted = stage.issuer.sign(Algorithm::PS256, &json!({}));
    assert_eq!(
        ask(&stage, &unlisted).await,
        "401 token_invalid",
        "the RSA key is there, PS256 is not listed"
    );
}

#[tokio::test]
async fn every_hmac_is_verified() {
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let stage = stage(|c| {
            c.set("identities.session.algorithms", json!([format!("{algorithm:?}")]));
        })
        .await;
        assert_eq!(ask(&stage, &stage.issuer.sign(algorithm, &json!({}))).await, "200", "{algorithm:?}");
        assert_eq!(ask(&stage, &stage.issuer.forged(&json!({}))).await, "401 token_invalid");
    }
}

async fn ask(stage: &Stage, token: &str) -> String {
    stage.send(Ask::get(OWN).bearer(token)).await.verdict()
}

async fn keyed(algorithms: &[Algorithm], form: &str) -> Stage {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    site.write("keys/public.pem", &harness::Issuer.public_pem(algorithms[0]));
    site.write("keys/jwks.json", &harness::Issuer.jwks(algorithms));
    let keys: Value = match form {
        "pem" => json!({ "pem": "keys/public.pem" }),
        _ => json!({ "file": "keys/jwks.json" }),
    };
    let names: Vec<String> = algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect();
    harness::stage::stage_with(harness::Backend::http().await, certificates, site, |c| {
        // `session` signs nothing now, and a secret that nothing uses may be a problem.
        c.set("identities.session.keys", keys).remove("secrets.session");
        c.set("identities.session.algorithms", json!(names));
    })
    .await
}

/// RFC 9113, section 8.2.1: over HTTP/1 the backend would get the type without its blank, and read the form.
#[tokio::test]
async fn a_form_does_not_hide_behind_a_blank() {
    let stage = stage(|c| {
        c.add_route(json!({ "name": "search", "match": "POST /search", "tenant": "query.tenant" }));
    })
    .await;
    let ask = Ask::new("POST", "/search?tenant=acme").body("tenant=globex").bearer(&stage.token());
    for kind in [
        "application/x-www-form-urlencoded",
        " application/x-www-form-urlencoded",
        "multipart/form-data",
        "\tmultipart/form-data; boundary=x",
        "",
    ] {
        for client in [stage.http1(), stage.http2()] {
            let reply = client.send(ask.clone().header("content-type", kind)).await;
            assert!(reply.status.is_client_error(), "{kind:?}: {}", reply.verdict());
        }
    }
    stage.assert_untouched().await;
}
