//! What it costs to know who calls: a token seen for the first time, and one that is remembered, in instructions
//! and allocations. And how much memory the remembered ones really take.
//!
//! `benches/NOTES.md` says how it is run and what the figures mean.

#[path = "../../load/compare/machine.rs"]
mod machine;
// The gateway's own, alone: the rest of the gateway takes long to build, and nothing of it is measured here.
#[path = "../../../gateway/src/identity/memory.rs"]
mod memory;
mod profile;
mod tokens;

use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use http::{HeaderMap, HeaderValue, Method};
use rules::credential::Evidence;
use rules::policy::IdentityDef;
use rules::view::View;

use self::memory::Memory;
use self::profile::Counts;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever went wrong.
type Fallible<T> = Result<T, Box<dyn Error>>;

const ALGORITHMS: [&str; 6] = ["HS256", "RS256", "PS256", "ES256", "ES384", "EdDSA"];
const NOW: i64 = 1_800_000_000;
/// Times that a step is done for one figure.
const TIMES: usize = 50;
/// Where the table goes, from the workspace's root.
const OUT: &str = "benches/results/identity.md";

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => table(),
        ["--once", algorithm, step] => once(algorithm, step),
        ["--fill"] => fill(),
        _ => Err("usage: identity".into()),
    }
}

/// One request's view of its token, and what is asked about it.
struct Asked<'a> {
    def: &'a IdentityDef,
    memory: &'a Memory,
    view: View<'a>,
}

impl Asked<'_> {
    /// As the gateway does it: a token is found, looked up, and verified and remembered where it is not known.
    #[inline(never)]
    fn step(&self) -> bool {
        let Ok(Some(credential)) = self.def.gate.presented(&self.view) else { return false };
        if let Some(caller) = self.memory.recall(&credential.text, self.view.now(), 0) {
            return black_box(caller).user.value().is_some();
        }
        let Ok(vouched) = self.def.gate.verify(&self.view, &credential, Evidence::default()) else {
            return false;
        };
        let caller = black_box(vouched.caller.clone());
        self.memory.remember(&credential.text, vouched, 0);
        caller.user.value().is_some()
    }
}

/// Callgrind counts what happens in here. Not the last call of it, which would be a jump to another function.
#[inline(never)]
fn measured(asked: &Asked<'_>) -> bool {
    black_box(black_box(asked).step())
}

/// Runs under callgrind, which counts only what [`measured`] does.
fn once(algorithm: &str, step: &str) -> Fallible<()> {
    let issuer = tokens::Issuer::new(algorithm)?;
    let def = issuer.identity()?;
    let memory = Memory::new();
    let mut known = true;
    for nth in 0..=TIMES {
        let headers = bearer(&issuer.token(nth, NOW)?)?;
        let asked = Asked { def: &def, memory: &memory, view: view(&headers) };
        known &= match step {
            // The first is for what is done once.
            "cold" if nth > 0 => measured(&asked),
            "cached" => asked.step() && measured(&asked),
            _ => asked.step(),
        };
    }
    if known { Ok(()) } else { Err("a good token was refused".into()) }
}

fn bearer(token: &str) -> Fallible<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::HOST, HeaderValue::from_static("app.example.com"));
    headers.insert(http::header::AUTHORIZATION, format!("Bearer {token}").parse()?);
    Ok(headers)
}

fn view(headers: &HeaderMap) -> View<'_> {
    View {
        method: &Method::GET,
        path: "/v1/acme/conversations",
        target: "/v1/acme/conversations",
        query: None,
        host: "app.example.com",
        authority: Some("app.example.com"),
        has_body: false,
        headers,
        secure: true,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        certificate: None,
        route: "route",
        webhook: None,
        captures: None,
        caller: None,
        via: None,
        now_ms: NOW * 1000,
    }
}

/// Fills the memory of one identity many times over, and says what the process has grown by.
fn fill() -> Fallible<()> {
    let issuer = tokens::Issuer::new("HS256")?;
    let def = issuer.identity()?;
    let memory = Memory::new();
    let empty = resident()?;
    let mut length = 0;
    for nth in 0..60_000 {
        let token = issuer.token(nth, NOW)?;
        length = token.len();
        let headers = bearer(&token)?;
        Asked { def: &def, memory: &memory, view: view(&headers) }.step();
    }
    let grown = resident()?.saturating_sub(empty) / 1024;
    let kept = (0..60_000_usize)
        .filter(|&nth| {
            issuer.token(nth, NOW).is_ok_and(|token| memory.recall(token.as_bytes(), NOW, 0).is_some())
        })
        .count();
    println!("{kept} tokens of {length} bytes are kept and take {grown} MiB; the bound is 32 MiB.");
    Ok(())
}

/// KiB of this process in memory.
fn resident() -> Fallible<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn table() -> Fallible<()> {
    let program = std::env::current_exe()?;
    let mut text = String::from(
        "# Who calls\n\nWritten by `benches/micro/run`; `benches/NOTES.md` says what the figures mean.\n\n\
         | a request with a token of | cold: instructions | allocations | remembered: instructions | allocations |\n\
         | --- | --: | --: | --: | --: |\n",
    );
    for algorithm in ALGORITHMS {
        let counted =
            |step| -> Fallible<Counts> { profile::of(&program, &["--once", algorithm, step], TIMES) };
        let (cold, cached) = (counted("cold")?, counted("cached")?);
        eprintln!("{algorithm}: {} and {} instructions", cold.instructions, cached.instructions);
        writeln!(
            text,
            "| {algorithm} | {} | {} | {} | {} |",
            cold.instructions, cold.allocations, cached.instructions, cached.allocations
        )?;
    }
    let filled = Command::new(&program).arg("--fill").output()?;
    write!(text, "\n{}\n| measured on | |\n| --- | --- |\n", String::from_utf8(filled.stdout)?)?;
    let facts = machine::facts().into_iter().filter(|(name, _)| !matches!(*name, "Pingora" | "profile"));
    for (name, fact) in facts.chain([("profile", "micro (release without LTO, 16 codegen units)".to_owned())])
    {
        writeln!(text, "| {name} | {fact} |")?;
    }
    println!("{text}");
    std::fs::write(OUT, text)?;
    Ok(())
}
