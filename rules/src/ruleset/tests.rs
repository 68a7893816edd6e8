use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Method, Version};

use super::raw::{RawAction, RawRequestEdits, RawResponseEdits, RawRule, RawRuleMode};
use super::*;
use crate::expr::{Body, Head, Reply, Vocabulary};
use crate::limit::Seed;
use crate::lists::Lists;
use crate::problem::{Place, Problem};
use crate::shapes::OneOrMany;
use crate::units::Time;
use crate::verdict::Code;

const SEED: Seed = Seed::Secret([3; 16]);

fn compiled(raw: &[RawRule]) -> Result<(Ruleset, Vec<String>), Vec<Problem>> {
    let lists = Lists::new();
    let identities = ["session".to_owned()];
    let words =
        Vocabulary { lists: &lists, geo: false, identities: &identities, responses: false, bodies: true };
    let owned = [HeaderName::from_static("x-user-id")];
    compile(raw, &Place::root().key("rules"), Terms { words: &words, owned: &owned })
}

fn good(raw: &[RawRule]) -> Ruleset {
    compiled(raw).unwrap_or_else(|problems| panic!("{problems:?}")).0
}

fn rule(name: &str, when: &str, action: RawAction) -> RawRule {
    RawRule::new(name, when, action)
}

fn path(name: &str, path: &str, action: RawAction) -> RawRule {
    rule(name, &format!("http.request.uri.path eq \"{path}\""), action)
}

struct Request {
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Request {
    fn get(target: &str) -> Self {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        Self { path: path.to_owned(), query: query.map(str::to_owned), headers: HeaderMap::new() }
    }

    fn facts(&self) -> Facts<'_> {
        Facts::new(Head {
            method: &Method::GET,
            secure: true,
            host: "app.test",
            port: 443,
            path: &self.path,
            query: self.query.as_deref(),
            raw_path: self.path.as_bytes(),
            raw_query: self.query.as_deref().map(str::as_bytes),
            version: Version::HTTP_11,
            headers: &self.headers,
            client: "192.0.2.1".parse().unwrap(),
            server: None,
            request_id: "r",
            now_ms: 0,
            tls_version: None,
            tls_cipher: None,
            certificate: None,
            seed: &[],
        })
    }
}

/// What became of a request: what ended it, and the rules that matched.
fn walked(ruleset: &Ruleset, target: &str) -> (String, Vec<String>) {
    let mut request = Request::get(target);
    let mut walk = Walk::default();
    let end = loop {
        match ruleset.walk(&mut walk, Stage::Head, &request.facts(), SEED) {
            Next::Done => {
                break format!(
                    "{}{}",
                    request.path,
                    request.query.map_or(String::new(), |query| format!("?{query}"))
                );
            }
            Next::Block(rule, words) => break format!("block {} {}", rule.name, words.status.as_u16()),
            Next::Redirect(_, status, to) => {
                break format!("{} {}", status.as_u16(), String::from_utf8(to).unwrap());
            }
            Next::Rewrite { path, query } => {
                let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
                request.path = path.map_or(request.path, text);
                if let Some(query) = query {
                    request.query = Some(text(query)).filter(|query| !query.is_empty());
                }
            }
            Next::Count(counts) => break format!("count {} {}", counts.rule, counts.ask.cost),
            Next::Unusable(refusal) => break format!("unusable {}", refusal.code),
        }
    };
    let matched = walk.matched.iter().map(|index| ruleset.get(usize::from(*index)).unwrap().name.to_string());
    (end, matched.collect())
}

#[test]
fn the_first_that_decides_ends_it() {
    let ruleset = good(&[
        rule("log", "true", RawAction::Log),
        path("one", "/a", RawAction::Block),
        RawRule { status: Some(451), ..path("two", "/a", RawAction::Block) },
        RawRule { status: Some(410), ..path("three", "/b", RawAction::Block) },
    ]);
    assert_eq!(
        walked(&ruleset, "/a"),
        ("block one 403".to_owned(), vec!["log".to_owned(), "one".to_owned()])
    );
    assert_eq!(walked(&ruleset, "/b").0, "block three 410");
    assert_eq!(walked(&ruleset, "/c"), ("/c".to_owned(), vec!["log".to_owned()]));
}

