//! `portcullis init`: writes a configuration to begin with.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Misuse;
use crate::config::compile;
use crate::demo::shell;

const TEMPLATE: &str = include_str!("init.yaml");
/// Where the template wants the upstream's address.
const UPSTREAM: &str = "{{upstream}}";

/// Writes a commented configuration with safe defaults.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the backend listens: `http://host:port`, `https://…`, `h2c://…` or `unix:/path`.
    #[arg(long, value_name = "URL")]
    pub upstream: String,
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
        Ok(()) => super::answer(next_steps(&args.output)),
        Err(misuse) => misuse.exit(),
    }
}

fn write(args: &Args) -> Result<(), Misuse> {
    compile::is_server(&args.upstream).map_err(|problem| {
        let misuse = Misuse::new(format!("--upstream: {}", problem.message));
        problem.remedy.map_or(misuse.clone(), |remedy| misuse.remedy(remedy))
    })?;
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
    file.write_all(fill(&args.upstream).as_bytes())
        .map_err(|error| Misuse::new(format!("{shown} cannot be written: {error}")))
}

/// The template for the backend at `upstream`.
pub(crate) fn fill(upstream: &str) -> String {
    // A JSON string is a YAML string, so that no address can add keys of its own.
    TEMPLATE.replacen(UPSTREAM, &serde_json::Value::from(upstream).to_string(), 1)
}

fn next_steps(output: &Path) -> String {
    let config = if output == Path::new("portcullis.yaml") {
        String::new()
    } else {
        format!(" --config {}", shell::word(&output.display().to_string()))
    };
    format!(
        "\
Wrote {}. What next:

  portcullis test{config}
  export SESSION_SECRET=\"$(openssl rand -hex 32)\"
  portcullis run{config}

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
        Args { upstream: upstream.to_owned(), output: folder.join("portcullis.yaml"), force: false }
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
        assert!(!next_steps(Path::new("portcullis.yaml")).contains("--config"));
        assert!(next_steps(Path::new("it's.yaml")).contains(r"portcullis run --config 'it'\''s.yaml'"));
    }
}
