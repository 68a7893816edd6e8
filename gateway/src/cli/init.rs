//! `portcullis init`: writes a configuration to begin with.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Misuse;
use super::webhooks::{PLACEHOLDER, Section, sections};
use crate::config::compile;
use crate::demo::shell;

const TEMPLATE: &str = include_str!("init.yaml");
/// Where the template wants the upstream's address.
const UPSTREAM: &str = "{{upstream}}";
/// Where it wants the secrets of webhooks, the webhooks, and their tests.
const SECRETS: &str = "{{secrets}}";
const WEBHOOKS: &str = "{{webhooks}}";
const TESTS: &str = "{{tests}}";

/// Writes a commented configuration with safe defaults.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the backend listens: `http://host:port`, `https://…`, `h2c://…` or `unix:/path`.
    #[arg(long, value_name = "URL")]
    pub upstream: String,
    /// A provider whose webhooks come in, as `portcullis webhooks` lists it; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub provider: Vec<String>,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "portcullis.yaml")]
    pub output: PathBuf,
    /// Replaces the file if there is one.
    #[arg(long)]
    pub force: bool,
}

/// Runs the command.
pub fn call(args: &Args) -> ExitCode {
    match write(args) {
        Ok(sections) => super::answer(next_steps(&args.output, &sections)),
        Err(misuse) => misuse.exit(),
    }
}

fn write(args: &Args) -> Result<Vec<Section>, Misuse> {
    compile::is_server(&args.upstream).map_err(|problem| {
        let misuse = Misuse::new(format!("--upstream: {}", problem.message));
        problem.remedy.map_or(misuse.clone(), |remedy| misuse.remedy(remedy))
    })?;
    let sections = sections(&args.provider)?;
    let shown = args.output.display();
    let mut options = OpenOptions::new();
    options.write(true);
    // Asking first whether the file is there would leave a moment in which it could appear.
    if args.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(&args.output).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Misuse::new(format!("{shown} is there already"))
            .remedy("replace it with `--force`, or write another file with `--output FILE`"),
        _ => Misuse::new(format!("{shown} cannot be written: {error}")),
    })?;
    file.write_all(fill_with(&args.upstream, &sections).as_bytes())
        .map_err(|error| Misuse::new(format!("{shown} cannot be written: {error}")))?;
    Ok(sections)
}

/// The template for the backend at `upstream`, without webhooks.
#[cfg(test)]
pub(crate) fn fill(upstream: &str) -> String {
    fill_with(upstream, &[])
}

/// The template for the backend at `upstream`, with webhooks.
fn fill_with(upstream: &str, sections: &[Section]) -> String {
    let (mut secrets, mut webhooks, mut tests) = (String::new(), String::new(), String::new());
    for section in sections {
        secrets.push_str(&section.secrets());
        if section.loads {
            webhooks.push_str(&section.webhook(""));
            let Section { path, without, .. } = section;
            let _ = writeln!(tests, "  - {{ send: POST {path}, expect: 401 {without} }}");
        } else {
            let _ = writeln!(
                webhooks,
                "  # Fill in the key that the provider shows for {PLACEHOLDER}, and take away the marks:"
            );
            webhooks.push_str(&section.webhook("  #"));
        }
    }
    if !webhooks.is_empty() {
        // A list of nothing but remarks is none.
        let mark = if sections.iter().any(|section| section.loads) { "" } else { "# " };
        webhooks.insert_str(
            0,
            &format!(
                "# Deliveries of providers: verified by their signature, each forwarded once. More: `portcullis webhooks \
                 NAME`.\n{mark}webhooks:\n"
            ),
        );
        webhooks.push('\n');
    }
    let filled =
        TEMPLATE.replacen(SECRETS, &secrets, 1).replacen(WEBHOOKS, &webhooks, 1).replacen(TESTS, &tests, 1);
    // A JSON string is a YAML string, so that no address can add keys of its own.
    filled.replacen(UPSTREAM, &serde_json::Value::from(upstream).to_string(), 1)
}