#[test]
fn a_rule_that_observes_is_told_and_does_nothing() {
    let observe = Some(RawRuleMode::Observe);
    let ruleset = good(&[
        RawRule { mode: observe, ..rule("block", "true", RawAction::Block) },
        RawRule { mode: observe, ..rule("skip", "true", RawAction::Skip) },
        RawRule { mode: observe, path: Some("/x".to_owned()), ..rule("rewrite", "true", RawAction::Rewrite) },
        path("last", "/a", RawAction::Block),
    ]);
    let (end, matched) = walked(&ruleset, "/a");
    assert_eq!(end, "block last 403");
    assert_eq!(matched, ["block", "skip", "rewrite", "last"]);
}

#[test]
fn skip_leaves_out_the_rest_of_its_group_or_whole_groups() {
    let group = |name: &str, rule: RawRule| RawRule { group: Some(name.to_owned()), ..rule };
    let groups = |names: &[&str]| Some(OneOrMany(names.iter().map(|name| (*name).to_owned()).collect()));
    let first = |skip: RawRule| {
        good(&[
            group("waf", skip),
            group("waf", path("rest", "/a", RawAction::Block)),
            group("late", RawRule { status: Some(418), ..path("later", "/a", RawAction::Block) }),
        ])
    };
    let skip = || rule("skip", "true", RawAction::Skip);
    assert_eq!(walked(&first(skip()), "/a").0, "block later 418");
    let late = RawRule { groups: groups(&["late"]), ..skip() };
    assert_eq!(walked(&first(late.clone()), "/a").0, "block rest 403");
    assert_eq!(walked(&first(RawRule { rest: Some(true), ..late }), "/a").0, "/a");
    // What stands above it has been asked.
    let ruleset = good(&[path("above", "/a", RawAction::Block), skip()]);
    assert_eq!(walked(&ruleset, "/a").0, "block above 403");
}

#[test]
fn a_rewrite_is_seen_by_later_groups_only() {
    let group = |name: &str, rule: RawRule| RawRule { group: Some(name.to_owned()), ..rule };
    let to = |path: &str| Some(path.to_owned());
    let ruleset = good(&[
        group("one", RawRule { path: to("/b"), ..path("a-to-b", "/a", RawAction::Rewrite) }),
        group("one", RawRule { path: to("/never"), ..path("b-to-c", "/b", RawAction::Rewrite) }),
        group("two", RawRule { query: to("q=1"), ..path("query", "/b", RawAction::Rewrite) }),
        group(
            "three",
            rule(
                "block",
                "http.request.uri eq \"/b?q=1\" and raw.http.request.uri eq \"/a\"",
                RawAction::Log,
            ),
        ),
    ]);
    assert_eq!(walked(&ruleset, "/a").0, "/b?q=1");
    let last = good(&[
        RawRule { path: to("/one"), ..rule("first", "true", RawAction::Rewrite) },
        RawRule {
            path_expression: to("concat(http.request.uri.path, \"/two\")"),
            ..rule("last", "true", RawAction::Rewrite)
        },
        RawRule { query: Some(String::new()), ..rule("no-query", "true", RawAction::Rewrite) },
    ]);
    assert_eq!(walked(&last, "/a?x=1").0, "/a/two", "the last wins, and each sees the request as it came");
}

#[test]
fn redirects_go_where_they_say() {
    let to = |to: &str| Some(to.to_owned());
    let ruleset = good(&[
        RawRule { to: to("https://x.test/"), status: Some(308), ..path("fixed", "/a", RawAction::Redirect) },
        RawRule { to: to("/new"), keep_query: Some(true), ..path("kept", "/b", RawAction::Redirect) },
        RawRule { to: to("/new?x"), keep_query: Some(true), ..path("added", "/c", RawAction::Redirect) },
        RawRule {
            to_expression: to("concat(\"https://\", http.host, \"/x\")"),
            ..path("made", "/d", RawAction::Redirect)
        },
    ]);
    for (target, end) in [
        ("/a?q=1", "308 https://x.test/"),
        ("/b?q=1", "302 /new?q=1"),
        ("/b", "302 /new"),
        ("/c?q=1", "302 /new?x&q=1"),
        ("/d", "302 https://app.test/x"),
    ] {
        assert_eq!(walked(&ruleset, target).0, end, "{target}");
    }
}

