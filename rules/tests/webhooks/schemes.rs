//! Schemes of shapes that the published vectors do not have, and the edges of each part: made and signed by another
//! implementation, in the form of the vectors, each with the scheme that it is for.

use serde_json::Value;

use super::stage::scheme;
use super::vectors::run;

#[test]
fn every_vector_of_our_own_ends_as_it_says() {
    let path = format!("{}/cases-webhook/own.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(vectors.len() > 150);
    let wrong: Vec<String> = vectors
        .iter()
        .filter_map(|vector| {
            let told = run(scheme(&vector["scheme"]), vector).err()?;
            Some(format!("{} {}: {told}", vector["id"], vector["case"]))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), vectors.len());
}
