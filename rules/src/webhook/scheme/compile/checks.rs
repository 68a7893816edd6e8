//! What a scheme must not be: its parts may be sound and the whole prove nothing.

use super::super::super::delivery::MAX_CANDIDATES;
use super::super::super::mac::Hash;
use super::super::super::raw::{Kind, RawScheme};
use super::super::super::source::Source;
use super::super::super::stamp::Stamp;
use super::super::super::template::{Template, What};
use super::super::{Handshake, Proof, Scheme, Signature};
use super::Problems;
use crate::problem::Place;

/// More alternatives than anybody signs.
const MAX_PAYLOADS: usize = 4;

/// Keys that mean nothing for the kind.
pub(super) fn foreign(raw: &RawScheme, at: &Place, problems: &mut Problems) {
    use Kind::{EcdsaP256Sha256, Ed25519, Hmac, Jwt, KeyedHash, RsaPkcs1Sha256, Sns, Token};
    const SIGNED: &[Kind] = &[Hmac, KeyedHash, Ed25519, EcdsaP256Sha256, RsaPkcs1Sha256];
    let keys: [(&str, bool, &[Kind]); 19] = [
        ("hash", hash_is_foreign(raw), &[Hmac, KeyedHash]),
        ("encoding", raw.encoding.is_some(), SIGNED),
        (
            "secret",
            raw.secret.is_some(),
            &[Hmac, KeyedHash, Token, Jwt, Ed25519, EcdsaP256Sha256, RsaPkcs1Sha256],
        ),
        ("signature", !raw.signature.is_empty(), SIGNED),
        (
            "timestamp",
            raw.timestamp.is_some(),
            &[Hmac, KeyedHash, Ed25519, EcdsaP256Sha256, RsaPkcs1Sha256, Sns],
        ),
        ("vars", !raw.vars.is_empty(), SIGNED),
        ("payload", !raw.payload.is_empty(), SIGNED),
        ("key_by", raw.key_by.is_some(), SIGNED),
        ("each", raw.each.is_some(), SIGNED),
        ("body_digest", raw.body_digest.is_some(), SIGNED),
        ("token", raw.token.is_some(), &[Token, Jwt]),
        ("algs", !raw.algs.is_empty(), &[Jwt]),
        ("kid_required", raw.kid_required, &[Jwt]),
        ("leeway_s", raw.leeway_s.is_some(), &[Jwt]),
        ("claims", raw.claims.is_some(), &[Jwt]),
        ("versions", !raw.versions.is_empty(), &[Sns]),
        ("cert_host", raw.cert_host.is_some(), &[RsaPkcs1Sha256, Sns]),
        ("cert_path", raw.cert_path.is_some(), &[RsaPkcs1Sha256, Sns]),
        ("jwks_url", raw.jwks_url.is_some(), &[Jwt]),
    ];
    for (key, given, kinds) in keys {
        if given && !kinds.contains(&raw.kind) {
            problems.push(
                at.key(key)
                    .itself()
                    .problem(format!("`{key}` means nothing for this kind of scheme"))
                    .remedy("remove it"),
            );
        }
    }
    let signed_by_certificate = raw.kind == RsaPkcs1Sha256 && raw.cert_host.is_some() && raw.key_by.is_none();
    if signed_by_certificate || raw.cert_path.is_some() && raw.cert_host.is_none() {
        let lacking = if signed_by_certificate { "key_by" } else { "cert_host" };
        problems.push(
            at.problem(format!("certificates are fetched by their address, and `{lacking}` is not there"))
                .remedy("write `key_by:` for where the address stands, and `cert_host:` for the hosts it may be of"),
        );
    }
}

/// The algorithms with SHA-256 in their name may say so again.
fn hash_is_foreign(raw: &RawScheme) -> bool {
    let named = matches!(raw.kind, Kind::EcdsaP256Sha256 | Kind::RsaPkcs1Sha256);
    raw.hash.is_some_and(|hash| !(named && hash == Hash::Sha256))
}

/// What only shows in the whole.
pub(super) fn sound(scheme: &mut Scheme, at: &Place, problems: &mut Problems) {
    let (kind, digest) = (scheme.kind, scheme.body_digest.is_some());
    if let Proof::Signature(signature) = &mut scheme.proof {
        secrets(kind, signature, at, problems);
        coverage(signature, digest, at, problems);
        timestamp(signature, at, problems);
        messages(signature, at, problems);
    }
    if let Proof::Signature(_) | Proof::Sns(_) = &scheme.proof
        && !scheme.replay.members.iter().any(|member| scheme.is_signed(member))
    {
        problems.push(
            at.key("replay")
                .key("keys")
                .problem(
                    "nothing in the list is signed, so that a captured message passes again under a new id",
                )
                .remedy("add `signed`, the digest of what is signed"),
        );
    }
    if kind != Kind::Hmac
        && let Some(index) = scheme.handshakes.iter().position(Handshake::signs)
    {
        problems.push(
            at.key("handshakes")
                .item(index)
                .key("answer")
                .problem("only an `hmac` scheme has a key to sign an answer with")
                .remedy("write `text` or `json` without an HMAC, or `forward: true`"),
        );
    }
    items(scheme, at, problems);
}

