//! A token's outside: three parts, and of the first what may be believed before the signature holds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{Algorithm, TokenFault};
use crate::strict_json;

/// Values of `typ` that an access token may carry; others (`logout+jwt`, `dpop+jwt`) are made for another
/// purpose by the same issuer (RFC 8725, 3.11).
const TYPES: [&str; 3] = ["jwt", "at+jwt", "jose"];

/// The three parts of a compact JWS (RFC 7515, 7.1), decoded.
pub(crate) struct Parts<'t> {
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// What the signature is over.
    pub(crate) signed: &'t str,
}

impl<'t> Parts<'t> {
    pub(crate) fn parse(token: &'t str) -> Result<Self, TokenFault> {
        let shape = TokenFault::invalid("the token is not three parts of unpadded base64url");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(|| shape.clone())?;
        let (header, payload) = signed.split_once('.').ok_or_else(|| shape.clone())?;
        // Strict: no padding, no other alphabet (a dot is none), no stray bits. One token, one spelling.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| shape.clone());
        Ok(Self { header: decode(header)?, payload: decode(payload)?, signature: decode(signature)?, signed })
    }
}

/// What is read of the header. `jwk`, `jku`, `x5c` and `x5u` are not: a token does not choose its key.
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
}

impl Header {
    /// `only` is the one `typ` that is accepted, if it is given.
    pub(super) fn parse(bytes: &[u8], only: Option<&str>) -> Result<Self, TokenFault> {
        let header = strict_json::object(bytes)
            .ok_or(TokenFault::invalid("the header is not a JSON object whose names differ"))?;
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(|name| name.parse().ok())
            .ok_or(TokenFault::invalid("`alg` is missing or none that is ever accepted"))?;
        if header.contains_key("crit") {
            return Err(TokenFault::invalid("`crit` asks for an extension, and none is known here"));
        }
        // Whoever knows them reads other claims than those that stand there.
        if ["b64", "zip", "enc"].iter().any(|name| header.contains_key(*name)) {
            return Err(TokenFault::invalid(
                "`b64`, `zip` or `enc` says that the claims are not what they seem",
            ));
        }
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(TokenFault::invalid("`kid` is not a string")),
        };
        match (header.get("typ"), only) {
            (None, None) => {}
            (Some(Value::String(typ)), None) if is_one_of(typ, &TYPES) => {}
            (Some(Value::String(typ)), Some(only)) if is_one_of(typ, &[only]) => {}
            (_, None) => return Err(TokenFault::invalid("`typ` is not that of an access token")),
            (_, Some(_)) => return Err(TokenFault::invalid("`typ` is not the one that is required")),
        }
        Ok(Self { algorithm, kid })
    }
}

fn is_one_of(typ: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(essence(typ)))
}

/// RFC 7515, 4.1.9: a media type, usually without its `application/`, in any case.
pub(super) fn essence(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => typ,
    }
}