fn next_steps(output: &Path, sections: &[Section]) -> String {
    let config = if output == Path::new("portcullis.yaml") {
        String::new()
    } else {
        format!(" --config {}", shell::word(&output.display().to_string()))
    };
    let mut exports = String::new();
    for variable in sections.iter().flat_map(|section| &section.variables) {
        let _ = writeln!(exports, "  export {variable}=…  # as the provider shows it");
    }
    format!(
        "\
Wrote {}. What next:

  portcullis test{config}
  export SESSION_SECRET=\"$(openssl rand -hex 32)\"
{exports}  portcullis run{config}

And from a second terminal with the same SESSION_SECRET, a request of the tenant acme:

  curl --insecure https://localhost:8443/v1/acme/conversations \\
    --header \"authorization: Bearer $(portcullis token{config} --identity session --claim sub=ada --claim org_id=acme)\"

--insecure is for the self-signed certificate; the file says what to change before production.
",
        output.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::{Purpose, load};

    fn args(folder: &Path, upstream: &str) -> Args {
        let output = folder.join("portcullis.yaml");
        Args { upstream: upstream.to_owned(), provider: Vec::new(), output, force: false }
    }

    #[test]
    fn what_it_writes_loads() {
        for upstream in
            ["http://127.0.0.1:3000", "https://bot.example.com/", "h2c://bot:50051", "unix:/run/bot.sock"]
        {
            let folder = tempfile::tempdir().unwrap();
            let args = args(folder.path(), upstream);
            write(&args).unwrap();
            let loaded =
                load(&args.output, Purpose::Judge).unwrap_or_else(|broken| panic!("{}", broken.text(false)));
            assert_eq!(loaded.snapshot.upstreams[0].servers[0].label, upstream);
            assert!(!loaded.snapshot.tests.is_empty());
        }
    }

    #[test]
    fn every_tests_expectation_is_met() {
        // Which is for `portcullis test`; here only that the file has one for each route.
        for route in ["/healthz", "/v1/acme/", "/admin/"] {
            assert!(TEMPLATE.contains(&format!("send: GET {route}")), "{route}");
        }
    }

    #[test]
    fn a_file_that_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut args = args(folder.path(), "http://127.0.0.1:3000");
        std::fs::write(&args.output, "mine").unwrap();
        let misuse = write(&args).unwrap_err();
        assert!(misuse.what.contains("portcullis.yaml is there already"), "{misuse:?}");
        assert!(misuse.remedy.unwrap().contains("--force"));
        assert_eq!(std::fs::read_to_string(&args.output).unwrap(), "mine");
        args.force = true;
        write(&args).unwrap();
        assert_eq!(std::fs::read_to_string(&args.output).unwrap(), fill("http://127.0.0.1:3000"));
    }

    #[test]
    fn what_is_no_address_writes_nothing() {
        for upstream in [
            "",
            "localhost:3000",
            "ftp://a",
            "http://a/b",
            "http://a b",
            "http://a\"]\nmode: observe\n#",
            "unix:bot.sock",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let args = args(folder.path(), upstream);
            assert!(write(&args).is_err(), "{upstream:?}");
            assert!(!args.output.exists(), "{upstream:?}");
        }
    }

    #[test]
    fn an_address_cannot_add_keys() {
        let text = fill("unix:/a\"]\nmode: observe\n#");
        assert!(!text.lines().any(|line| line.starts_with("mode:")), "{text}");
    }

    #[test]
    fn the_next_steps_name_another_file() {
        assert!(!next_steps(Path::new("portcullis.yaml"), &[]).contains("--config"));
        assert!(next_steps(Path::new("it's.yaml"), &[]).contains(r"portcullis run --config 'it'\''s.yaml'"));
    }

    #[test]
    fn every_provider_passes_its_test() {
        for (provider, _) in rules::webhook::PRESETS {
            let folder = tempfile::tempdir().unwrap();
            let mut args = args(folder.path(), "http://127.0.0.1:3000");
            args.provider = vec![(*provider).to_owned()];
            let section = write(&args).unwrap().pop().unwrap();
            let loaded =
                load(&args.output, Purpose::Judge).unwrap_or_else(|broken| panic!("{}", broken.text(false)));
            let webhooks = loaded.snapshot.table.routes().iter().filter(|route| route.webhook.is_some());
            assert_eq!(webhooks.count(), usize::from(section.loads), "{provider}");
            assert_eq!(crate::judge::failures(&loaded), Vec::<String>::new(), "{provider}");
        }
    }

    #[test]
    fn several_providers_are_each_named_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut args = args(folder.path(), "http://127.0.0.1:3000");
        args.provider = ["stripe", "github", "discord"].map(str::to_owned).to_vec();
        let sections = write(&args).unwrap();
        let steps = next_steps(&args.output, &sections);
        assert!(steps.contains("export STRIPE_WEBHOOK_SECRET=") && !steps.contains("DISCORD"), "{steps}");
        for wrong in [&["stripe", "stripe"][..], &["strip"]] {
            let folder = tempfile::tempdir().unwrap();
            args.output = folder.path().join("portcullis.yaml");
            args.provider = wrong.iter().map(|&name| name.to_owned()).collect();
            assert!(write(&args).is_err(), "{wrong:?}");
            assert!(!args.output.exists(), "{wrong:?}");
        }
    }
}
