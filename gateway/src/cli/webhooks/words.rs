//! How a scheme signs, in plain words.

use rules::webhook::{
    Derive, Encoding, Hash, Kind, Phase, RawClaims, RawExtract, RawHandshake, RawScheme, RawWhen, Scheme,
    SecretCoding, TimeFormat,
};

/// A kind's name as configurations write it.
pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Hmac => "hmac",
        Kind::KeyedHash => "keyed_hash",
        Kind::Token => "token",
        Kind::Ed25519 => "ed25519",
        Kind::EcdsaP256Sha256 => "ecdsa_p256_sha256",
        Kind::RsaPkcs1Sha256 => "rsa_pkcs1_sha256",
        Kind::Jwt => "jwt",
        Kind::Sns => "sns",
    }
}

/// How it signs, a sentence each.
pub(super) fn signs(scheme: &RawScheme) -> Vec<String> {
    let mut told = vec![proof(scheme)];
    let places: Vec<String> = scheme.signature.iter().map(place).collect();
    if !places.is_empty() {
        told.push(format!("the signature is {}", places.join(", or ")));
    }
    told.extend(scheme.each.as_ref().map(|each| {
        format!(
            "each message of the body's list `{}` is signed by itself, and all of them must hold",
            each.array
        )
    }));
    told.extend(time(scheme));
    told.extend(scheme.require.iter().map(|one| {
        let (how, text) = match (&one.equals, &one.contains) {
            (Some(text), _) => ("say", text.as_str()),
            (None, text) => ("contain", text.as_deref().unwrap_or_default()),
        };
        format!("{} must {how} `{text}`", place(&one.from))
    }));
    told.extend(scheme.key_by.as_ref().map(|by| format!("{} says which key was used", place(by))));
    told.extend(
        scheme
            .body_digest
            .as_ref()
            .map(|digest| format!("{} is the {} of the body", place(&digest.from), hash(Some(digest.hash)))),
    );
    told.extend(scheme.claims.iter().flat_map(claims));
    told
}

fn proof(scheme: &RawScheme) -> String {
    let (hash, encoding) = (hash(scheme.hash), encoding(scheme.encoding));
    match scheme.kind {
        Kind::Hmac => format!("an HMAC-{hash} over {}, {encoding}", payload(scheme)),
        Kind::KeyedHash => format!("a plain {hash} over {}, {encoding}", payload(scheme)),
        Kind::Token => {
            let token = scheme.token.as_ref().map_or_else(String::new, place);
            format!("nothing is signed: the secret itself is sent, as {token}")
        }
        Kind::Ed25519 => format!("an Ed25519 signature over {}, {encoding}", payload(scheme)),
        Kind::EcdsaP256Sha256 => {
            format!("an ECDSA signature (P-256, SHA-256) over {}, {encoding}", payload(scheme))
        }
        Kind::RsaPkcs1Sha256 => format!("an RSA signature (SHA-256) over {}, {encoding}", payload(scheme)),
        Kind::Jwt => {
            let algorithms: Vec<String> = scheme.algs.iter().map(ToString::to_string).collect();
            let token = scheme.token.as_ref().map_or_else(String::new, place);
            format!("a JSON Web Token, signed with {}, as {token}", algorithms.join(" or "))
        }
        Kind::Sns => format!(
            "an RSA signature over fields of the body in a fixed order, in its version {}, with the certificate that \
             the body names",
            scheme.versions.join(" or ")
        ),
    }
}

fn payload(scheme: &RawScheme) -> String {
    let all: Vec<String> = scheme.payload.iter().map(|one| template(scheme, one)).collect();
    all.join("; or over ")
}

/// A template's parts in their order.
fn template(scheme: &RawScheme, text: &str) -> String {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        if !before.is_empty() {
            parts.push(format!("`{before}`"));
        }
        let (slot, behind) = after.split_once('}').unwrap_or((after, ""));
        parts.push(self::slot(scheme, slot));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(format!("`{rest}`"));
    }
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

