//! What the types get, and what no text may do.

use std::sync::LazyLock;

use super::*;

/// Every scalar kind keeps to what its type asks for.
#[test]
fn types_decide_what_plain_text_is() {
    let file = good(
        "version: 0x10\nrelease: 1.10\nlisten: { bind: \"[::1]:80\", tls: TRUE, header_bytes: 1000 }\n\
         upstreams: { no: { servers: on, headers: { x: no, y: 007 } } }\n",
    );
    assert_eq!(file.version, 16);
    assert_eq!(file.release.as_deref(), Some("1.10"));
    let listen = file.listen.unwrap();
    assert!(listen.tls && listen.bind.port() == 80 && listen.header_bytes == Size(1000));
    let (name, upstream) = file.upstreams.iter().next().unwrap();
    assert_eq!((&upstream.balance, upstream.timeout, upstream.retries), (&Balance::RoundRobin, None, None));
    assert_eq!((name.as_str(), upstream.servers[0].as_str()), ("no", "on"));
    assert_eq!((upstream.headers["x"].as_str(), upstream.headers["y"].as_str()), ("no", "007"));
}

#[test]
fn null_is_none_and_never_text() {
    for null in ["", "~", "null"] {
        assert_eq!(good(&format!("version: 1\nrelease: {null}\n")).release, None);
    }
    assert_eq!(good("version: 1\nrelease: 'null'\n").release.as_deref(), Some("null"));
    assert_eq!(good("version: 1\nrelease: \"\"\n").release.as_deref(), Some(""));
}

#[test]
fn folded_text_is_one_line_and_optional_keys_may_lack() {
    let file =
        good("version: 1\nroutes:\n  - name: 'é'\n    match: >-\n      GET\n      /x\n    public: why\n");
    let route = &file.routes[0];
    assert_eq!((route.name.as_str(), route.pattern.as_str()), ("é", "GET /x"));
    assert_eq!((route.upstream.as_deref(), route.public.as_deref()), (None, Some("why")));
}

#[test]
fn nodes_know_their_text_and_keep_the_order_of_the_file() {
    let text = "routes:\n  name: 'é'\n  match: >-\n    GET\n    /x\n  also: a\n";
    let (root, problems) = parse(text);
    assert!(problems.is_empty());
    let root = root.unwrap();
    let routes = root.get("routes").unwrap();
    let keys: Vec<_> = routes.entries().iter().map(|(key, _)| text.get(key.span.clone()).unwrap()).collect();
    assert_eq!(keys, ["name", "match", "also"]);
    assert_eq!(text.get(routes.get("name").unwrap().span.clone()).unwrap(), "'é'");
    let pattern = routes.get("match").unwrap();
    assert_eq!(pattern.text(), Some("GET /x"));
    assert!(text.get(pattern.span.clone()).unwrap().contains("/x"));
}

#[test]
fn json_is_yaml() {
    let file = good(
        "{\n\t\"version\": 1,\n\t\"release\": \"\\u00e9\\/\",\n\t\"extra\": {\"a\": [1, -2, 1.5, true, null, \"1\", {}]}\n}\n",
    );
    assert_eq!(file.release.as_deref(), Some("é/"));
    assert_eq!(file.extra.unwrap(), serde_json::json!({"a": [1, -2, 1.5, true, null, "1", {}]}));
}

#[test]
fn the_environment_is_filled_in_as_data() {
    let release = |text: &str| good(&format!("version: 1\nrelease: {text}\n")).release;
    assert_eq!(release("${PORT}").as_deref(), Some("8080"));
    assert_eq!(release("\"<${PORT}-${NOPE:-x}>\"").as_deref(), Some("<8080-x>"));
    assert_eq!(release("${EMPTY:-x}").as_deref(), Some("x"));
    assert_eq!(release("${EMPTY}").as_deref(), Some(""), "filled in, and so not null");
    assert_eq!(release("${NULL}").as_deref(), Some("null"));
    assert_eq!(release("$${PORT} ${1} ${a-b} ${PORT").as_deref(), Some("${PORT} ${1} ${a-b} ${PORT"));
    assert_eq!(release("${TRICK}").as_deref(), Some("a, b: [c]\nd: null"));
    assert_eq!(good("version: ${PORT}\n").version, 8080);
    assert_eq!(good("version: 1\nextra: ${PORT}\n").extra.unwrap(), "8080");
}

