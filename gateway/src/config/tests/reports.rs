//! One report for each kind of fault.

use insta::assert_snapshot;

use super::report;
use crate::config::suggest::elsewhere;

#[test]
fn an_unknown_key_names_the_nearest() {
    let text = r"version: 1
routes:
  - name: chat
    match: GET /
    upsteam: chat
";
    assert_snapshot!(report(text), @r"
    error: unknown key `upsteam`
     --> portcullis.yaml:5:5
      |
    5 |     upsteam: chat
      |     ^^^^^^^
      |
      = help: did you mean `upstream`?

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn an_unknown_key_far_from_all_lists_them() {
    let text = r"version: 1
secrets: { a: { kubernetes: X } }
";
    assert_snapshot!(report(text), @r"
    error: unknown key `kubernetes`
     --> portcullis.yaml:2:17
      |
    2 | secrets: { a: { kubernetes: * } }
      |                 ^^^^^^^^^^
      |
      = help: one of `env`, `value`

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_misspelt_required_key_is_one_problem() {
    let text = r"version: 1
routes: [{ name: a, mtach: GET / }]
";
    assert_snapshot!(report(text), @r"
    error: unknown key `mtach`
     --> portcullis.yaml:2:21
      |
    2 | routes: [{ name: a, mtach: GET / }]
      |                     ^^^^^
      |
      = help: did you mean `match`?

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_wrong_number() {
    let text = r"version: one
";
    assert_snapshot!(report(text), @r"
    error: expected a whole number, not negative, found `one`
     --> portcullis.yaml:1:10
      |
    1 | version: one
      |          ^^^

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_number_out_of_range() {
    let text = r"version: 1
upstreams: { a: { servers: b, retries: 70000 } }
";
    assert_snapshot!(report(text), @r"
    error: expected a whole number from 0 to 65535, found `70000`
     --> portcullis.yaml:2:40
      |
    2 | upstreams: { a: { servers: b, retries: 70000 } }
      |                                        ^^^^^

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_quoted_number() {
    let text = r#"version: "1"
"#;
    assert_snapshot!(report(text), @r#"
    error: expected a whole number, not negative, found the text `1`
     --> portcullis.yaml:1:10
      |
    1 | version: "1"
      |          ^^^
      |
      = help: remove the quotes

    error: 1 problem in portcullis.yaml
    "#);
}

#[test]
fn a_yes() {
    let text = r#"version: 1
listen: { bind: "127.0.0.1:80", tls: yes, header_bytes: 1KiB }
"#;
    assert_snapshot!(report(text), @r#"
    error: expected `true` or `false`, found `yes`
     --> portcullis.yaml:2:38
      |
    2 | listen: { bind: "127.0.0.1:80", tls: yes, header_bytes: 1KiB }
      |                                      ^^^
      |
      = help: write `true`

    error: 1 problem in portcullis.yaml
    "#);
}

#[test]
fn a_wrong_word() {
    let text = r"version: 1
upstreams: { a: { servers: b, balance: round-robbin } }
";
    assert_snapshot!(report(text), @r"
    error: `round-robbin` is not known here
     --> portcullis.yaml:2:40
      |
    2 | upstreams: { a: { servers: b, balance: round-robbin } }
      |                                        ^^^^^^^^^^^^
      |
      = help: did you mean `round_robin`?

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_wrong_duration() {
    let text = r"version: 1
upstreams: { a: { servers: b, timeout: 10 minutes } }
";
    assert_snapshot!(report(text), @r"
    error: `10 minutes` is not a duration
     --> portcullis.yaml:2:40
      |
    2 | upstreams: { a: { servers: b, timeout: 10 minutes } }
      |                                        ^^^^^^^^^^
      |
      = help: write a whole number and one unit: `500ms`, `30s`, `10m`, `24h`, `365d`

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_missing_key_is_told_at_its_owner() {
    let text = r"version: 1
upstreams:
  chat:
    retries: 3
";
    assert_snapshot!(report(text), @r"
    error: `chat` lacks the key `servers`
     --> portcullis.yaml:3:3
      |
    3 |   chat:
      |   ^^^^
      |
      = help: add `servers: …`

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_key_missing_in_a_list_item() {
    let text = r"routes:
  - { match: GET / }
";
    assert_snapshot!(report(text), @r"
    error: the key `version` is missing
     --> portcullis.yaml:1:1
      |
    1 | routes:
      | ^^^^^^
      |
      = help: add `version: …`

    error: the key `name` is missing
     --> portcullis.yaml:2:7
      |
    2 |   - { match: GET / }
      |       ^^^^^
      |
      = help: add `name: …`

    error: 2 problems in portcullis.yaml
    ");
}

#[test]
fn a_list_where_text_belongs() {
    let text = r"version: 1
release: [a, b]
";
    assert_snapshot!(report(text), @r"
    error: expected text, found a list
     --> portcullis.yaml:2:10
      |
    2 | release: [a, b]
      |          ^^^^^^
      |
      = help: write a single value

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_mapping_where_a_list_belongs() {
    let text = r"version: 1
routes: { a: b }
";
    assert_snapshot!(report(text), @r"
    error: expected a list, found a mapping
     --> portcullis.yaml:2:9
      |
    2 | routes: { a: b }
      |         ^^^^^^^^
      |
      = help: begin each item with `- `

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn nothing_where_a_mapping_belongs() {
    let text = r"version: 1
upstreams:
";
    assert_snapshot!(report(text), @r"
    error: expected a mapping, found nothing
     --> portcullis.yaml:2:1
      |
    2 | upstreams:
      | ^^^^^^^^^
      |
      = help: indent what belongs to the key, or remove the key

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn an_empty_file() {
    let text = r"# nothing yet
";
    assert_snapshot!(report(text), @r"
    error: the file is empty
    --> portcullis.yaml

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_duplicate_key_shows_both() {
    let text = r"version: 1
routes: []
version: 2
";
    assert_snapshot!(report(text), @r"
    error: the key `version` is given twice
     --> portcullis.yaml:3:1
      |
    1 | version: 1
      | ------- first given here
    2 | routes: []
    3 | version: 2
      | ^^^^^^^
      |
      = help: keep one of the two

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_tab() {
    let text = "version: 1\nroutes:\n\t- name: a\n";
    assert_snapshot!(report(text), @r"
    error: a tab is used for indentation
     --> portcullis.yaml:3:1
      |
    3 |     - name: a
      | ^^^^
      |
      = help: YAML is indented with spaces

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn an_unclosed_bracket() {
    let text = r"version: 1
routes: [{ name: a
";
    assert_snapshot!(report(text), @r"
    error: `{` is never closed
     --> portcullis.yaml:2:10
      |
    2 | routes: [{ name: a
      |          ^
      |
      = help: add the closing bracket

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn an_unclosed_quote() {
    let text = r#"version: 1
release: "b
"#;
    assert_snapshot!(report(text), @r#"
    error: a quoted text is never closed
     --> portcullis.yaml:2:10
      |
    2 | release: "b
      |          ^
      |
      = help: add the closing quote

    error: 1 problem in portcullis.yaml
    "#);
}

#[test]
fn an_alias() {
    let text = r"version: 1
routes: [*a]
";
    assert_snapshot!(report(text), @r"
    error: `*a` is a YAML alias, and those are not supported
     --> portcullis.yaml:2:10
      |
    2 | routes: [*a]
      |          ^^
      |
      = help: put quotes around text that begins with `*`, or write the value out

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_star_without_quotes() {
    let text = r"version: 1
routes:
  - { name: a, match: * /x }
";
    assert_snapshot!(report(text), @r"
    error: an unquoted text cannot begin with `*` or `&`
     --> portcullis.yaml:3:23
      |
    3 |   - { name: a, match: * /x }
      |                       ^
      |
      = help: put quotes around the text

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn an_anchor() {
    let text = r"version: &v 1
";
    assert_snapshot!(report(text), @r"
    error: `&v` is a YAML anchor, and those are not supported
     --> portcullis.yaml:1:10
      |
    1 | version: &v 1
      |          ^^
      |
      = help: write the value out where it is needed

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_tag() {
    let text = r"version: !env X
";
    assert_snapshot!(report(text), @r"
    error: the YAML tag `!env` is not supported here
     --> portcullis.yaml:1:10
      |
    1 | version: !env X
      |          ^^^^
      |
      = help: remove the tag

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_second_document() {
    let text = r"version: 1
---
version: 2
";
    assert_snapshot!(report(text), @r"
    error: a second document begins here
     --> portcullis.yaml:2:1
      |
    2 | ---
      | ^^^
      |
      = help: keep one document in a file

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_bad_indentation() {
    let text = r"version: 1
routes:
  - name: a
   match: b
";
    assert_snapshot!(report(text), @r"
    error: this does not fit what stands above it
     --> portcullis.yaml:4:4
      |
    4 |    match: b
      |    ^
      |
      = help: check the indentation of this line and the one above, and that each key ends with `: `

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_colon_in_plain_text() {
    let text = r"version: 1
release: a: b
";
    assert_snapshot!(report(text), @r"
    error: a `:` where no key can stand
     --> portcullis.yaml:2:11
      |
    2 | release: a: b
      |           ^
      |
      = help: put quotes around text that holds `: ` or ` #`, or begins with one of `[ ] { } , * & ! | > % @` or a backtick

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn an_unset_variable() {
    let text = r"version: 1
release: v-${NOPE}
";
    assert_snapshot!(report(text), @r"
    error: the environment variable `NOPE` is not set
     --> portcullis.yaml:2:12
      |
    2 | release: v-${NOPE}
      |            ^^^^^^^
      |
      = help: set it, or write a default: `${NOPE:-…}`

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_value_from_the_environment_is_not_repeated() {
    let text = r"version: ${TRICK}
";
    assert_snapshot!(report(text), @r"
    error: expected a whole number, not negative, found text from the environment
     --> portcullis.yaml:1:10
      |
    1 | version: ${TRICK}
      |          ^^^^^^^^

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn a_list_as_a_key() {
    let text = r"version: 1
[a]: b
";
    assert_snapshot!(report(text), @r"
    error: a list or mapping cannot be a key
     --> portcullis.yaml:2:1
      |
    2 | [a]: b
      | ^^^
      |
      = help: put quotes around text that begins with `[` or `{`

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn secrets_are_masked() {
    let text = r"version: 1
secrets:
  a: sk_live_1
  b: { vaule: sk_live_2, env: B } # sk_live_3
  c: { sk_live_4 }
  d: { value: [sk_live_5] }
";
    assert_snapshot!(report(text), @r"
    error: expected a mapping, found text
     --> portcullis.yaml:3:6
      |
    3 |   a: *********
      |      ^^^^^^^^^

    error: unknown key `vaule`
     --> portcullis.yaml:4:8
      |
    4 |   b: { vaule: *********, env: B } * *********
      |        ^^^^^
      |
      = help: did you mean `value`?

    error: unknown key
     --> portcullis.yaml:5:8
      |
    5 |   c: { ********* }
      |        ^^^^^^^^^
      |
      = help: one of `env`, `value`

    error: expected text, found a list
     --> portcullis.yaml:6:15
      |
    6 |   d: { value: [*********] }
      |               ^^^^^^^^^^^
      |
      = help: write a single value

    error: 4 problems in portcullis.yaml
    ");
}

#[test]
fn characters_of_many_bytes_count_once() {
    let text = r#"version: 1
release: ok
# ü
extra: { "ключ": 1, "日本": 2 }
routes: [{ name: é, match: ü, öffentlich: x }]
"#;
    assert_snapshot!(report(text), @r"
    error: unknown key `öffentlich`
     --> portcullis.yaml:5:31
      |
    5 | routes: [{ name: é, match: ü, öffentlich: x }]
      |                               ^^^^^^^^^^
      |
      = help: one of `name`, `match`, `upstream`, `public`

    error: 1 problem in portcullis.yaml
    ");
}

#[test]
fn every_problem_comes_at_once() {
    let text = r"version: one
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
";
    assert_snapshot!(report(text), @r"
    error: expected a whole number, not negative, found `one`
     --> portcullis.yaml:1:10
      |
    1 | version: one
      |          ^^^

    error: invalid socket address syntax
     --> portcullis.yaml:3:9
      |
    3 |   bind: nowhere
      |         ^^^^^^^

    error: unknown key `tsl`
     --> portcullis.yaml:4:3
      |
    4 |   tsl: true
      |   ^^^
      |
      = help: did you mean `tls`?

    error: `64kb` is not a size
     --> portcullis.yaml:5:17
      |
    5 |   header_bytes: 64kb
      |                 ^^^^
      |
      = help: write a whole number and one unit: `512B`, `64KiB`, `10MiB`, `1GiB`, `5MB`; without a unit it counts bytes

    error: unknown key `mtach`
     --> portcullis.yaml:8:5
      |
    8 |     mtach: GET /
      |     ^^^^^
      |
      = help: did you mean `match`?

    error: unknown key `publik`
     --> portcullis.yaml:9:31
      |
    9 |   - { name: b, match: GET /b, publik: x }
      |                               ^^^^^^
      |
      = help: did you mean `public`?

    error: expected a mapping, found `oops`
      --> portcullis.yaml:10:5
       |
    10 |   - oops
       |     ^^^^

    error: the key `name` is missing
      --> portcullis.yaml:11:5
       |
    11 |   - {}
       |     ^^
       |
       = help: add `name: …`

    error: the key `match` is missing
      --> portcullis.yaml:11:5
       |
    11 |   - {}
       |     ^^
       |
       = help: add `match: …`

    error: 9 problems in portcullis.yaml
    ");
}

#[test]
fn every_problem_of_one_line_comes_at_once() {
    let text = r#"version: 1
upstreams:
  chat: { servers: [http://a, [b]], balance: round-robin, timeout: 10 minutes, retries: 70000 }
  other:
    retries: "3"
"#;
    assert_snapshot!(report(text), @r#"
    error: expected text, found a list
     --> portcullis.yaml:3:31
      |
    3 |   chat: { servers: [http://a, [b]], balance: round-robin, timeout: 10 minutes, retries: 70000 }
      |                               ^^^
      |
      = help: write a single value

    error: `round-robin` is not known here
     --> portcullis.yaml:3:46
      |
    3 |   chat: { servers: [http://a, [b]], balance: round-robin, timeout: 10 minutes, retries: 70000 }
      |                                              ^^^^^^^^^^^
      |
      = help: did you mean `round_robin`?

    error: `10 minutes` is not a duration
     --> portcullis.yaml:3:68
      |
    3 |   chat: { servers: [http://a, [b]], balance: round-robin, timeout: 10 minutes, retries: 70000 }
      |                                                                    ^^^^^^^^^^
      |
      = help: write a whole number and one unit: `500ms`, `30s`, `10m`, `24h`, `365d`

    error: expected a whole number from 0 to 65535, found `70000`
     --> portcullis.yaml:3:89
      |
    3 |   chat: { servers: [http://a, [b]], balance: round-robin, timeout: 10 minutes, retries: 70000 }
      |                                                                                         ^^^^^

    error: `other` lacks the key `servers`
     --> portcullis.yaml:4:3
      |
    4 |   other:
      |   ^^^^^
      |
      = help: add `servers: …`

    error: expected a whole number from 0 to 65535, found the text `3`
     --> portcullis.yaml:5:14
      |
    5 |     retries: "3"
      |              ^^^
      |
      = help: remove the quotes

    error: 6 problems in portcullis.yaml
    "#);
}

#[test]
fn a_key_as_other_programs_call_it() {
    assert_eq!(elsewhere("Expression", ["name", "when"]), Some("when"));
    assert_eq!(elsewhere("expression", ["name"]), None, "it is no key here");
    assert_eq!(elsewhere("when", ["when"]), None);
}
