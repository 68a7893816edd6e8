//! `is_timed_hmac_valid_v0`: a message that carries its own time and code.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::decode::{Decoding, url};

/// How many digits a time has.
const DIGITS: usize = 10;
/// How long a code is at least: 32 bytes as base64 without padding.
const SHORTEST: usize = 43;

/// What a rule knows of its tokens.
pub(super) struct Terms {
    pub key: hmac::Key,
    /// For how many seconds a token is good.
    pub ttl: i64,
    /// How many bytes stand unsigned between the message and its time.
    pub separator: usize,
    /// Whether the code is in the alphabet that needs no escapes in a URL.
    pub url_safe: bool,
}

impl std::fmt::Debug for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terms")
            .field("ttl", &self.ttl)
            .field("separator", &self.separator)
            .finish_non_exhaustive()
    }
}

impl Terms {
    pub(super) fn new(key: &[u8], ttl: i64, separator: usize, url_safe: bool) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), ttl, separator, url_safe }
    }

    /// Whether `token` is message, separator, time, `-` and the right code, and still good at `now` (Unix seconds).
    pub(super) fn hold(&self, token: &[u8], now: i64) -> bool {
        self.check(token, now).is_some()
    }

    fn check(&self, token: &[u8], now: i64) -> Option<()> {
        let (before, code) = halves(token)?;
        let (signed, digits) = before.split_at_checked(before.len().checked_sub(DIGITS)?)?;
        let issued: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let (message, _) = signed.split_at_checked(signed.len().checked_sub(self.separator)?)?;
        let fresh = now < issued.saturating_add(self.ttl);
        let code = if self.url_safe {
            URL_SAFE_NO_PAD.decode(code).ok()?
        } else {
            let mut plain = Vec::with_capacity(code.len());
            for byte in code {
                // A plus sign in it is one: nothing encoded this as a form.
                plain.extend_from_slice(if *byte == b'+' { b"%2B" } else { std::slice::from_ref(byte) });
            }
            STANDARD.decode(url(plain.into(), Decoding::default())).ok()?
        };
        let mut context = Vec::with_capacity(message.len() + DIGITS);
        context.extend_from_slice(message);
        context.extend_from_slice(digits);
        hmac::verify(&self.key, &context, &code).ok()?;
        (!message.is_empty() && fresh).then_some(())
    }
}

/// What stands before and after the last `-` that ten digits precede and enough follows.
fn halves(token: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = token.len().checked_sub(SHORTEST)?;
    loop {
        let dash = token.get(..end)?.iter().rposition(|byte| *byte == b'-')?;
        let before = token.get(..dash)?;
        let digits = before.len().checked_sub(DIGITS).and_then(|at| before.get(at..));
        if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_digit)) {
            return Some((before, token.get(dash + 1..)?));
        }
        end = dash;
    }
}
