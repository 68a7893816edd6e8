//! Values that must never be seen: keys, tokens, webhook secrets.

use zeroize::Zeroizing;

/// The bytes of a secret. It has no `Debug`, `Display` or `Serialize`, so that it can reach no log, error
/// or report, and its memory is overwritten when it is dropped.
///
/// ```compile_fail
/// println!("{:?}", rules::secret::Secret::new(b"x".to_vec()));
/// ```
/// ```compile_fail
/// println!("{}", rules::secret::Secret::new(b"x".to_vec()));
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the caller's buffer becomes the secret's own.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the one place that computes with them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether a provider hands it out for trying: with one of these in production, payments look real and are not.
    pub fn is_test_key(&self) -> bool {
        let starts = |prefix: &&[u8]| self.expose().starts_with(prefix);
        [&b"sk_test_"[..], b"rk_test_", b"pk_test_", b"whsec_test_"].iter().any(starts)
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn gives_back_what_it_was_given() {
        assert_eq!(Secret::new(b"abc".to_vec()).expose(), b"abc");
    }
}
