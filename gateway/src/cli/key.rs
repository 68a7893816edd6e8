//! `portcullis key`: makes API keys for identities of `kind: api_key`.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rules::key_file::{Name, Sha256, Word, Wrong};
use rules::moment::Moment;
use rules::units::Time;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::Misuse;
use super::test::Format;
use crate::config::key_file::entries;
use crate::config::{Source, Value as Written};

/// By which people and scanners for leaked secrets know one of ours.
const PREFIX: &str = "pc_";

/// Makes API keys for identities of `kind: api_key`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with keys.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// Makes a key of 256 random bits, and the entry by which the gateway knows it.
    #[command(after_help = "\
Example: portcullis key new --user ci@partner.example --tenant acme --file keys/partners.yaml

The key is printed once, on the first line, and is kept nowhere: the entry has only its SHA-256.")]
    New(New),
}

/// What the new key's entry says.
#[derive(Debug, clap::Args)]
pub struct New {
    /// Who gets the key; by default `key-` with the first digits of its hash.
    #[arg(long)]
    pub user: Option<Name>,
    /// What people call the key.
    #[arg(long)]
    pub name: Option<Name>,
    /// A tenant that the user may act in; may be repeated.
    #[arg(long)]
    pub tenant: Vec<Name>,
    /// A role; may be repeated.
    #[arg(long)]
    pub role: Vec<Word>,
    /// A scope; may be repeated.
    #[arg(long)]
    pub scope: Vec<Word>,
    /// When it ends: from now on (`90d`), a date (`2027-01-15`) or a time of RFC 3339. By default never.
    #[arg(long, value_name = "90d|DATE", value_parser = expiry)]
    pub expires: Option<Moment>,
    /// The key file to add the entry to; made if it is not there. Without, the entry is printed.
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// How the key is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Runs the command.
pub fn call(args: &Args) -> ExitCode {
    let Action::New(args) = &args.action;
    match make(args) {
        Ok(answer) => super::answer(answer),
        Err(misuse) => misuse.exit(),
    }
}

fn expiry(text: &str) -> Result<Moment, String> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let span = || text.parse::<Time>().ok().and_then(|span| i64::try_from(span.0.as_secs()).ok());
    let moment = match text.parse::<Moment>() {
        Ok(moment) => Some(moment),
        Err(_) => span().map(|span| Moment(now.saturating_add(span))),
    };
    // Later years would not be read back.
    match moment.filter(|moment| moment.0 < 253_402_300_800) {
        Some(moment) if moment.0 > now => Ok(moment),
        Some(_) => Err("a key that has ended already opens nothing".to_owned()),
        None => Err("write `90d`, `2027-01-15` or `2027-01-15T09:30:00Z`".to_owned()),
    }
}

fn make(args: &New) -> Result<String, Misuse> {
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| Misuse::new("the system gives no random bytes"))?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let entry = entry(args, &Sha256::of(key.as_bytes()));
    if let Some(path) = &args.file {
        add(path, &entry)?;
        // On its own on stdout, so that a script can take the key from there.
        super::complain(&format!(
            "The entry is in {}; a running gateway takes it up by itself.\n",
            path.display()
        ));
    }
    Ok(match (args.format, &args.file) {
        (Format::Json, file) => format!("{}\n", json!({ "key": key, "entry": entry, "file": file })),
        (Format::Text, Some(_)) => format!("{key}\n"),
        (Format::Text, None) => format!(
            "{key}\n\nThat is the key, which is shown this once. Its entry for the file of the identity's `keys`:\n\n{}",
            block(&entry, 0)
        ),
    })
}