#[test]
fn secrets_are_not_interpolated() {
    let file = good("version: 1\nsecrets: { a: { value: \"${PORT}\" }, b: [{ env: X }] }\n");
    assert_eq!(file.secrets["a"][0].value.as_deref(), Some("${PORT}"));
    assert_eq!(file.secrets["b"][0].env.as_deref(), Some("X"));
}

/// Compilation may go on beside unknown keys, never beside anything that was made up or left out.
#[test]
fn a_value_is_handed_out_only_when_it_is_whole() {
    let (_, file, problems) = read("version: 1\nfoo: 1\n");
    assert!(file.is_some() && problems.len() == 1);
    for text in ["version: x\n", "foo: 1\n", "version: 1\nroutes: [1]\n", "version: 1\nupstreams: { a: 1 }\n"]
    {
        let (_, file, problems) = read(text);
        assert!(file.is_none() && !problems.is_empty(), "{text}");
    }
}

#[test]
fn bounds_hold() {
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    let (root, problems) = parse(&deep);
    assert!(root.is_none() && problems[0].message.contains("64 deep"), "{problems:?}");
    let (root, _) = parse(&format!("{}{}", "[".repeat(64), "]".repeat(64)));
    assert!(root.is_some());
    let (root, problems) = parse(&" ".repeat(MAX_BYTES + 1));
    assert!(root.is_none() && problems[0].message.contains("4 MiB"));
    let block = (0..300).fold(String::new(), |text, depth| text + &" ".repeat(depth) + "a:\n");
    assert!(parse(&block).1[0].message.contains("64 deep"));
}

#[test]
fn lines_and_columns_count_characters_from_one() {
    let source = Source::new("f", "\u{feff}a\r\né日x\n");
    assert_eq!(source.place(0), Place { line: 1, column: 1 });
    assert_eq!(source.place(source.text().find('x').unwrap()), Place { line: 2, column: 3 });
    assert_eq!(source.place(5), Place { line: 2, column: 2 }, "inside a character");
    assert_eq!(source.place(999), Place { line: 3, column: 1 });
}

#[test]
fn bytes_that_are_not_utf8_are_a_problem() {
    let problem = Source::from_bytes("f", b"a\nb\xff".to_vec()).unwrap_err();
    assert_eq!(problem.message, "line 2 is not UTF-8 text");
    let report = Report::new(&Source::new("f", ""), &[problem]).text(false);
    assert!(report.contains("--> f"), "{report}");
}

#[test]
fn a_program_reads_the_same_report() {
    let (source, _, problems) = read("version: 1\n  \nupsteams: {}\nroutes: 7\n");
    assert_eq!(
        Report::new(&source, &problems).json(),
        serde_json::json!([
            { "file": "portcullis.yaml", "line": 3, "column": 1,
              "message": "unknown key `upsteams`", "help": "did you mean `upstreams`?" },
            { "file": "portcullis.yaml", "line": 4, "column": 9,
              "message": "expected a list, found `7`",
              "help": "write a list: `[ … ]`, or one `- …` to a line" },
        ])
    );
}

#[test]
fn colour_is_for_terminals() {
    use std::ffi::OsStr;
    assert!(wants_colour(true, None) && wants_colour(true, Some(OsStr::new(""))));
    assert!(!wants_colour(false, None) && !wants_colour(true, Some(OsStr::new("1"))));
    let (source, _, problems) = read("versoin: 1\n");
    let report = Report::new(&source, &problems);
    assert!(report.text(true).contains('\u{1b}') && !report.text(false).contains('\u{1b}'));
    assert_eq!(Report::new(&source, &[]).text(false), "");
}