#[test]
fn headers_are_made_for_the_request() {
    let texts = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let ruleset = good(&[RawRule {
        request: Some(RawRequestEdits {
            set: texts(&[("x-a", "1")]),
            set_expression: texts(&[
                ("x-b", "http.request.uri.path"),
                ("x-c", "http.request.headers[\"x-none\"][0]"),
            ]),
            remove: vec!["x-d".to_owned()],
        }),
        response: Some(RawResponseEdits { add: texts(&[("x-e", "2")]), ..RawResponseEdits::default() }),
        ..rule("headers", "true", RawAction::Headers)
    }]);
    let (request, mut walk) = (Request::get("/p"), Walk::default());
    assert!(matches!(ruleset.walk(&mut walk, Stage::Head, &request.facts(), SEED), Next::Done));
    let (name, value) = (HeaderName::from_static, HeaderValue::from_static);
    assert_eq!(
        walk.request,
        [
            Edited::Remove(name("x-d")),
            Edited::Set(name("x-a"), value("1")),
            Edited::Set(name("x-b"), value("/p")),
            Edited::Remove(name("x-c")),
        ]
    );
    assert_eq!(walk.response, [Edited::Add(name("x-e"), value("2"))]);
    assert!(ruleset.hears_replies());
}

#[test]
fn what_counts_and_what_acts_may_differ() {
    let per = Some(OneOrMany(vec!["ip.src".to_owned()]));
    let limit = |when: &str, count: Option<&str>| RawRule {
        per: per.clone(),
        allow: Some("1/min".to_owned()),
        count: count.map(str::to_owned),
        ..rule("limit", when, RawAction::Limit)
    };
    let is = |path: &str| format!("http.request.uri.path eq \"{path}\"");
    let plain = good(&[limit(&is("/a"), None)]);
    assert_eq!(walked(&plain, "/a").0, "count 0 1");
    assert_eq!(walked(&plain, "/b").0, "/b");
    let split = good(&[limit(&is("/a"), Some(&is("/b")))]);
    assert_eq!(walked(&split, "/a").0, "count 0 0", "it is looked at, and counted by another");
    let (request, mut walk) = (Request::get("/b"), Walk::default());
    assert!(matches!(split.walk(&mut walk, Stage::Head, &request.facts(), SEED), Next::Done));
    assert_eq!(walk.late.iter().map(|late| late.0.cost).collect::<Vec<_>>(), [1], "counted, and not refused");
    let late = good(&[limit(&is("/a"), Some("http.response.code eq 400"))]);
    assert_eq!(walked(&late, "/a").0, "count 0 0");
    for (status, counted) in [(400, 1), (200, 0)] {
        let (request, mut walk, headers) = (Request::get("/a"), Walk::default(), HeaderMap::new());
        let facts = request.facts().with_reply(Some(Reply { status, headers: &headers }));
        late.reply(&mut walk, &facts, SEED).unwrap();
        assert_eq!(walk.late.len(), counted, "{status}");
    }
}

#[test]
fn a_value_that_cannot_stand_where_it_is_put_is_refused() {
    let ruleset = good(&[RawRule {
        request: Some(RawRequestEdits {
            set_expression: [("x-a".to_owned(), "url_decode(http.request.uri.query)".to_owned())].into(),
            ..RawRequestEdits::default()
        }),
        ..rule("headers", "true", RawAction::Headers)
    }]);
    assert_eq!(walked(&ruleset, "/?x%0D%0Aevil:1").0, format!("unusable {}", Code::BadRequest));
    assert_eq!(walked(&ruleset, "/?x").0, "/?x");
}