fn secrets(kind: Kind, signature: &Signature, at: &Place, problems: &mut Problems) {
    for (index, payload) in signature.payloads.iter().enumerate() {
        let has = payload.whats().any(|what| *what == What::Secret);
        let at = at.key("payload");
        let at = if signature.payloads.len() == 1 { at } else { at.item(index) };
        if kind == Kind::KeyedHash && !has {
            problems.push(
                at.problem("without `{secret}` everybody can compute the digest")
                    .remedy("write `{secret}` where the provider puts it, such as `{secret}{body}`"),
            );
        }
        if !kind.is_shared() && has {
            problems.push(
                at.problem("a public key has no secret to sign").remedy("remove `{secret}` from the payload"),
            );
        }
    }
}

/// A payload of nothing but constants and headers makes one captured signature good for any message.
fn coverage(signature: &Signature, digest: bool, at: &Place, problems: &mut Problems) {
    if signature.payloads.len() > MAX_PAYLOADS || signature.signatures.len() > MAX_CANDIDATES {
        problems.push(
            at.problem(format!("there are more than {MAX_PAYLOADS} payloads or {MAX_CANDIDATES} signatures"))
                .remedy("each costs a computation for every key; keep those that the provider uses"),
        );
    }
    let timed = |payload: &Template| {
        payload.whats().any(|what| *what == What::Ts) || payload.header_lists().next().is_some()
    };
    if !digest && !signature.covers_body() && !signature.payloads.iter().all(timed) {
        problems.push(
            at.key("payload")
                .problem("the payload covers neither body nor time, so that one captured signature is good for ever")
                .remedy("add `{body}`, or `{ts}` where the provider signs no more"),
        );
    }
}

fn timestamp(signature: &mut Signature, at: &Place, problems: &mut Problems) {
    let Some(stamp) = signature.stamp.clone() else { return };
    let at = at.key("timestamp");
    if stamp.after && !(stamp.from.source().is_of_body() && signature.covers_whole_body()) {
        problems.push(
            at.key("after")
                .itself()
                .problem("what is read after the signature must be inside the signed body")
                .remedy("remove `after`, and put `{ts}` into the payload"),
        );
        return;
    }
    // A list of headers may name the timestamp's; then a message that does not is refused.
    if let Source::Header(name) = stamp.from.source() {
        let name = name.clone();
        for payload in signature.payloads.iter_mut().filter(|payload| !has_time(payload, &stamp)) {
            payload.insist_on(&name);
        }
    }
    let body = stamp.from.source().is_of_body() && signature.covers_whole_body();
    let outside = |payload: &Template| !has_time(payload, &stamp) && payload.header_lists().next().is_none();
    if !body && signature.payloads.iter().any(outside) {
        problems.push(
            at.problem(
                "the timestamp is outside the payload, so that whoever replays a message can renew it",
            )
            .remedy("add `{ts}` to the payload as the provider does, or remove `timestamp`"),
        );
    }
}

fn has_time(payload: &Template, stamp: &Stamp) -> bool {
    payload.whats().any(|what| match what {
        What::Ts => true,
        What::Source(source) => source == stamp.from.source(),
        _ => false,
    })
}

/// With `each`, what is read again for every message must not be all of the body.
fn messages(signature: &Signature, at: &Place, problems: &mut Problems) {
    if signature.each.is_none() {
        return;
    }
    let whole = |source: &Source| matches!(source, Source::Form(_) | Source::Json(_));
    let heavy = |what: &What| match what {
        What::Body => true,
        What::Source(source) => whole(source),
        _ => false,
    };
    let payloads = signature.payloads.iter().flat_map(Template::whats).any(heavy);
    if payloads || signature.signatures.iter().any(|extract| whole(extract.source())) {
        problems.push(
            at.key("each")
                .problem("the whole body would be read again for each of its messages")
                .remedy("write `item:/pointer` for what belongs to a message, in `signature` and `payload`"),
        );
    }
}

/// `item:` without `each` is never there.
fn items(scheme: &Scheme, at: &Place, problems: &mut Problems) {
    let Proof::Signature(signature) = &scheme.proof else { return };
    let is_item = |source: &Source| matches!(source, Source::Item(_));
    let mut sources = signature.signatures.iter().map(super::Extract::source);
    let mut whats = signature.payloads.iter().flat_map(Template::whats);
    let used = sources.any(is_item) || whats.any(|what| matches!(what, What::Source(Source::Item(_))));
    if used && signature.each.is_none() {
        problems.push(
            at.problem("`item:` is a part of a message of `each`, and the scheme has none")
                .remedy("write `json:/pointer`, or add `each:` with the list of messages"),
        );
    }
}
