use super::*;

/// The report of a fault in `bytes` of the value of `rules[0].when`.
fn report(text: &str, bytes: Range<usize>) -> String {
    let source = Source::new("portcullis.yaml", text);
    let (tree, problems) = parse(text);
    assert!(problems.is_empty());
    let at = Place::root().key("rules").item(0).key("when");
    let fault = at.problem("`eqq` is no operator").within(bytes);
    let span = pinpoint(&tree.unwrap(), text, &fault);
    Report::new(&source, &[Problem::at(span, fault.message)]).text(false)
}

#[test]
fn the_caret_stands_under_the_fault_within_a_text() {
    let told = report("rules:\n  - when: >-\n      http.host\n      eqq \"é\"\n", 10..13);
    assert!(told.contains("--> portcullis.yaml:4:7\n"), "{told}");
    assert!(told.contains("4 |       eqq \"é\"\n  |       ^^^\n"), "{told}");
    let told = report("rules:\n  - { when: 'a eq ''b'' eqq' }\n", 9..12);
    assert!(told.contains(":2:25\n"), "{told}");
}

#[test]
fn what_has_no_text_is_pointed_at_as_a_whole() {
    let told = report("rules:\n  - { when: [a] }\n", 0..1);
    assert!(told.contains(":2:13\n"), "{told}");
    let told = report("rules: []\n", 0..1);
    assert!(told.contains(":1:8\n"), "{told}");
}
