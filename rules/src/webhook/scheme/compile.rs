//! From what is written to what verifies. Everything that is wrong is said at once.

use super::super::certificate::Allowed;
use super::super::encoding::Encoding;
use super::super::extract::Extract;
use super::super::handshake::{Handshake, kept};
use super::super::jwt::{Claims, Jwt};
use super::super::mac::Hash;
use super::super::pointer::Pointer;
use super::super::raw::{Kind, RawBodyDigest, RawEach, RawExtract, RawReplay, RawRequire, RawScheme};
use super::super::replay::{Member, Replay, USUAL_TTL_S};
use super::super::sns::{Sns, Version};
use super::super::source::{self, Source};
use super::super::stamp::{Stamp, Window};
use super::super::template::{Names, RESERVED, Template};
use super::{BodyDigest, Each, Proof, Requirement, Scheme, Signature, Wanted};
use crate::problem::{Place, Problem};
use crate::token::MAX_LEEWAY;

mod checks;

/// Where the problems of a scheme are gathered.
type Problems = Vec<Problem>;

/// The longest time that deliveries are remembered, in seconds: a year.
const MAX_TTL_S: u32 = 366 * 24 * 3600;

pub(super) fn compile(raw: &RawScheme, at: &Place) -> Result<Scheme, Problems> {
    let mut problems = Problems::new();
    checks::foreign(raw, at, &mut problems);
    let vars = vars(raw, at, &mut problems);
    let names: Vec<String> = vars.iter().map(|(name, _)| name.clone()).collect();
    let ts = raw.timestamp.as_ref().is_some_and(|stamp| !stamp.after);
    let names = Names { vars: &names, ts, signed: true };
    let proof = match raw.kind {
        Kind::Token => token(raw, at, &mut problems).map(Proof::Token),
        Kind::Jwt => jwt(raw, at, &mut problems).map(|jwt| Proof::Jwt(Box::new(jwt))),
        Kind::Sns => sns(raw, at, &mut problems).map(|sns| Proof::Sns(Box::new(sns))),
        _ => {
            let signature = signature(raw, vars.clone(), names, at, &mut problems);
            Some(Proof::Signature(Box::new(signature)))
        }
    };
    let require = require(&raw.require, &at.key("require"), &mut problems);
    let body_digest = raw.body_digest.as_ref();
    let body_digest = body_digest.and_then(|raw| digest(raw, &at.key("body_digest"), &mut problems));
    let handshakes = handshakes(raw, Names { signed: false, ..names }, at, &mut problems);
    let replay = replay(raw.replay.as_ref(), &vars, at, &mut problems);
    let secret = raw.secret.clone().unwrap_or_default();
    let Some(proof) = proof.filter(|_| problems.is_empty()) else { return Err(problems) };
    let mut scheme = Scheme { kind: raw.kind, secret, proof, require, body_digest, handshakes, replay };
    checks::sound(&mut scheme, at, &mut problems);
    if problems.is_empty() { Ok(scheme) } else { Err(problems) }
}

fn vars(raw: &RawScheme, at: &Place, problems: &mut Problems) -> Vec<(String, Extract)> {
    let mut vars = Vec::new();
    for (name, extract) in &raw.vars {
        let at = at.key("vars").key(name);
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || name.is_empty() || RESERVED.contains(&name.as_str()) {
            problems.push(
                at.itself().problem(format!("a var cannot be called `{name}`")).remedy(
                    "write letters, digits and `_`, and none of the names that templates know already",
                ),
            );
            continue;
        }
        vars.extend(extracted(extract, &at, problems).map(|extract| (name.clone(), extract)));
    }
    vars
}

/// An extract that does not depend on which key is tried.
fn extracted(raw: &RawExtract, at: &Place, problems: &mut Problems) -> Option<Extract> {
    let extract = kept(Extract::compile(raw, at), problems)?;
    if extract.is_by_key() {
        problems.push(
            at.key("pick")
                .problem("only a signature can depend on which key is tried")
                .remedy("write the name itself instead of `$key_id`"),
        );
        return None;
    }
    Some(extract)
}

fn token(raw: &RawScheme, at: &Place, problems: &mut Problems) -> Option<Extract> {
    if let Some(token) = &raw.token {
        return extracted(token, &at.key("token"), problems);
    }
    problems.push(needs(at, "token", "where it stands, such as `header:X-Token`"));
    None
}

