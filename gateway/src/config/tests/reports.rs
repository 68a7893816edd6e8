//! One report for each kind of fault.

use insta::assert_snapshot;

use super::report;

#[test]
fn an_unknown_key_names_the_nearest() {
    println!("@@an_unknown_key_names_the_nearest\n{}@@", report(r##"version: 1
routes:
  - name: chat
    match: GET /
    upsteam: chat
"##));
}

#[test]
fn an_unknown_key_far_from_all_lists_them() {
    println!("@@an_unknown_key_far_from_all_lists_them\n{}@@", report(r##"version: 1
secrets: { a: { vault: X } }
"##));
}

#[test]
fn a_misspelt_required_key_is_one_problem() {
    println!("@@a_misspelt_required_key_is_one_problem\n{}@@", report(r##"version: 1
routes: [{ name: a, mtach: GET / }]
"##));
}

#[test]
fn a_wrong_number() {
    println!("@@a_wrong_number\n{}@@", report(r##"version: one
"##));
}

#[test]
fn a_number_out_of_range() {
    println!("@@a_number_out_of_range\n{}@@", report(r##"version: 1
upstreams: { a: { servers: b, retries: 70000 } }
"##));
}

#[test]
fn a_quoted_number() {
    println!("@@a_quoted_number\n{}@@", report(r##"version: "1"
"##));
}

#[test]
fn a_yes() {
    println!("@@a_yes\n{}@@", report(r##"version: 1
listen: { bind: "127.0.0.1:80", tls: yes, header_bytes: 1KiB }
"##));
}

#[test]
fn a_wrong_word() {
    println!("@@a_wrong_word\n{}@@", report(r##"version: 1
upstreams: { a: { servers: b, balance: round-robbin } }
"##));
}

#[test]
fn a_wrong_duration() {
    println!("@@a_wrong_duration\n{}@@", report(r##"version: 1
upstreams: { a: { servers: b, timeout: 10 minutes } }
"##));
}

#[test]
fn a_missing_key_is_told_at_its_owner() {
    println!("@@a_missing_key_is_told_at_its_owner\n{}@@", report(r##"version: 1
upstreams:
  chat:
    retries: 3
"##));
}

#[test]
fn a_key_missing_in_a_list_item() {
    println!("@@a_key_missing_in_a_list_item\n{}@@", report(r##"routes:
  - { match: GET / }
"##));
}

#[test]
fn a_list_where_text_belongs() {
    println!("@@a_list_where_text_belongs\n{}@@", report(r##"version: 1
release: [a, b]
"##));
}

#[test]
fn a_mapping_where_a_list_belongs() {
    println!("@@a_mapping_where_a_list_belongs\n{}@@", report(r##"version: 1
routes: { a: b }
"##));
}

#[test]
fn nothing_where_a_mapping_belongs() {
    println!("@@nothing_where_a_mapping_belongs\n{}@@", report(r##"version: 1
upstreams:
"##));
}

#[test]
fn an_empty_file() {
    println!("@@an_empty_file\n{}@@", report(r##"# nothing yet
"##));
}

#[test]
fn a_duplicate_key_shows_both() {
    println!("@@a_duplicate_key_shows_both\n{}@@", report(r##"version: 1
routes: []
version: 2
"##));
}

#[test]
fn a_tab() {
    println!("@@a_tab\n{}@@", report("version: 1\nroutes:\n\t- name: a\n"));
}

#[test]
fn an_unclosed_bracket() {
    println!("@@an_unclosed_bracket\n{}@@", report(r##"version: 1
routes: [{ name: a
"##));
}

#[test]
fn an_unclosed_quote() {
    println!("@@an_unclosed_quote\n{}@@", report(r##"version: 1
release: "b
"##));
}

#[test]
fn an_alias() {
    println!("@@an_alias\n{}@@", report(r##"version: 1
routes: [*a]
"##));
}

#[test]
fn a_star_without_quotes() {
    println!("@@a_star_without_quotes\n{}@@", report(r##"version: 1
routes:
  - { name: a, match: * /x }
"##));
}

#[test]
fn an_anchor() {
    println!("@@an_anchor\n{}@@", report(r##"version: &v 1
"##));
}

#[test]
fn a_tag() {
    println!("@@a_tag\n{}@@", report(r##"version: !env X
"##));
}

#[test]
fn a_second_document() {
    println!("@@a_second_document\n{}@@", report(r##"version: 1
---
version: 2
"##));
}

#[test]
fn a_bad_indentation() {
    println!("@@a_bad_indentation\n{}@@", report(r##"version: 1
routes:
  - name: a
   match: b
"##));
}

#[test]
fn a_colon_in_plain_text() {
    println!("@@a_colon_in_plain_text\n{}@@", report(r##"version: 1
release: a: b
"##));
}

#[test]
fn an_unset_variable() {
    println!("@@an_unset_variable\n{}@@", report(r##"version: 1
release: v-${NOPE}
"##));
}

#[test]
fn a_value_from_the_environment_is_not_repeated() {
    println!("@@a_value_from_the_environment_is_not_repeated\n{}@@", report(r##"version: ${TRICK}
"##));
}

#[test]
fn a_list_as_a_key() {
    println!("@@a_list_as_a_key\n{}@@", report(r##"version: 1
[a]: b
"##));
}

#[test]
fn secrets_are_masked() {
    println!("@@secrets_are_masked\n{}@@", report(r##"version: 1
secrets:
  a: sk_live_1
  b: { vaule: sk_live_2, env: B } # sk_live_3
  c: { sk_live_4 }
  d: { value: [sk_live_5] }
"##));
}

#[test]
fn characters_of_many_bytes_count_once() {
    println!("@@characters_of_many_bytes_count_once\n{}@@", report(r##"version: 1
release: ok
# ü
extra: { "ключ": 1, "日本": 2 }
routes: [{ name: é, match: ü, öffentlich: x }]
"##));
}

#[test]
fn every_problem_comes_at_once() {
    println!("@@every_problem_comes_at_once\n{}@@", report(r##"version: one
listen:
  bind: nowhere
  tsl: true
  header_bytes: 64kb
routes:
  - name: a
    mtach: GET /
  - { name: b, match: GET /b, publik: x }
  - oops
  - {}
upstreams:
  chat: { servers: [http://a, [b]], balance: round-robin, timeout: 10 minutes, retries: 70000 }
  other:
    retries: "3"
"##));
}
