//! The demo's issuer of tokens, and the people in it.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::mint::{NoSignature, SigningKey};

/// How long a token lasts, in seconds: a day of trying things out.
pub(super) const LIFE: i64 = 24 * 3600;

/// Somebody with an account.
pub(super) struct Person {
    name: &'static str,
    tenant: &'static str,
    roles: &'static [&'static str],
}

/// An admin of the tenant acme.
pub(super) const ALICE: Person = Person { name: "alice", tenant: "acme", roles: &["admin", "user"] };
/// A user of the tenant globex.
pub(super) const BOB: Person = Person { name: "bob", tenant: "globex", roles: &["user"] };

/// Signs tokens with a key that is nowhere but in this process.
pub(super) struct Issuer {
    key: SigningKey,
}

impl Issuer {
    pub(super) fn new() -> Result<Self, NoSignature> {
        Ok(Self { key: SigningKey::generate()? })
    }

    /// The JWK set that the gateway goes by.
    pub(super) fn key_set(&self) -> String {
        self.key.key_set().to_string()
    }

    /// A token that is good for [`LIFE`].
    pub(super) fn token(&self, person: &Person) -> Result<String, NoSignature> {
        self.until(person, LIFE)
    }

    /// A token that was good until an hour ago.
    pub(super) fn expired(&self, person: &Person) -> Result<String, NoSignature> {
        self.until(person, -3600)
    }

    fn until(&self, person: &Person, life: i64) -> Result<String, NoSignature> {
        let exp = OffsetDateTime::now_utc().unix_timestamp() + life;
        let claims = json!({
            "iss": "https://issuer.demo.test/", "aud": "portcullis-demo", "iat": exp - LIFE, "exp": exp,
            "sub": person.name, "org_id": person.tenant, "roles": person.roles, "scope": "chat",
        });
        let Value::Object(claims) = claims else { return self.key.mint(&Map::new()) };
        self.key.mint(&claims)
    }
}