fn entry(args: &New, hash: &Sha256) -> Map<String, Value> {
    let hash = hash.to_string();
    let user = args.user.as_ref().map(|name| name.0.clone());
    let user = user.unwrap_or_else(|| format!("key-{}", hash.get(..8).unwrap_or_default()));
    let mut entry = Map::new();
    entry.insert("sha256".to_owned(), hash.into());
    entry.extend(args.name.iter().map(|name| ("name".to_owned(), name.0.clone().into())));
    entry.insert("user".to_owned(), user.into());
    match args.tenant.as_slice() {
        [] => None,
        [one] => entry.insert("tenant".to_owned(), one.0.clone().into()),
        more => entry.insert("tenant".to_owned(), more.iter().map(|name| name.0.clone()).collect()),
    };
    for (key, words) in [("roles", &args.role), ("scopes", &args.scope)] {
        if !words.is_empty() {
            entry.insert(key.to_owned(), words.iter().map(|word| word.0.clone()).collect());
        }
    }
    entry.extend(args.expires.map(|moment| ("expires".to_owned(), moment.to_string().into())));
    entry
}

/// The entry as an item of a block of YAML, so far to the right. JSON's values are YAML's.
fn block(entry: &Map<String, Value>, indent: usize) -> String {
    let lines = entry.iter().enumerate().map(|(index, (key, value))| {
        format!("{:indent$}{} {key}: {value}\n", "", if index == 0 { "-" } else { " " })
    });
    lines.collect()
}

/// The text of a key file with one more entry; the rest of it stays as it is.
fn extended(name: &str, text: String, entry: &Map<String, Value>) -> Result<String, Misuse> {
    let broken = |wrong: Vec<Wrong>| {
        let all: Vec<String> = wrong.into_iter().map(|wrong| wrong.what).collect();
        Misuse::new(all.join("\nerror: ")).remedy("mend the file first; nothing was changed")
    };
    let source = Source::new(name, text);
    let (root, before) = entries(&source).map_err(broken)?;
    let text = source.text();
    let start = root.span.start;
    let flow = Value::Object(entry.clone()).to_string();
    let extended = match &root.value {
        Written::Seq(items) if text.get(start..).is_some_and(|list| list.starts_with('[')) => {
            // After the last item, where a comma may follow already or not.
            let (at, mark) = items.last().map_or((start + 1, ""), |last| (last.span.end, ", "));
            let (head, tail) = text.split_at_checked(at).unwrap_or((text, ""));
            format!("{head}{mark}{flow}{tail}")
        }
        Written::Seq(_) => with_block(text, entry, source.place(start).column - 1),
        _ => with_block(text, entry, 0),
    };
    // What the edit came to is read rather than trusted.
    let added = entries(&Source::new(name, block(entry, 0))).map_err(broken)?.1;
    match entries(&Source::new(name, extended.as_str())) {
        Ok((_, after)) if after == [before, added].concat() => Ok(extended),
        _ => Err(Misuse::new(format!("{name} is written in a way that no entry can be added to"))
            .remedy("run this without `--file`, and write the entry there yourself; nothing was changed")),
    }
}

fn with_block(text: &str, entry: &Map<String, Value>, indent: usize) -> String {
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{newline}{}", block(entry, indent))
}