fn slot(scheme: &RawScheme, text: &str) -> String {
    let (name, filter) = text.split_once('|').unwrap_or((text, ""));
    let what = match name.trim_end_matches('?') {
        "body" => "the body as it came".to_owned(),
        "ts" => "the time".to_owned(),
        "method" => "the method".to_owned(),
        "url" => "the external address".to_owned(),
        "path" => "the external address's path and query".to_owned(),
        "secret" => "the secret".to_owned(),
        "nl" => "a line feed".to_owned(),
        list if list.starts_with("header_list(") => {
            let names = list.trim_start_matches("header_list(").split(';').next().unwrap_or_default();
            format!("the header fields that the header `{names}` lists")
        }
        name => scheme.vars.get(name).map_or_else(|| source(name), place),
    };
    match filter {
        "form_sorted" => "the form's names and values in order".to_owned(),
        "no_port" => format!("{what} without its port"),
        "default_port" => format!("{what} with its port"),
        "crc32_dec" => "the CRC-32 of the body".to_owned(),
        "rfc3986_hubspot" => format!("{what} with some escapes of its query decoded"),
        _ => what,
    }
}

/// A value, and what is taken of it.
fn place(extract: &RawExtract) -> String {
    let whole = source(&extract.from);
    let mut text = match (&extract.pick, &extract.split) {
        (Some(pick), _) if pick == "$key_id" => format!("the part of {whole} that the key's id names"),
        (Some(pick), _) => format!("`{pick}` of {whole}"),
        (None, Some(_)) => format!("a part of {whole}"),
        (None, None) => whole,
    };
    if let Some(prefix) = &extract.strip_prefix {
        text = format!("{text} behind `{prefix}`");
    }
    text
}

fn source(text: &str) -> String {
    let (kind, name) = text.split_once(':').unwrap_or(("", text));
    let name = name.trim_end_matches('?');
    match kind {
        "header" => format!("the header `{name}`"),
        "header_seq" => format!("the headers `{}` and so on", name.replace("{n}", "1")),
        "query" => format!("the query parameter `{name}`"),
        "form" => format!("the form field `{name}`"),
        "json" => format!("the body's `{name}`"),
        "item" => format!("the message's `{name}`"),
        "config" => format!("the setting `{name}`"),
        _ => format!("`{name}`"),
    }
}

fn time(scheme: &RawScheme) -> Option<String> {
    let time = scheme.timestamp.as_ref()?;
    let form = match time.format {
        TimeFormat::UnixS => "in seconds since 1970",
        TimeFormat::UnixMs => "in milliseconds since 1970",
        TimeFormat::Rfc3339 => "as RFC 3339 writes it",
    };
    let place = time.from.as_ref().map_or_else(|| "a field of the body".to_owned(), self::place);
    let bound = |seconds: Option<u32>, side: &str| match seconds {
        Some(seconds) => format!("at most {seconds} s {side}"),
        None => format!("as far {side} as it likes"),
    };
    let (past, future) = (bound(time.past_s, "old"), bound(time.future_s, "ahead"));
    Some(format!("the time is {place}, {form}: {past}, {future}"))
}

fn claims(claims: &RawClaims) -> Vec<String> {
    let texts = [("iss", &claims.iss), ("aud", &claims.aud), ("email", &claims.email), ("sub", &claims.sub)];
    let mut told: Vec<String> = texts
        .into_iter()
        .filter(|(_, wanted)| !wanted.is_empty())
        .map(|(name, wanted)| {
            let wanted: Vec<String> = wanted.iter().map(|text| self::wanted(text)).collect();
            format!("its `{name}` must be {}", wanted.join(" or "))
        })
        .collect();
    told.extend(claims.exp.then(|| "it must say when it expires".to_owned()));
    told.extend(
        claims.body_hash.as_ref().map(|hash| format!("its `{}` is the SHA-256 of the body", hash.claim)),
    );
    told
}