fn needs(at: &Place, key: &str, what: &str) -> Problem {
    at.problem(format!("the scheme has no `{key}`")).remedy(format!("write `{key}:` and {what}"))
}

fn signature(
    raw: &RawScheme,
    vars: Vec<(String, Extract)>,
    names: Names<'_>,
    at: &Place,
    problems: &mut Problems,
) -> Signature {
    lacking(raw, at, problems);
    let signatures =
        items(&raw.signature, &at.key("signature"), |raw, at| kept(Extract::compile(raw, at), problems));
    let payloads =
        items(&raw.payload, &at.key("payload"), |text, at| kept(Template::parse(text, names, at), problems));
    let stamp = raw.timestamp.as_ref();
    let stamp = stamp.and_then(|raw| kept(Stamp::compile(raw, &at.key("timestamp")), problems));
    let each = raw.each.as_ref().and_then(|raw| each(raw, &at.key("each"), problems));
    let key_by = raw.key_by.as_ref().and_then(|raw| extracted(raw, &at.key("key_by"), problems));
    Signature {
        hash: raw.hash.unwrap_or(Hash::Sha256),
        encoding: raw.encoding.unwrap_or(Encoding::Hex),
        signatures,
        stamp,
        vars,
        payloads,
        each,
        key_by,
        certificates: certificates(raw, at, problems),
    }
}

/// What a signature cannot do without.
fn lacking(raw: &RawScheme, at: &Place, problems: &mut Problems) {
    let keyed = matches!(raw.kind, Kind::Hmac | Kind::KeyedHash);
    if keyed && raw.hash.is_none() {
        problems.push(needs(at, "hash", "`sha256`, `sha1`, `sha384` or `sha512`"));
    }
    if raw.encoding.is_none() {
        problems.push(needs(at, "encoding", "`hex`, `base64`, `base64url` or `base64url_nopad`"));
    }
    if raw.signature.is_empty() {
        problems.push(needs(at, "signature", "where it stands, such as `header:X-Signature`"));
    }
    if raw.payload.is_empty() {
        problems.push(needs(at, "payload", "a template of what is signed, such as `{body}`"));
    }
}

/// The items of what may be one or a list, each with its place.
fn items<T, U>(raw: &[T], at: &Place, mut compile: impl FnMut(&T, &Place) -> Option<U>) -> Vec<U> {
    let place = |index| if raw.len() == 1 { at.clone() } else { at.item(index) };
    raw.iter().enumerate().filter_map(|(index, item)| compile(item, &place(index))).collect()
}

fn each(raw: &RawEach, at: &Place, problems: &mut Problems) -> Option<Each> {
    let mut pointer = |key: &str, text: &str| {
        let at = at.key(key);
        kept(Pointer::parse(text).ok_or_else(|| source::pointer(text, &at)), problems)
    };
    let (array, item) = (pointer("array", &raw.array), pointer("item", &raw.item));
    Some(Each { array: array?, item: item? })
}

fn certificates(raw: &RawScheme, at: &Place, problems: &mut Problems) -> Option<Allowed> {
    let host = raw.cert_host.as_ref()?;
    kept(Allowed::compile(host, raw.cert_path.as_deref(), at), problems)
}

fn jwt(raw: &RawScheme, at: &Place, problems: &mut Problems) -> Option<Jwt> {
    let token = token(raw, at, problems);
    if raw.algs.is_empty() {
        problems.push(needs(at, "algs", "the algorithms that the tokens may have, such as `[ES256]`"));
    }
    let claims = raw.claims.clone().unwrap_or_default();
    let claims = Claims::compile(&claims);
    if !claims.end() {
        problems.push(
            at.key("claims")
                .problem("a token that was seen once would be good for ever")
                .remedy("write `exp: true`, or `iat: { past_s: 300 }`"),
        );
    }
    if !claims.bind() {
        problems.push(
            at.key("claims")
                .problem("tokens that the issuer made for others would be good here")
                .remedy("write `aud:`, `sub:` or `body_hash:`"),
        );
    }
    let leeway = raw.leeway_s.unwrap_or(0);
    if leeway > MAX_LEEWAY {
        problems.push(
            at.key("leeway_s")
                .problem(format!("the leeway is above {MAX_LEEWAY} s"))
                .remedy("write at most 300; no clock is further off"),
        );
    }
    if raw.jwks_url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
        problems.push(
            at.key("jwks_url")
                .problem("keys would be fetched without TLS, so that anybody on the way could replace them")
                .remedy("write an `https://` address"),
        );
    }
    Some(Jwt {
        token: token?,
        algorithms: raw.algs.clone(),
        kid_required: raw.kid_required,
        leeway_s: i64::from(leeway),
        claims,
        key_set: raw.jwks_url.clone(),
    })
}