/// Adds an entry to a file: whoever reads it meanwhile finds all of the old or all of the new.
fn add(path: &Path, entry: &Map<String, Value>) -> Result<(), Misuse> {
    // Of a link, what it points to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let draft = target.with_file_name(format!(".{name}.new"));
    let cannot = |error: io::Error| Misuse::new(format!("{} cannot be written: {error}", path.display()));
    // It keeps a second command out, which would read what this one is about to replace.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    let file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Misuse::new(format!("{} is there: somebody else is adding a key", draft.display()))
                .remedy("try again; if nobody is, remove that file")
        }
        _ => cannot(error),
    })?;
    let written = fill(path, file, entry, &cannot).and_then(|()| fs::rename(&draft, &target).map_err(cannot));
    if written.is_err() {
        // What is wrong is told already.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// Writes the new text, with the rights of the old file.
fn fill(
    path: &Path,
    mut file: File,
    entry: &Map<String, Value>,
    cannot: &dyn Fn(io::Error) -> Misuse,
) -> Result<(), Misuse> {
    let shown = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => {
            let old = fs::metadata(path).map_err(cannot)?;
            let new = file.metadata().map_err(cannot)?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                fchown(&file, Some(old.uid()), Some(old.gid())).map_err(cannot)?;
            }
            file.set_permissions(Permissions::from_mode(old.mode() & 0o7777)).map_err(cannot)?;
            text
        }
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Misuse::new(format!("{shown} cannot be read: {error}"))),
    };
    let text = extended(&shown, text, entry)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(folder: &Path) -> New {
        New {
            user: Some(Name("ci \"x\"".to_owned())),
            name: None,
            tenant: vec![Name("acme".to_owned()), Name("globex".to_owned())],
            role: vec![Word("admin".to_owned())],
            scope: vec![],
            expires: Some(Moment(1_900_000_000)),
            file: Some(folder.join("keys.yaml")),
            format: Format::Text,
        }
    }

    fn fixed() -> Map<String, Value> {
        let args = New { file: None, ..args(Path::new("")) };
        entry(&args, &Sha256::of(b"a key"))
    }

    #[test]
    fn files_of_every_form_take_one_more() {
        let hash = "ab".repeat(32);
        for text in [
            String::new(),
            "# ours".to_owned(),
            "---\n".to_owned(),
            "[]".to_owned(),
            "[ ]\n# none yet\n".to_owned(),
            format!("- sha256: {hash}\n  user: u"),
            format!("# ours\n- {{ sha256: {hash}, user: u }} # the first\n\n# the end\n"),
            format!("  - sha256: {hash}\n    user: u\n"),
            format!("[{{\"sha256\": \"{hash}\", \"user\": \"u\"}}]\n"),
            format!("[\n  {{ sha256: {hash}, user: u }},\n]\n"),
        ] {
            let longer =
                extended("k", text.clone(), &fixed()).unwrap_or_else(|why| panic!("{text}: {why:?}"));
            let count = |text: &str| entries(&Source::new("k", text)).unwrap().1.len();
            assert_eq!(count(&longer), count(&text) + 1, "{longer}");
            assert!(
                text.split('\n').all(|line| longer.contains(line.trim_end_matches(']').trim())),
                "{longer}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_or_extended_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.yaml");
        let good = format!("- sha256: {}\n  user: u\n", "ab".repeat(32));
        for (text, why) in [
            ("keys: []\n", "expected a list"),
            (&format!("{good}...\n"), "no entry can be added"),
            ("~\n", "no entry"),
        ] {
            fs::write(&path, text).unwrap();
            let told = make(&args(folder.path())).unwrap_err();
            assert!(told.what.contains(why) && told.remedy.is_some(), "{told:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        }
    }

    #[test]
    fn a_new_file_is_ones_own_and_an_old_one_keeps_its_rights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.yaml");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let first = make(&args(folder.path())).unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let second = make(&args(folder.path())).unwrap();
        assert_eq!(mode(), 0o640);
        let text = fs::read_to_string(&path).unwrap();
        for key in [first.trim(), second.trim()] {
            assert!(key.starts_with(PREFIX) && key.len() == 46, "{key}");
            assert!(!text.contains(key) && text.contains(&Sha256::of(key.as_bytes()).to_string()), "{text}");
        }
        assert_ne!(first, second);
    }

    #[test]
    fn a_link_stays_one_and_two_do_not_write_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (path, real) = (folder.path().join("keys.yaml"), folder.path().join("real.yaml"));
        fs::write(&real, "[]").unwrap();
        std::os::unix::fs::symlink("real.yaml", &path).unwrap();
        make(&args(folder.path())).unwrap();
        assert!(path.is_symlink() && fs::read_to_string(&real).unwrap().contains("sha256"));
        let draft = folder.path().join(".real.yaml.new");
        fs::write(&draft, "theirs").unwrap();
        assert!(make(&args(folder.path())).unwrap_err().what.contains("somebody else"));
        assert_eq!(fs::read_to_string(&draft).unwrap(), "theirs");
    }

    #[test]
    fn an_end_is_a_span_or_a_time_to_come() {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        assert!((now + 86_400..now + 86_460).contains(&expiry("1d").unwrap().0));
        assert_eq!(expiry("2100-01-01T00:00:00Z").unwrap(), Moment(4_102_444_800));
        for text in ["", "soon", "0", "2001-01-01", "99999999d", "-1d"] {
            assert!(expiry(text).is_err(), "{text}");
        }
    }
}
