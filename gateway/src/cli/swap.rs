//! `portcullis swap`: proves on a running deployment that one tenant's token does not reach another's data.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rules::problem::Place;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Misuse;
use super::stand_ins::StandIns;
use super::test::{Format, open};
use crate::config::load::Loaded;
use crate::fetch::Fetcher;
use crate::swap::attempt::{Row, attempt};
use crate::swap::base::Base;
use crate::swap::verdict::Verdict;
use crate::swap::{Party, Plan, Wishes, plan};

const FAILED: u8 = 1;

/// Tries two users' tokens against each other's tenant on a running deployment, at every place where a route
/// binds one. Exit status: 0 all held, 1 a leak or something not proved, 2 misuse.
#[derive(clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "portcullis.yaml")]
    pub config: PathBuf,
    /// A user's token, given twice, for users of two tenants: `env:NAME`, `@FILE`, or the token itself, which
    /// other users of this machine may then see.
    #[arg(long = "token", value_name = "TOKEN", required = true)]
    pub tokens: Vec<String>,
    /// Where the deployment is: <https://HOST[:PORT]>.
    #[arg(long, value_name = "URL")]
    pub base_url: String,
    /// The tenant of the first (A) or second (B) token, for tokens that do not say: A=acme.
    #[arg(long = "tenant", value_name = "A=NAME")]
    pub tenants: Vec<String>,
    /// The value of a name in routes' patterns that is no tenant (`**` is one): conversation=123.
    #[arg(long = "capture", value_name = "NAME=VALUE")]
    pub captures: Vec<String>,
    /// Tries methods that may change something too. The tokens' own tenants are asked as well.
    #[arg(long)]
    pub active: bool,
    /// A file with the authorities (PEM) to trust instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// How the matrix is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

// Written out, so that no token is ever printed.
impl std::fmt::Debug for Args {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Args").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// Runs the command.
pub fn call(args: &Args) -> ExitCode {
    let (parties, wishes, base, fetcher) = match understood(args) {
        Ok(understood) => understood,
        Err(misuse) => return misuse.exit(),
    };
    let loaded = match open(&args.config, &StandIns::default(), args.format) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let plan = plan(&loaded.snapshot, &parties, &wishes);
    if let Some(unknown) = wishes.captures.keys().find(|name| !is_captured(&loaded, name)) {
        return Misuse::new(format!("no route captures `{unknown}`")).exit();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Misuse::new(format!("nothing can be sent: {error}")).exit(),
    };
    let progress = Progress { total: plan.requests(), shown: stderr().is_terminal() };
    let rows = runtime.block_on(attempt(&plan, &parties, &base, &fetcher, |done| progress.show(done)));
    progress.clear();
    let report = Report { loaded: &loaded, base: &base, plan: &plan, rows: &rows };
    let told = match args.format {
        Format::Text => super::answer(report.text()),
        Format::Json => super::answer(format_args!("{}\n", report.json())),
    };
    if told == ExitCode::SUCCESS && !report.holds() { ExitCode::from(FAILED) } else { told }
}

fn understood(args: &Args) -> Result<([Party; 2], Wishes, Base, Fetcher), Misuse> {
    let [a, b] = args.tokens.as_slice() else {
        return Err(Misuse::new(format!("it takes two tokens, and there are {}", args.tokens.len()))
            .remedy("write `--token env:TOKEN_A --token env:TOKEN_B`, for users of two tenants"));
    };
    let mut tenants = pairs("--tenant", "A=acme", &args.tenants)?;
    let mut party = |letter: char, given: &str| {
        let token = token(letter, given)?;
        Ok::<_, Misuse>(Party { letter, token, tenant: tenants.remove(&letter.to_string()) })
    };
    let parties = [party('A', a)?, party('B', b)?];
    if let Some(other) = tenants.keys().next() {
        return Err(Misuse::new(format!("there is no token `{other}`"))
            .remedy("write `--tenant A=NAME` for the first token, `--tenant B=NAME` for the second"));
    }
    let wishes =
        Wishes { captures: pairs("--capture", "conversation=123", &args.captures)?, active: args.active };
    let base = Base::parse(&args.base_url).map_err(|(what, remedy)| Misuse::new(what).remedy(remedy))?;
    let fetcher = match &args.ca {
        Some(path) => Fetcher::trusting(roots(path)?),
        None => Fetcher::shared().clone(),
    };
    Ok((parties, wishes, base, fetcher))
}

fn pairs(option: &str, example: &str, given: &[String]) -> Result<BTreeMap<String, String>, Misuse> {
    let mut pairs = BTreeMap::new();
    for pair in given {
        let split = pair.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
        let (name, value) = split.ok_or_else(|| {
            Misuse::new(format!("{option}: `{pair}` is not NAME=VALUE"))
                .remedy(format!("write `{option} {example}`"))
        })?;
        if pairs.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(Misuse::new(format!("{option}: `{name}` is given twice")));
        }
    }
    Ok(pairs)
}

