//! What the client's certificate says, as Cloudflare's fields say it.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value as Json;
use time::OffsetDateTime;

use super::super::fields::CertificateFact;
use super::super::value::Value;
use crate::view::ClientCertificate;

/// One fact of a certificate; without one, an empty text or false.
pub(super) fn fact(certificate: Option<&ClientCertificate>, fact: CertificateFact) -> Value<'_> {
    use CertificateFact::{
        Issuer, IssuerLegacy, NotAfter, NotBefore, Presented, Serial, Sha256, Subject, SubjectLegacy,
    };
    let Some(certificate) = certificate else {
        return if fact == Presented { Value::Flag(false) } else { Value::text("") };
    };
    let name = |claim: &str| {
        claim_of(certificate, claim).and_then(|name| name.get("dn")?.as_str()).unwrap_or_default()
    };
    let owned = |text: String| Value::Text(Cow::Owned(text.into_bytes()));
    match fact {
        Presented => Value::Flag(true),
        Issuer => Value::text(name("issuer")),
        Subject => Value::text(name("subject")),
        IssuerLegacy => owned(legacy(name("issuer"))),
        SubjectLegacy => owned(legacy(name("subject"))),
        Serial => Value::text(claim_of(certificate, "serial").and_then(Json::as_str).unwrap_or_default()),
        Sha256 => owned(hex(&certificate.fingerprint)),
        NotBefore => owned(moment(certificate.from)),
        // The last second in which it is valid.
        NotAfter => owned(moment(certificate.until.saturating_sub(1))),
    }
}

fn claim_of<'c>(certificate: &'c ClientCertificate, claim: &str) -> Option<&'c Json> {
    certificate.claims.get(claim)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `Mar 21 13:35:00 2022 GMT`; empty beyond the years that have four digits.
fn moment(seconds: i64) -> String {
    let Ok(moment) = OffsetDateTime::from_unix_timestamp(seconds) else { return String::new() };
    let month = moment.month().to_string();
    let month = month.get(..3).unwrap_or(&month);
    let (day, year, (hour, minute, second)) = (moment.day(), moment.year(), moment.to_hms());
    format!("{month} {day:>2} {hour:02}:{minute:02}:{second:02} {year} GMT")
}

/// `/C=US/O=Acme/CN=client`: the parts of `CN=client,O=Acme,C=US` from its end.
fn legacy(name: &str) -> String {
    let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
    for letter in name.chars() {
        match letter {
            ',' if !escaped => parts.push(std::mem::take(&mut part)),
            '\\' if !escaped => {}
            _ => part.push(letter),
        }
        escaped = letter == '\\' && !escaped;
    }
    if !name.is_empty() {
        parts.push(part);
    }
    parts.iter().rev().fold(String::new(), |text, part| text + "/" + part)
}