fn sns(raw: &RawScheme, at: &Place, problems: &mut Problems) -> Option<Sns> {
    let versions = items(&raw.versions, &at.key("versions"), |text, at| {
        let wrong = || {
            let problem = at.problem(format!("SNS has no signature version `{text}`"));
            problem.remedy("write `\"1\"` or `\"2\"`")
        };
        kept(Version::parse(text).ok_or_else(wrong), problems)
    });
    if raw.versions.is_empty() {
        problems.push(needs(at, "versions", "`[\"1\", \"2\"]`"));
    }
    let Some(host) = &raw.cert_host else {
        problems.push(needs(at, "cert_host", "the hosts that certificates may come from"));
        return None;
    };
    let allowed = kept(Allowed::compile(host, raw.cert_path.as_deref(), at), problems);
    let stamp = raw.timestamp.as_ref();
    if stamp.is_some_and(|stamp| stamp.from.is_some() || stamp.after) {
        problems.push(
            at.key("timestamp")
                .problem("the time of an SNS message has its place already")
                .remedy("keep `format`, `past_s` and `future_s`"),
        );
    }
    let window = stamp.map_or_else(Window::default, |raw| Window::of_seconds(raw.past_s, raw.future_s));
    Some(Sns { versions, allowed: allowed?, window })
}

fn require(raw: &[RawRequire], at: &Place, problems: &mut Problems) -> Vec<Requirement> {
    let compile = |(index, raw): (usize, &RawRequire)| {
        let at = at.item(index);
        let wanted = match (&raw.equals, &raw.contains) {
            (Some(text), None) => Wanted::Equal(text.clone()),
            (None, Some(text)) => Wanted::Containing(text.clone()),
            _ => {
                problems.push(
                    at.problem("a requirement says either `equals` or `contains`").remedy("keep one of them"),
                );
                return None;
            }
        };
        let from = extracted(&raw.from, &at.key("from"), problems)?;
        Some(Requirement { from, wanted })
    };
    raw.iter().enumerate().filter_map(compile).collect()
}

fn digest(raw: &RawBodyDigest, at: &Place, problems: &mut Problems) -> Option<BodyDigest> {
    let from = extracted(&raw.from, &at.key("from"), problems)?;
    Some(BodyDigest { from, hash: raw.hash, encoding: raw.encoding })
}

fn handshakes(raw: &RawScheme, names: Names<'_>, at: &Place, problems: &mut Problems) -> Vec<Handshake> {
    let at = at.key("handshakes");
    let compile = |(index, raw)| Handshake::compile(raw, names, &at.item(index), problems);
    raw.handshakes.iter().enumerate().filter_map(compile).collect()
}

fn replay(
    raw: Option<&RawReplay>,
    vars: &[(String, Extract)],
    at: &Place,
    problems: &mut Problems,
) -> Replay {
    let Some(raw) = raw else {
        return Replay { members: vec![Member::Signed], ttl_s: USUAL_TTL_S };
    };
    let at = at.key("replay");
    let mut members = Vec::new();
    for (index, text) in raw.keys.iter().enumerate() {
        let var = vars.iter().find(|(name, _)| name == text).map(|(_, extract)| extract.clone());
        let member = match (text.as_str(), var) {
            ("signed", _) => Ok(Member::Signed),
            (_, Some(extract)) => Ok(Member::value(text, extract)),
            (_, None) => Source::parse(text, &at.key("keys").item(index))
                .map(|source| Member::value(text, Extract::whole(source))),
        };
        members.extend(kept(member, problems));
    }
    if raw.keys.is_empty() {
        problems.push(
            at.key("keys")
                .problem("nothing says what a repetition is known by")
                .remedy("write `[signed]`, or remove `replay`"),
        );
    }
    let ttl_s = raw.ttl_s.unwrap_or(USUAL_TTL_S);
    if !(1..=MAX_TTL_S).contains(&ttl_s) {
        problems.push(
            at.key("ttl_s")
                .problem("deliveries would be forgotten at once, or kept for years")
                .remedy("write at least as many seconds as the provider goes on trying, such as 259200"),
        );
    }
    Replay { members, ttl_s }
}
