//! What is done to tokens (RFC 8725 and the advisories since): none of it is believed, and the backend never hears of it.
//!
//! Each family has a good twin, so that a refusal is known to be for the trick and not for the dress.

mod claims;
mod keys;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use harness::issuer::{Algorithm, Issuer, now};
use harness::{Ask, Backend, Certificates, Site, Stage, Value, json, stage::stage_with};

const OWN: &str = "/v1/acme/conversations";
const ES: Algorithm = Algorithm::ES256;
const RS: Algorithm = Algorithm::RS256;
const INVALID: &str = "401 token_invalid";
const EXPIRED: &str = "401 token_expired";

/// The gateway under attack: a key set with an RSA and an ECDSA key, and only RS256 and ES256 allowed.
async fn fortress() -> Stage {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    site.write("keys/jwks.json", &Issuer.jwks(&[RS, ES]));
    stage_with(Backend::http().await, certificates, site, |c| {
        c.remove("secrets.session");
        c.set("identities.session.keys", json!({ "file": "keys/jwks.json" }));
        c.set("identities.session.algorithms", json!(["RS256", "ES256"]));
        let mut strict = c.root["identities"]["session"].clone();
        strict["typ"] = json!("at+jwt");
        c.set("identities.strict", strict);
        c.add_route(json!({
            "name": "strict", "match": "GET /strict", "identity": "strict",
            "relax": { "identity": "access tokens of RFC 9068 only" },
        }));
    })
    .await
}

/// Attacks with the one verdict that each gets, and the good twins; each on the path of its identity.
#[derive(Default)]
struct Family {
    path: Option<&'static str>,
    bad: Vec<(String, String, &'static str)>,
    good: Vec<(String, String)>,
}

impl Family {
    fn bad(&mut self, what: impl Into<String>, token: impl Into<String>) -> &mut Self {
        self.told(what, token, INVALID)
    }

    fn told(
        &mut self,
        what: impl Into<String>,
        token: impl Into<String>,
        verdict: &'static str,
    ) -> &mut Self {
        self.bad.push((what.into(), token.into(), verdict));
        self
    }

    fn good(&mut self, what: impl Into<String>, token: impl Into<String>) -> &mut Self {
        self.good.push((what.into(), token.into()));
        self
    }

