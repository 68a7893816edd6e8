//! A token: without the secret nobody makes one that verifies.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rules::token::{Algorithm, KeySet, Verifier};

static VERIFIER: LazyLock<(Verifier, KeySet)> = LazyLock::new(|| {
    let keys = KeySet::from_secret(&[7; 64], &[Algorithm::Hs256, Algorithm::Hs512]).unwrap();
    (Verifier::compile("https://issuer.test/", vec!["api".to_owned()], 30).unwrap(), keys)
});

fuzz_target!(|token: &str| {
    let (verifier, keys) = &*VERIFIER;
    assert!(verifier.verify(keys, token, 1_800_000_000).is_err());
});