#[test]
fn a_rule_waits_for_what_it_names_and_for_what_decides_above_it() {
    let body = "http.request.body.raw contains \"x\"";
    let (ruleset, notices) = compiled(&[
        path("head", "/a", RawAction::Block),
        rule("caller", "portcullis.user eq \"ada\"", RawAction::Skip),
        path("waits", "/b", RawAction::Block),
        rule("body", body, RawAction::Log),
        path("not-for-a-log", "/c", RawAction::Block),
        rule("reply", "http.response.code eq 500", RawAction::Log),
        path("nor-for-a-reply", "/d", RawAction::Block),
    ])
    .unwrap();
    let stages: Vec<Stage> = ruleset.iter().map(Rule::stage).collect();
    let [head, caller, body, reply] = [Stage::Head, Stage::Caller, Stage::Body, Stage::Reply];
    assert_eq!(stages, [head, caller, caller, body, caller, reply, caller]);
    assert!(
        notices.iter().any(|notice| notice.contains("waits") && notice.contains("caller")),
        "{notices:?}"
    );
    assert!(ruleset.speaks_at(body));
    assert_eq!(walked(&ruleset, "/b").0, "/b", "not before the caller is known");
}

#[test]
fn the_body_is_what_rules_see_of_it() {
    let ruleset = good(&[rule("body", "http.request.body.raw contains \"evil\"", RawAction::Block)]);
    for (bytes, blocked) in [(&b"so evil"[..], true), (b"fine", false)] {
        let (request, mut walk) = (Request::get("/a"), Walk::default());
        assert!(matches!(ruleset.walk(&mut walk, Stage::Caller, &request.facts(), SEED), Next::Done));
        let body = Body { bytes, size: 0, truncated: false };
        let facts = request.facts().with_body(Some(body));
        assert_eq!(matches!(ruleset.walk(&mut walk, Stage::Body, &facts, SEED), Next::Block(..)), blocked);
    }
}