fn token(letter: char, given: &str) -> Result<Zeroizing<String>, Misuse> {
    let text = if let Some(name) = given.strip_prefix("env:") {
        std::env::var(name)
            .map_err(|_| Misuse::new(format!("token {letter}: the variable {name} is not set")))?
    } else if let Some(path) = given.strip_prefix('@') {
        std::fs::read_to_string(path)
            .map_err(|error| Misuse::new(format!("token {letter}: `{path}` cannot be read: {error}")))?
    } else {
        given.to_owned()
    };
    let text = Zeroizing::new(text);
    let token = Zeroizing::new(text.trim().to_owned());
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Misuse::new(format!("token {letter} is not one word of ASCII characters")));
    }
    Ok(token)
}

fn roots(path: &Path) -> Result<RootCertStore, Misuse> {
    let wrong = |why: String| Misuse::new(format!("--ca: `{}` {why}", path.display()));
    let pem = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(format!("is not PEM: {error}")))?;
        roots.add(certificate).map_err(|error| wrong(format!("has no authority: {error}")))?;
    }
    if roots.is_empty() { Err(wrong("has no certificate".to_owned())) } else { Ok(roots) }
}

fn is_captured(loaded: &Loaded, name: &str) -> bool {
    let table = &loaded.snapshot.table;
    let mut patterns = (0..table.routes().len()).flat_map(|index| table.patterns(index));
    patterns.any(|pattern| pattern.captures(name) || (name == "**" && pattern.as_str().ends_with("**")))
}

struct Progress {
    total: usize,
    shown: bool,
}

impl Progress {
    fn show(&self, done: usize) {
        if self.shown {
            let _ = write!(stderr(), "\r{done} of {} requests", self.total);
        }
    }

    fn clear(&self) {
        if self.shown {
            let _ = write!(stderr(), "\r\u{1b}[K");
        }
    }
}

struct Report<'a> {
    loaded: &'a Loaded,
    base: &'a Base,
    plan: &'a Plan,
    rows: &'a [Row],
}

impl Report<'_> {
    fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.swap.is_some() && row.verdict == verdict).count()
    }

    /// Whether every try was held, and there was one.
    fn holds(&self) -> bool {
        let tries = self.rows.iter().filter(|row| row.swap.is_some()).count();
        tries > 0 && self.count(Verdict::Held) == tries
    }

    fn text(&self) -> String {
        let lines: Vec<[String; 6]> = self.rows.iter().map(cells).collect();
        let mut widths = [0; 6];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for line in &lines {
            let padded: Vec<_> =
                line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            let _ = writeln!(text, "{}", padded.join("  ").trim_end());
        }
        for skipped in &self.plan.skipped {
            let line = self.line(skipped.index).map_or_else(String::new, |line| format!(":{line}"));
            let file = self.loaded.source.path();
            let _ = writeln!(text, "skipped  {}  {}  ({file}{line})", skipped.route, plain(&skipped.why));
        }
        if !self.plan.unbound.is_empty() {
            let _ = writeln!(text, "no `tenant`, so not tried: {}", self.plan.unbound.join(", "));
        }
        let _ = writeln!(
            text,
            "{}: {} held, {} leaked, {} not proved, {} unreachable, {} skipped",
            self.base,
            self.count(Verdict::Held),
            self.count(Verdict::Leak),
            self.count(Verdict::Unproved),
            self.count(Verdict::Unreachable),
            self.plan.skipped.len(),
        );
        text
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "route": &*row.route,
                "line": self.line(row.index),
                "method": row.method.as_str(),
                "token": row.letter.to_string(),
                "tenant": row.own,
                "place": row.swap.as_ref().map(|(place, _)| place),
                "named": row.swap.as_ref().map(|(_, other)| other),
                "verdict": row.verdict.name().to_lowercase().replace(' ', "_"),
                "status": row.reply.status().map(|status| status.as_u16()),
                "code": row.reply.code().map(rules::verdict::Code::name),
                "why": row.why,
            })
        });
        let skipped = self.plan.skipped.iter().map(
            |skipped| json!({ "route": &*skipped.route, "line": self.line(skipped.index), "why": skipped.why }),
        );
        json!({
            "base_url": self.base.to_string(),
            "holds": self.holds(),
            "held": self.count(Verdict::Held),
            "leaks": self.count(Verdict::Leak),
            "not_proved": self.count(Verdict::Unproved),
            "unreachable": self.count(Verdict::Unreachable),
            "tries": rows.collect::<Vec<_>>(),
            "skipped": skipped.collect::<Vec<_>>(),
            "unbound": self.plan.unbound.iter().map(|name| &**name).collect::<Vec<_>>(),
        })
    }

    fn line(&self, index: usize) -> Option<usize> {
        self.loaded.line(&Place::root().key("routes").item(index))
    }
}

fn cells(row: &Row) -> [String; 6] {
    let place = match &row.swap {
        Some((place, other)) => format!("{place}: {}", plain(other)),
        None => "own tenant".to_owned(),
    };
    let status = row.reply.status().map(|status| status.as_u16().to_string());
    let code = row.reply.code().map(|code| code.name().to_owned());
    let answer = status.into_iter().chain(code).collect::<Vec<_>>().join(" ");
    let why = row.why.as_deref().map(plain).unwrap_or_default();
    let colon = if answer.is_empty() || why.is_empty() { "" } else { ": " };
    [
        row.verdict.name().to_owned(),
        row.method.to_string(),
        row.route.to_string(),
        format!("{} {}", row.letter, plain(&row.own)),
        place,
        format!("{answer}{colon}{why}"),
    ]
}

/// What tokens and answers say goes to a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}
