//! The list of steps: nothing that costs something is forgotten, and every step ends as it should.

use std::collections::BTreeSet;

use rules::policies::REGISTRY;

#[test]
fn every_row_of_the_registry_has_steps() {
    let names = steps::names();
    let rows = steps::rows().unwrap();
    for row in REGISTRY {
        let told = "add it to `benches/micro/policies.json`";
        let (_, never) =
            rows.iter().find(|(of, _)| of == row.key).unwrap_or_else(|| panic!("{}: {told}", row.key));
        let has = |verdict: &str| {
            let name = format!("policies/{}/{verdict}", row.key);
            names.iter().any(|known| *known == name || known.starts_with(&format!("{name}/")))
        };
        assert!(has("allowed"), "the policy `{}` has no step that is allowed: {told}", row.key);
        assert!(
            has("refused") || never.is_some(),
            "the policy `{}` has no step that is refused: {told}",
            row.key
        );
        assert!(!has("refused") || never.is_none(), "the policy `{}` does refuse", row.key);
    }
    assert_eq!(rows.len(), REGISTRY.len(), "`policies.json` has a row that the registry has not");
}

#[test]
fn names_are_unique() {
    let names = steps::names();
    assert!(names.len() > 100);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

#[test]
fn every_step_ends_as_it_should() {
    let dear = |name: &str| name.contains("10000") || name.contains("load");
    let wrong: Vec<String> = steps::all()
        .unwrap()
        .into_iter()
        .filter(|step| !dear(&step.name))
        .filter_map(|step| match step.prepare() {
            Err(why) => Some(why.to_string()),
            Ok(ready) => (!ready.measured().agreed).then(|| format!("{}: it ended otherwise", step.name)),
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