#[test]
#[expect(clippy::too_many_lines, clippy::large_stack_arrays, reason = "a table, a row for each sentence")]
fn what_is_wrong_is_told_at_its_place() {
    let text = |text: &str| Some(text.to_owned());
    let block = || rule("r", "true", RawAction::Block);
    let redirect = || RawRule { to: text("/x"), ..rule("r", "true", RawAction::Redirect) };
    let rewrite = || RawRule { path: text("/x"), ..rule("r", "true", RawAction::Rewrite) };
    let limit = || RawRule {
        per: Some(OneOrMany(vec!["ip.src".to_owned()])),
        allow: text("1/min"),
        ..rule("r", "true", RawAction::Limit)
    };
    let sets = |name: &str| RawRule {
        request: Some(RawRequestEdits {
            set: [(name.to_owned(), "1".to_owned())].into(),
            ..RawRequestEdits::default()
        }),
        ..rule("r", "true", RawAction::Headers)
    };
    let answers = |name: &str, value: &str| RawRule {
        response: Some(RawResponseEdits {
            set: [(name.to_owned(), value.to_owned())].into(),
            ..RawResponseEdits::default()
        }),
        ..rule("r", "true", RawAction::Headers)
    };
    let removes = |name: &str| RawRule {
        request: Some(RawRequestEdits { remove: vec![name.to_owned()], ..RawRequestEdits::default() }),
        ..rule("r", "true", RawAction::Headers)
    };
    let named = |names: &[&str]| Some(OneOrMany(names.iter().map(|name| (*name).to_owned()).collect()));
    for (raw, place, part) in [
        (rule("a b", "true", RawAction::Log), "rules[0].name", "cannot be the name of a rule"),
        (rule("r", "http.nothing", RawAction::Log), "rules[0].when", "http.nothing"),
        (rule("r", "true", RawAction::Challenge), "rules[0].action", "challenges come with a later version"),
        (rule("r", "true", RawAction::ManagedChallenge), "rules[0].action", "later version"),
        (RawRule { to: text("/x"), ..block() }, "rules[0].to", "no effect with this action"),
        (RawRule { status: Some(200), ..block() }, "rules[0].status", "does not refuse"),
        (
            RawRule { content_type: text("text/html"), ..block() },
            "rules[0].content_type",
            "no effect without `body`",
        ),
        (
            RawRule { body: text("x"), content_type: text("image/png"), ..block() },
            "rules[0].content_type",
            "is no type for an answer",
        ),
        (RawRule { body: Some("x".repeat(30 * 1024 + 1)), ..block() }, "rules[0].body", "longer than 30 KiB"),
        (
            RawRule { rest: Some(true), ..rule("r", "true", RawAction::Skip) },
            "rules[0].rest",
            "no effect without",
        ),
        (
            RawRule { groups: named(&["none"]), ..rule("r", "true", RawAction::Skip) },
            "rules[0].groups[0]",
            "there is no group `none`",
        ),
        (rule("r", "true", RawAction::Redirect), "rules[0]", "leads nowhere"),
        (RawRule { to: text("ftp://x"), ..redirect() }, "rules[0].to", "is not an address"),
        (RawRule { to: text("/a\r\nb"), ..redirect() }, "rules[0].to", "is not an address"),
        (RawRule { status: Some(200), ..redirect() }, "rules[0].status", "does not redirect"),
        (
            RawRule { to_expression: text("http.host"), ..redirect() },
            "rules[0].to_expression",
            "the same thing twice",
        ),
        (rule("r", "true", RawAction::Rewrite), "rules[0]", "changes nothing"),
        (RawRule { path: text("x"), ..rewrite() }, "rules[0].path", "cannot be a path"),
        (RawRule { query: text("?x"), ..rewrite() }, "rules[0].query", "is not a query"),
        (
            RawRule { when: "portcullis.user eq \"a\"".to_owned(), ..rewrite() },
            "rules[0]",
            "before the route is chosen",
        ),
        (rule("r", "true", RawAction::Headers), "rules[0]", "no header field is changed"),
        (sets("x-user-id"), "rules[0].request.set.x-user-id", "what the gateway itself tells"),
        (sets("x-forwarded-for"), "rules[0].request.set.x-forwarded-for", "what the gateway itself tells"),
        (sets("content-type"), "rules[0].request.set.content-type", "frames the message"),
        (sets("a b"), "rules[0].request.set.a b", "is not a header name"),
        (removes("host"), "rules[0].request.remove[0]", "frames the message"),
        (
            answers("access-control-allow-origin", "*"),
            "rules[0].response.set.access-control-allow-origin",
            "key of its own",
        ),
        (answers("x-a", "a\nb"), "rules[0].response.set.x-a", "cannot stand in a header field"),
        (RawRule { per: None, ..limit() }, "rules[0]", "what it counts by"),
        (RawRule { allow: None, ..limit() }, "rules[0]", "how many are allowed"),
        (RawRule { allow: text("x"), ..limit() }, "rules[0].allow", "not an allowance"),
        (
            RawRule { lasts: Some(Time(std::time::Duration::from_hours(32 * 24))), ..limit() },
            "rules[0].for",
            "out of range",
        ),
        (
            RawRule { when: "http.response.code eq 1".to_owned(), ..limit() },
            "rules[0]",
            "cannot decide by the answer",
        ),
        (rule("r", "http.response.code eq 1", RawAction::Block), "rules[0]", "once it is known"),
    ] {
        let problems =
            compiled(std::slice::from_ref(&raw)).err().unwrap_or_else(|| panic!("{part}: it loads"));
        assert!(
            problems
                .iter()
                .any(|problem| problem.place.to_string() == place && problem.message.contains(part)),
            "nothing says `{part}` at `{place}`: {problems:?}"
        );
    }
    let twice = compiled(&[block(), block()]).err().unwrap();
    assert_eq!(twice.first().unwrap().place.to_string(), "rules[1].name");
    let many: Vec<RawRule> = (0..65)
        .map(|n| RawRule { group: Some(n.to_string()), ..rule(&n.to_string(), "true", RawAction::Log) })
        .collect();
    assert!(compiled(&many).err().unwrap().first().unwrap().message.contains("65 groups"));
}