    async fn strike(self) {
        let stage = fortress().await;
        let path = self.path.unwrap_or(OWN);
        let mut connection = stage.http2().connect().await.unwrap();
        let mut wrong = Vec::new();
        assert!(!self.bad.is_empty() && !self.good.is_empty(), "a family without a good twin proves nothing");
        for (what, token, verdict) in &self.bad {
            let reply = connection.send(Ask::get(path).bearer(token)).await;
            if reply.verdict() != *verdict {
                wrong.push(format!("{what}: {} instead of {verdict}", reply.verdict()));
            }
            assert!(
                reply.header("www-authenticate").contains("invalid_token"),
                "{what}: {:?}",
                reply.headers
            );
            assert!(
                token.len() < 20 || !reply.text().contains(token),
                "{what}: the answer repeats the token"
            );
        }
        stage.assert_untouched().await;
        for (what, token) in &self.good {
            let reply = connection.send(Ask::get(path).bearer(token)).await;
            if reply.status != 200 {
                wrong.push(format!("{what}: the good twin is refused with {}", reply.verdict()));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        let said = stage.gateway.out.text() + &stage.gateway.err.text();
        assert!(!said.contains("eyJ"), "a token is in the logs");
    }
}

/// A token of our own ES256 key with these changes.
fn es(header: &Value, claims: &Value) -> String {
    let header = Issuer.header(ES, header).to_string();
    Issuer.raw(ES, header.as_bytes(), Issuer.claims_with(claims).to_string().as_bytes())
}

fn header(changes: &Value) -> String {
    es(changes, &json!({}))
}

fn claims(changes: &Value) -> String {
    es(&json!({}), changes)
}

fn good() -> String {
    es(&json!({}), &json!({}))
}

fn good_claims() -> String {
    Issuer::claims().to_string()
}

/// A token signed by our own key whose header is this text.
fn raw_header(text: impl AsRef<[u8]>) -> String {
    Issuer.raw(ES, text.as_ref(), good_claims().as_bytes())
}

fn raw_claims(text: impl AsRef<[u8]>) -> String {
    Issuer.raw(ES, Issuer.header(ES, &json!({})).to_string().as_bytes(), text.as_ref())
}

/// The same claims with a member written in before them, as text.
fn member(text: &str) -> String {
    raw_claims(good_claims().replacen('{', &format!("{{{text},"), 1))
}

#[tokio::test]
async fn headers_ask_for_nothing() {
    const ALG: &str = r#""alg":"ES256","kid":"p256""#;
    let mut family = Family::default();
    for (what, changes) in [
        ("crit", json!({ "crit": ["exp"], "exp": 1 })),
        ("an empty crit", json!({ "crit": [] })),
        ("crit and b64", json!({ "crit": ["b64"], "b64": false })),
        ("crit of something new", json!({ "crit": ["bork"], "bork": true })),
        ("b64", json!({ "b64": false })),
        ("zip", json!({ "zip": "DEF" })),
        ("enc", json!({ "enc": "A256GCM" })),
        ("a logout token", json!({ "typ": "logout+jwt" })),
        ("a DPoP proof", json!({ "typ": "dpop+jwt" })),
        ("a security event", json!({ "typ": "application/secevent+jwt" })),
        ("a JWE", json!({ "typ": "JWE" })),
        ("no type", json!({ "typ": "" })),
        ("a type that is a list", json!({ "typ": ["JWT"] })),
        ("a type with another before it", json!({ "typ": "x/at+jwt" })),
    ] {
        family.bad(what, header(&changes));
    }
    for (what, text) in [
        ("crit null", format!(r#"{{{ALG},"crit":null}}"#)),
        ("alg twice", format!(r#"{{"alg":"none",{ALG}}}"#)),
        ("alg twice, the other way round", format!(r#"{{{ALG},"alg":"none"}}"#)),
        ("alg twice, once escaped", format!(r#"{{{ALG},"\u0061lg":"none"}}"#)),
        ("kid twice", format!(r#"{{{ALG},"kid":"rsa"}}"#)),
        ("a list", format!("[{{{ALG}}}]")),
        ("two objects", format!("{{{ALG}}}{{}}")),
        ("a byte order mark", format!("\u{feff}{{{ALG}}}")),
        ("a comment", format!("{{/**/{ALG}}}")),
        ("a comma too many", format!("{{{ALG},}}")),
        ("single quotes", r"{'alg':'ES256','kid':'p256'}".to_owned()),
        ("nothing", String::new()),
        ("null", "null".to_owned()),
        ("a hundred thousand brackets", format!(r#"{{{ALG},"x":{}"#, "[".repeat(4000))),
        ("deep", format!(r#"{{{ALG},"x":{}{}}}"#, "[".repeat(300), "]".repeat(300))),
    ] {
        family.bad(format!("a header with {what}"), raw_header(text));
    }
    let wide: Vec<u8> = format!("{{{ALG}}}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    family
        .bad("a header in UTF-16", raw_header(wide))
        .bad("a header with a stray byte", raw_header(b"{\"alg\":\"ES256\",\"x\":\"\xff\"}"));
    family
        .good("JWT", good())
        .good("at+jwt", header(&json!({ "typ": "at+jwt" })))
        .good("no type", header(&json!({ "typ": null })));
    family.good("an unknown member", header(&json!({ "cty": "json", "x": { "alg": "none" } })));
    family.good("blanks", raw_header(format!(" {{ {ALG} }} ")));
    family.strike().await;
}

#[tokio::test]
async fn a_pinned_type_admits_no_other_token_of_the_issuer() {
    let mut family = Family { path: Some("/strict"), ..Family::default() };
    for typ in [
        json!("JWT"),
        json!("jose"),
        Value::Null,
        json!("at+jwt "),
        json!("at+jwtx"),
        json!("logout+jwt"),
        json!(["at+jwt"]),
    ] {
        family.bad(format!("typ {typ}"), header(&json!({ "typ": typ })));
    }
    family.good("its own", header(&json!({ "typ": "at+jwt" })));
    family.good("in another spelling", header(&json!({ "typ": "application/AT+jwt" })));
    family.strike().await;
}

#[tokio::test]
async fn a_token_has_one_shape() {
    let mut family = Family::default();
    let token = good();
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!() };
    let padded = |part: &str| URL_SAFE.encode(URL_SAFE_NO_PAD.decode(part).unwrap());
    let lax = |part: &str| STANDARD.encode(URL_SAFE_NO_PAD.decode(part).unwrap());
    // The last letter of 64 bytes has four bits to spare.
    let (most, last) = signature.split_at(signature.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    for (what, token) in [
        ("spare bits set", format!("{head}.{body}.{most}{next}")),
        ("padding", format!("{head}.{body}.{}", padded(signature))),
        ("padding in the header", format!("{head}=.{body}.{signature}")),
        ("the other alphabet", format!("{head}.{}.{signature}/+", lax(body))),
        ("no signature", format!("{head}.{body}")),
        ("an empty signature", format!("{head}.{body}.")),
        ("a zero signature (CVE-2022-21449)", format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
        (
            "a DER signature of zeros",
            format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode([0x30, 6, 2, 1, 0, 2, 1, 0])),
        ),
        ("a detached payload", format!("{head}..{signature}")),
        ("four parts", format!("{token}.{signature}")),
        ("a JWE's five", format!("{token}.{signature}.{signature}")),
        ("dots only", "..".to_owned()),
        ("a dot before", format!(".{token}")),
        ("an SD-JWT", format!("{token}~WyJzYWx0Il0~")),
        (
            "JSON, flattened",
            json!({ "protected": head, "payload": body, "signature": signature }).to_string(),
        ),
        (
            "JSON, general",
            json!({ "payload": body, "signatures": [{ "protected": head, "signature": signature }] })
                .to_string(),
        ),
        ("quoted", format!("\"{token}\"")),
        ("percent-encoded dots", token.replace('.', "%2E")),
        ("a space inside", format!("{head} .{body}.{signature}")),
        ("a tab after", format!("{token}\t.")),
        ("twice", format!("{token} {token}")),
        ("twice with a comma", format!("{token},{token}")),
        ("a comma after", format!("{token},")),
        ("in upper case", token.to_uppercase()),
        ("the scheme again", format!("Bearer {token}")),
        (
            "another's claims",
            format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(good_claims().replace("ada", "bob"))),
        ),
        ("longer than 8 KiB", claims(&json!({ "pad": "x".repeat(6200) }))),
    ] {
        family.bad(what, token);
    }
    let nested = Issuer.header(ES, &json!({ "cty": "JWT" })).to_string();
    family.bad("a token in a token", Issuer.raw(ES, nested.as_bytes(), token.as_bytes()));
    family.bad(
        "a token in a token, quoted",
        Issuer.raw(ES, nested.as_bytes(), json!(token).to_string().as_bytes()),
    );
    family
        .good("three parts", token.clone())
        .good("almost 8 KiB", claims(&json!({ "pad": "x".repeat(5500) })));
    family.strike().await;
}
