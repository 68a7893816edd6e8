//! What rules cost that cannot match: a request is asked about 10, 1,000 and 10,000 of them, with the index and
//! without, in instructions and allocations; and how long they take to load.
//!
//! `benches/NOTES.md` says how it is run and what the figures mean.

#[path = "../../load/compare/machine.rs"]
mod machine;
#[path = "../identity/profile.rs"]
mod profile;

use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method};
use rules::expr::{Candidates, Condition, Facts, Head, Index, Vocabulary};
use rules::lists::Lists;

use self::profile::Counts;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever went wrong.
type Fallible<T> = Result<T, Box<dyn Error>>;

const RULES: [usize; 4] = [10, 100, 1_000, 10_000];
/// Requests that are asked about for one figure.
const TIMES: usize = 50;
/// Where the table goes, from the workspace's root.
const OUT: &str = "benches/results/expr.md";

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => table(),
        ["--once", rules, step] => once(rules.parse()?, step),
        _ => Err("usage: expr".into()),
    }
}

/// Rules as people have them, none of which an average request meets.
fn conditions(rules: usize) -> Fallible<Vec<Condition>> {
    let lists = Lists::new();
    let vocabulary =
        Vocabulary { lists: &lists, geo: false, identities: &[], responses: false, bodies: false };
    let text = |nth: usize| match nth % 10 {
        0 => format!(r#"http.request.uri.path wildcard "/wp-{nth}-*""#),
        1 => format!(r#"http.request.uri.path contains "secret-{nth}" and http.host eq "app.example.com""#),
        2 => format!(
            r#"starts_with(http.request.uri.path, "/old-{nth}/") and not ip.src in {{203.0.113.0/24}}"#
        ),
        3 => format!(r#"http.host eq "h{nth}.example.net" and http.request.uri.path eq "/""#),
        4 => format!(r#"http.user_agent contains "bot-{nth}""#),
        5 => format!(r#"http.user_agent in {{"scanner-{nth}" "agent-{nth}"}}"#),
        6 => format!("ip.src in {{10.{}.{}.0/24 2001:db8:{nth:x}::/48}}", nth / 256 % 256, nth % 256),
        7 => format!(r#"http.request.uri.path matches "^/(cgi|fcgi)-{nth}/.*\.pl$""#),
        8 => format!(
            r#"lower(http.request.uri.query) contains "id={nth}'" or http.cookie contains "debug-{nth}=""#
        ),
        _ => format!(
            r#"any(http.request.headers["x-tenant"][*] eq "t{nth}") and http.request.method eq "POST""#
        ),
    };
    (0..rules).map(|nth| Condition::compile(&text(nth), &vocabulary).map_err(Into::into)).collect()
}

fn fields() -> HeaderMap {
    const FIELDS: [(&str, &str); 7] = [
        ("host", "app.example.com"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "application/json"),
        ("accept-language", "de,en;q=0.8"),
        ("cookie", "session=f2c51c1e4b7a4d0f8e9b6a5c4d3e2f10; theme=dark"),
        ("referer", "https://app.example.com/conversations"),
        ("x-tenant", "acme"),
    ];
    FIELDS
        .into_iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

fn facts(headers: &HeaderMap) -> Facts<'_> {
    Facts::new(Head {
        path: "/v1/acme/conversations/4711/messages",
        query: Some("page=2&order=desc"),
        ..Head::plain(&Method::GET, "app.example.com", headers, IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)))
    })
}

/// Callgrind counts what happens in here. Not the last call of it, which would be a jump to another function.
#[inline(never)]
fn measured(asked: &mut dyn FnMut() -> usize) -> bool {
    black_box(black_box(asked)()) == 0
}

/// Runs under callgrind, which counts only what [`measured`] does.
fn once(rules: usize, step: &str) -> Fallible<()> {
    let conditions = conditions(rules)?;
    let index = Index::new(&conditions);
    let mut candidates = Candidates::default();
    let headers = fields();
    let mut asked = || {
        let facts = facts(&headers);
        if step == "every" {
            return conditions.iter().filter(|condition| condition.holds(&facts)).count();
        }
        index.candidates(&facts, &mut candidates);
        candidates.iter().filter_map(|place| conditions.get(place)).filter(|rule| rule.holds(&facts)).count()
    };
    // The first is for what is done once.
    let mut none = asked() == 0;
    for _ in 0..TIMES {
        none &= measured(&mut asked);
    }
    if none { Ok(()) } else { Err("a rule matched".into()) }
}

fn table() -> Fallible<()> {
    let program = std::env::current_exe()?;
    let mut text = String::from(
        "# Rules that cannot match\n\nWritten by `benches/micro/run`; `benches/NOTES.md` says what the figures mean.\n\n\
         | rules | with the index: instructions | allocations | one by one: instructions | to load, ms | to index, ms |\n\
         | --: | --: | --: | --: | --: | --: |\n",
    );
    for rules in RULES {
        let counted = |step| -> Fallible<Counts> {
            profile::of(&program, &["--once", &rules.to_string(), step], TIMES)
        };
        let (indexed, every) = (counted("indexed")?, counted("every")?);
        let began = Instant::now();
        let conditions = conditions(rules)?;
        let loaded = began.elapsed().as_secs_f64() * 1e3;
        let began = Instant::now();
        black_box(Index::new(&conditions));
        let indexing = began.elapsed().as_secs_f64() * 1e3;
        writeln!(
            text,
            "| {rules} | {} | {} | {} | {loaded:.1} | {indexing:.1} |",
            indexed.instructions, indexed.allocations, every.instructions
        )?;
    }
    write!(text, "\n| measured on | |\n| --- | --- |\n")?;
    let facts = machine::facts().into_iter().filter(|(name, _)| !matches!(*name, "Pingora" | "profile"));
    for (name, fact) in facts.chain([("profile", "micro (release without LTO, 16 codegen units)".to_owned())])
    {
        writeln!(text, "| {name} | {fact} |")?;
    }
    println!("{text}");
    std::fs::write(OUT, text)?;
    Ok(())
}