#[test]
fn the_schema_tells_the_shapes() {
    let schema = serde_json::to_value(schemars::schema_for!(File)).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let accepts = |value: serde_json::Value| validator.is_valid(&value);
    let with = |upstream: serde_json::Value| serde_json::json!({"version": 1, "upstreams": {"a": upstream}});
    assert!(accepts(with(serde_json::json!({"servers": "x", "timeout": "30s"}))));
    assert!(accepts(with(serde_json::json!({"servers": ["x", "y"], "balance": "round_robin"}))));
    assert!(!accepts(with(serde_json::json!({"servers": 1}))));
    assert!(!accepts(with(serde_json::json!({"servers": "x", "timeout": "30"}))));
    assert!(!accepts(with(serde_json::json!({"servers": "x", "timeout": 30}))));
}

/// Pieces of which nearly valid configurations are made.
static PIECES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    vec![
        "version",
        "routes",
        "upstreams",
        "secrets",
        "servers",
        "name",
        "match",
        "value",
        "headers",
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "{ ",
        " }",
        "[",
        "]",
        ", ",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "#",
        "*",
        "&a ",
        "!!str ",
        "!x ",
        "${PORT}",
        "${NOPE}",
        "1",
        "-0x1",
        "1e9",
        "null",
        "~",
        "true",
        "é",
        "日本",
        "\t",
        "\r\n",
        "\u{feff}",
        "\\",
        "---\n",
        "? ",
        "30s",
        "%YAML",
        "\u{0}",
        "\u{7f}",
        "\u{202e}",
    ]
});

fn holds(text: &str) {
    let (source, file, problems) = read(text);
    let text = source.text();
    assert!(file.is_some() || !problems.is_empty());
    for problem in &problems {
        for span in problem.span.iter().chain(problem.notes.iter().map(|note| &note.span)) {
            assert!(text.get(span.clone()).is_some(), "{problem:?}");
        }
    }
    let report = Report::new(&source, &problems);
    let shown = report.text(false);
    for problem in report.json().as_array().unwrap() {
        if let (Some(line), Some(column)) = (problem["line"].as_u64(), problem["column"].as_u64()) {
            assert!(
                shown.contains(&format!("portcullis.yaml:{line}:{column}\n")),
                "{line}:{column}\n{shown}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_ends_in_a_value_or_a_report(text in any::<String>()) {
        holds(&text);
    }

    #[test]
    fn nearly_valid_text_ends_in_a_value_or_a_report(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES.clone()), 0..40),
    ) {
        holds(&pieces.concat());
    }

    #[test]
    fn units_print_what_they_read(millis in any::<u64>(), bytes in any::<u64>()) {
        let time = Time(std::time::Duration::from_millis(millis));
        prop_assert_eq!(time.to_string().parse::<Time>().unwrap(), time);
        prop_assert_eq!(Size(bytes).to_string().parse::<Size>().unwrap(), Size(bytes));
    }
}