fn wanted(text: &str) -> String {
    match text.strip_prefix('$') {
        Some("url") => "the external address".to_owned(),
        Some(name) => format!("the setting `{name}`"),
        None => format!("`{text}`"),
    }
}

fn hash(hash: Option<Hash>) -> &'static str {
    match hash {
        Some(Hash::Sha1) => "SHA-1",
        Some(Hash::Sha384) => "SHA-384",
        Some(Hash::Sha512) => "SHA-512",
        Some(Hash::Sha256) | None => "SHA-256",
    }
}

fn encoding(encoding: Option<Encoding>) -> &'static str {
    match encoding {
        Some(Encoding::Hex) | None => "in hexadecimal",
        Some(Encoding::Base64) => "in base64",
        Some(Encoding::Base64url) => "in base64url",
        Some(Encoding::Base64urlNopad) => "in base64url without padding",
    }
}

/// How long a repetition is known.
pub(super) fn remembered(scheme: &RawScheme) -> String {
    let seconds = scheme.replay.as_ref().and_then(|replay| replay.ttl_s).unwrap_or(3 * 24 * 3600);
    let span = match seconds {
        seconds if seconds % 86_400 == 0 => count(seconds / 86_400, "day"),
        seconds if seconds % 3600 == 0 => count(seconds / 3600, "hour"),
        seconds => count(seconds, "second"),
    };
    format!("remembered for {span}, and never for less than the tolerance")
}

fn count(number: u32, unit: &str) -> String {
    if number == 1 { format!("one {unit}") } else { format!("{number} {unit}s") }
}

/// The requests that set it up, a sentence each.
pub(super) fn handshakes(scheme: &RawScheme) -> Vec<String> {
    scheme.handshakes.iter().map(handshake).collect()
}

fn handshake(raw: &RawHandshake) -> String {
    let RawWhen { method, equals, present, absent } = &raw.when;
    let mut marks: Vec<String> =
        equals.iter().map(|(from, text)| format!("{} is {}", source(from), expected(text))).collect();
    marks.extend(present.iter().map(|from| format!("{} is there", source(from))));
    marks.extend(absent.iter().map(|from| format!("{} is not there", source(from))));
    let asked = method.as_ref().map_or_else(|| "a request".to_owned(), |method| format!("a `{method}`"));
    let marks = if marks.is_empty() { String::new() } else { format!(" in which {}", marks.join(" and ")) };
    let proof = match raw.phase {
        Phase::Before => "unsigned",
        Phase::After => "signed",
    };
    let armed = if raw.armed { ", while `handshake_armed` says so" } else { "" };
    let does = if raw.answer.forward { "goes to the upstream" } else { "is answered here" };
    format!("{asked}{marks} ({proof}) {does}{armed}")
}

fn expected(text: &str) -> String {
    text.strip_prefix("$config:").map_or_else(|| format!("`{text}`"), |name| format!("the setting `{name}`"))
}

/// The key that it needs.
pub(super) fn key(raw: &RawScheme, scheme: &Scheme) -> String {
    if scheme.takes_secrets() {
        let form = raw.secret.as_ref();
        let prefix = form.and_then(|form| form.strip_prefix.as_ref());
        let prefix =
            prefix.map_or_else(String::new, |prefix| format!(", with or without `{prefix}` in front"));
        let how = match form.and_then(|form| form.decode).unwrap_or_default() {
            SecretCoding::Utf8 => "as text",
            SecretCoding::Hex => "in hexadecimal",
            SecretCoding::Base64 => "in base64",
        };
        let derived = match form.and_then(|form| form.derive).unwrap_or_default() {
            Derive::None => "",
            Derive::Sha1 => "; its SHA-1 is the key",
        };
        return format!("secret: the provider's secret {how}{prefix}{derived}");
    }
    if scheme.fetches_keys() {
        return "no key: it is fetched from the provider, unless `public_keys` has one".to_owned();
    }
    "public_keys: the provider's public key".to_owned()
}
