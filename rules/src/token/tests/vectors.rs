//! Tables of signatures, good and bad: `tests/corpus/jws`.

use super::*;

struct Vector {
    about: String,
    algorithm: Algorithm,
    key: Value,
    token: String,
    valid: bool,
}

fn vectors(name: &str) -> Vec<Vector> {
    let path = format!("{}/../tests/corpus/jws/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let table: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut vectors = Vec::new();
    for group in table["groups"].as_array().unwrap() {
        let algorithm: Algorithm = group["alg"].as_str().unwrap().parse().unwrap();
        for test in group["tests"].as_array().unwrap() {
            vectors.push(Vector {
                about: format!("{name}, {algorithm}: {}", test["about"]),
                algorithm,
                key: group["key"].clone(),
                token: test["jws"].as_str().unwrap().to_owned(),
                valid: test["result"] == "valid",
            });
        }
    }
    vectors
}

fn keys(key: &Value, algorithms: &[Algorithm]) -> Result<KeySet, KeyError> {
    KeySet::from_jwks(json!({ "keys": [key] }).to_string().as_bytes(), algorithms, true)
}

fn signed(keys: &KeySet, token: &str) -> Result<(), TokenFault> {
    let parts = Parts::parse(token)?;
    check_signature(keys, &Header::parse(&parts.header, None)?, &parts)
}

#[test]
fn every_signature_of_the_tables_ends_as_it_says() {
    let (mut tried, mut wrong) = (0, Vec::new());
    for vector in vectors("own").iter().chain(&vectors("rfc")) {
        tried += 1;
        let verdict = signed(&keys(&vector.key, &[vector.algorithm]).unwrap(), &vector.token);
        if verdict.is_ok() != vector.valid {
            wrong.push(format!("{}: {verdict:?}", vector.about));
        }
        if let Err(fault) = verdict {
            assert_eq!(fault.code, Code::TokenInvalid, "{}", vector.about);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 500, "only {tried} vectors");
}

/// The key could verify it, and is not asked for an algorithm that its identity does not name.
#[test]
fn a_good_signature_counts_only_for_an_algorithm_that_is_named() {
    let mut tried = 0;
    for mut vector in vectors("own").into_iter().filter(|vector| vector.valid) {
        vector.key.as_object_mut().unwrap().remove("alg");
        let others: Vec<_> = Algorithm::ALL.iter().copied().filter(|one| *one != vector.algorithm).collect();
        // A key of one algorithm only is of no use without it.
        let Ok(keys) = keys(&vector.key, &others) else { continue };
        tried += 1;
        assert!(signed(&keys, &vector.token).is_err(), "{}", vector.about);
    }
    assert!(tried >= 12, "only {tried} keys verify several algorithms");
}