/// A round for every problem must not make a large file slow.
#[test]
fn a_large_file_with_many_problems_is_read_to_its_end() {
    let route = |n: usize| match n % 100 {
        0 => format!("  - {{ name: r{n}, match: [] }}\n"),
        _ => format!("  - {{ name: r{n}, match: GET /{n} }}\n"),
    };
    let text = (0..5000).fold("version: 1\nroutes:\n".to_owned(), |text, n| text + &route(n));
    let (_, file, problems) = read(&text);
    assert!(file.is_none());
    assert_eq!(problems.len(), 50);
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Keys {
    None,
    File(String),
    Url { url: String, refresh: Time },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
struct Even(String);

impl TryFrom<String> for Even {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len().is_multiple_of(2) {
            Ok(Self(text))
        } else {
            Err(format!("`{text}` is odd\nadd a letter"))
        }
    }
}

fn lines<T: serde::de::DeserializeOwned>(text: &str) -> Vec<String> {
    let (root, mut problems) = parse(text);
    let mut root = root.unwrap();
    problems.extend(interpolate(&mut root, text, &|_| Some("odd".to_owned())));
    let (value, more) = decode::<T>(&root);
    problems.extend(more);
    assert_eq!(value.is_some(), problems.is_empty());
    let source = Source::new("f", text);
    let line = |problem: Problem| {
        let place = source.place(problem.span.unwrap_or(0..0).start);
        let remedy = problem.remedy.unwrap_or_default();
        format!("{}:{} {} ({remedy})", place.line, place.column, problem.message)
    };
    problems.into_iter().map(line).collect()
}

#[test]
fn words_may_carry_values() {
    type Many = Vec<Keys>;
    assert!(lines::<Many>("[none, { file: x }, { url: { url: y, refresh: 1s } }]").is_empty());
    assert_eq!(
        lines::<Many>("[nnoe, file, { none: 1 }, { fil: x }, { url: { ulr: y } }, { file: [] }, {}]"),
        [
            "1:2 `nnoe` is not known here (did you mean `none`?)",
            "1:8 `file` needs a value (write `{ file: … }`)",
            "1:14 expected a word, found a mapping ()",
            "1:29 `fil` is not known here (did you mean `file`?)",
            "1:41 `url` lacks the key `refresh` (add `refresh: …`)",
            "1:48 unknown key `ulr` (did you mean `url`?)",
            "1:68 expected text, found a list (write a single value)",
            "1:74 expected one key of `none`, `file`, `url` ()",
        ]
    );
}

#[test]
fn a_types_own_sentence_stands_at_its_text_and_tells_no_secret() {
    type Named = BTreeMap<String, Even>;
    assert_eq!(lines::<Named>("a: abc\nb: ab\n"), ["1:4 `abc` is odd (add a letter)"]);
    assert_eq!(
        lines::<Named>("a: ${X}\n"),
        ["1:4 text from the environment is not accepted here (add a letter)"]
    );
    assert_eq!(
        lines::<BTreeMap<String, Named>>("secrets: { a: abc }\n"),
        ["1:15 text is not accepted here (add a letter)"]
    );
}

#[test]
fn numbers_keep_their_bounds() {
    assert_eq!(lines::<(i8, u64, f64)>("[-128, 18446744073709551615, -1.5e3]"), Vec::<String>::new());
    assert_eq!(lines::<BTreeMap<u16, bool>>("1: true\n0x2: false\n"), Vec::<String>::new());
    let faults = lines::<Vec<u8>>("[256, -1, 1.5, 1_000, 99999999999999999999999999999999999999999999]");
    assert_eq!(faults.len(), 5, "{faults:?}");
    let many = format!("[{}]", "x, ".repeat(1000));
    assert!(lines::<Vec<u8>>(&many).last().unwrap().contains("more problems"));
}

#[test]
fn a_list_is_its_entries_or_a_mapping() {
    use rules::lists::{Kind, RawList};
    let read = |text: &str| decode::<BTreeMap<String, RawList>>(&parse(text).0.unwrap());
    let (lists, problems) = read(
        "a: [203.0.113.0/24, 64500, \"2001:db8::/32\"]\nb: { file: b.txt }\nc: { kind: host, items: [x] }\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let lists = lists.unwrap();
    assert_eq!(lists["a"], RawList::of(["203.0.113.0/24", "64500", "2001:db8::/32"]));
    assert_eq!(lists["b"].file.as_deref(), Some("b.txt"));
    assert_eq!(lists["c"].kind, Some(Kind::Host));
    for (text, start, message) in [
        ("a: { fiel: x }\n", 5, "unknown key `fiel`"),
        ("a: { kind: mac }\n", 11, "`mac`"),
        ("a: x\n", 3, "expected"),
        ("a: [[x]]\n", 4, "expected text"),
        ("a:\n", 0, "expected"),
    ] {
        let (_, problems) = read(text);
        let problem = problems.first().unwrap();
        assert!(problem.message.contains(message), "{text}: {problem:?}");
        assert_eq!(problem.span.as_ref().unwrap().start, start, "{text}: {problem:?}");
    }
}
