//! `portcullis token`: mints a token where the configuration holds the signing secret.

use std::path::PathBuf;
use std::process::ExitCode;

use rules::token::Algorithm;
use rules::units::Time;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::Misuse;
use crate::config::load::{Purpose, Signing, load};
use crate::mint::SigningKey;

/// Mints a token where the configuration holds the signing secret, for trying things out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "portcullis.yaml")]
    pub config: PathBuf,
    /// The identity that shall accept the token.
    #[arg(long, value_name = "NAME")]
    pub identity: String,
    /// A claim. `iss`, `aud`, `iat` and `exp` are made to fit unless they are given.
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    pub claims: Vec<String>,
    /// How long the token is good for.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub expires: Time,
}

/// Runs the command.
pub fn call(args: &Args) -> ExitCode {
    let loaded = match load(&args.config, Purpose::Judge) {
        Ok(loaded) => loaded,
        Err(broken) => return super::invalid(&broken),
    };
    let signing = loaded.signing(&args.identity).map_err(|(what, remedy)| {
        let misuse = Misuse::new(what);
        remedy.map_or(misuse.clone(), |remedy| misuse.remedy(remedy))
    });
    match signing.and_then(|signing| mint(args, &signing, OffsetDateTime::now_utc().unix_timestamp())) {
        Ok(token) => super::answer(format_args!("{token}\n")),
        Err(misuse) => misuse.exit(),
    }
}

fn mint(args: &Args, signing: &Signing, now: i64) -> Result<String, Misuse> {
    let claims = claims(args, signing, now)?;
    let algorithm = signing.identity.algorithms.first().copied().unwrap_or(Algorithm::Hs256);
    let key = SigningKey::of_secret(&signing.secret, algorithm)
        .ok_or_else(|| Misuse::new(format!("a secret cannot sign {algorithm}")))?;
    key.mint(&claims).map_err(|error| Misuse::new(error.to_string()))
}

fn claims(args: &Args, signing: &Signing, now: i64) -> Result<Map<String, Value>, Misuse> {
    let life = i64::try_from(args.expires.0.as_secs()).unwrap_or(i64::MAX);
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), signing.identity.issuer.clone().into());
    claims.insert("aud".to_owned(), signing.identity.audience.first().cloned().into());
    claims.insert("iat".to_owned(), now.into());
    claims.insert("exp".to_owned(), now.saturating_add(life).into());
    let mut given = Vec::new();
    for pair in &args.claims {
        let (name, text) = pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            Misuse::new(format!("`{pair}` is not a claim")).remedy("write `--claim sub=ada`")
        })?;
        if given.contains(&name) {
            return Err(Misuse::new(format!("the claim `{name}` is given twice"))
                .remedy(format!("write a list: `--claim '{name}=[\"a\", \"b\"]'`")));
        }
        given.push(name);
        let value = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        claims.insert(name.to_owned(), value);
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rules::token::{Claims, KeySet, Verifier};

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const SECRET: &str = "an example's secret that has more than sixty-four bytes, as HS512 asks for";

    fn configuration(folder: &Path, algorithms: &str) -> PathBuf {
        let text = crate::cli::init::fill("http://127.0.0.1:3000")
            .replace("{ env: SESSION_SECRET }", &format!("{{ value: \"{SECRET}\" }}"))
            .replace("algorithms: [HS256]", algorithms);
        let path = folder.join("portcullis.yaml");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn minted(args: &Args) -> Result<String, String> {
        let loaded =
            load(&args.config, Purpose::Judge).unwrap_or_else(|broken| panic!("{}", broken.text(false)));
        let signing = loaded
            .signing(&args.identity)
            .map_err(|(what, remedy)| format!("{what}; {}", remedy.unwrap_or_default()))?;
        mint(args, &signing, NOW).map_err(|misuse| format!("{misuse:?}"))
    }

    fn args(config: PathBuf, claims: &[&str]) -> Args {
        let claims = claims.iter().map(|&claim| claim.to_owned()).collect();
        Args { config, identity: "session".to_owned(), claims, expires: "1h".parse().unwrap() }
    }

    fn verified(token: &str, algorithm: Algorithm, now: i64) -> Option<Claims> {
        let keys = KeySet::from_secret(SECRET.as_bytes(), &[algorithm]).unwrap();
        let audience = vec!["api.example.com".to_owned()];
        Verifier::compile("https://auth.example.com/", audience, 0).unwrap().verify(&keys, token, now).ok()
    }

    #[test]
    fn a_token_holds_what_was_asked_and_for_as_long() {
        let folder = tempfile::tempdir().unwrap();
        for (written, algorithm) in
            [("algorithms: [HS256]", Algorithm::Hs256), ("algorithms: [HS512, HS256]", Algorithm::Hs512)]
        {
            let config = configuration(folder.path(), written);
            let token =
                minted(&args(config, &["sub=ada", "org_id=acme", "roles=[\"admin\"]", "n=\"1\"", "m=1"]))
                    .unwrap();
            let claims = verified(&token, algorithm, NOW + 3599).expect("it verifies");
            assert_eq!(claims.object()["sub"], "ada");
            assert_eq!(claims.object()["org_id"], "acme");
            assert_eq!(claims.object()["roles"], serde_json::json!(["admin"]));
            assert_eq!((&claims.object()["n"], &claims.object()["m"]), (&"1".into(), &1.into()));
            assert!(verified(&token, algorithm, NOW + 3600).is_none(), "an hour is over");
        }
    }

    #[test]
    fn an_identity_that_is_not_there_is_named_with_the_nearest() {
        let folder = tempfile::tempdir().unwrap();
        let config = configuration(folder.path(), "algorithms: [HS256]");
        let why = minted(&Args { identity: "sesion".to_owned(), ..args(config, &[]) }).unwrap_err();
        assert_eq!(why, "there is no identity `sesion`; did you mean `session`?");
    }

    #[test]
    fn public_keys_sign_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = configuration(folder.path(), "algorithms: [ES256]");
        let jwks = SigningKey::generate().unwrap().key_set().to_string();
        std::fs::write(folder.path().join("jwks.json"), jwks).unwrap();
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text.replace("keys: { secret: session }", "keys: { file: jwks.json }"))
            .unwrap();
        let why = minted(&args(config, &[])).unwrap_err();
        assert!(why.contains("signed by their issuer"), "{why}");
    }

    #[test]
    fn a_secret_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let config = configuration(folder.path(), "algorithms: [HS256]");
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text.replace(&format!("{{ value: \"{SECRET}\" }}"), "{ file: session.key }");
        std::fs::write(&config, text).unwrap();
        let args = args(config, &[]);
        // Judging goes on with a stand-in; a token signed with that would be refused by the gateway.
        assert!(minted(&args).unwrap_err().contains("session.key"));
        std::fs::write(folder.path().join("session.key"), format!("{SECRET}\n")).unwrap();
        assert!(verified(&minted(&args).unwrap(), Algorithm::Hs256, NOW).is_some());
    }

    #[test]
    fn claims_have_a_name_and_come_once() {
        let folder = tempfile::tempdir().unwrap();
        let config = configuration(folder.path(), "algorithms: [HS256]");
        for claims in [&["sub"][..], &["=ada"], &["sub=ada", "sub=bob"]] {
            assert!(minted(&args(config.clone(), claims)).is_err(), "{claims:?}");
        }
    }
}
