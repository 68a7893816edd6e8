//! What people really get wrong in a configuration, and word for word what they are told.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use harness::Site;

const RENEW: &str = "PORTCULLIS_BLESS=1 tests/run broken_files";

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/broken")
}

/// The names, without their endings, of the corpus's files with this ending.
fn names(ending: &str) -> Vec<String> {
    let files = std::fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path());
    let named = files.filter(|path| path.extension().is_some_and(|found| found == ending));
    let mut names: Vec<String> =
        named.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

async fn told(name: &str) -> (Option<i32>, String) {
    let file = format!("{name}.yaml");
    let mut command = Site::new().command(&["test", "--config", &file]);
    command.current_dir(corpus()).env("NO_COLOR", "1").stdin(Stdio::null());
    let output = harness::within("a verdict", command.output()).await.unwrap();
    assert!(output.stdout.is_empty(), "{file}: a broken file has no table");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn every_broken_file_is_told_exactly() {
    let names = names("yaml");
    assert!(names.len() >= 20, "only {} files in {}", names.len(), corpus().display());
    let bless = std::env::var_os("PORTCULLIS_BLESS").is_some();
    let mut wrong = Vec::new();
    for name in &names {
        let (code, report) = told(name).await;
        if code != Some(2) {
            wrong.push(format!("{name}.yaml: exit {code:?}, wanted 2\n{report}"));
            continue;
        }
        let kept = corpus().join(format!("{name}.txt"));
        let expected = std::fs::read_to_string(&kept).unwrap_or_default();
        if bless {
            std::fs::write(&kept, report).unwrap();
        } else if report != expected {
            wrong.push(format!("{name}.yaml\n--- kept in {name}.txt\n{expected}\n--- told now\n{report}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} reports differ from what is kept. Read what is told now as its reader would; if it is better, renew \
         them with\n\n    {RENEW}\n\n{}",
        wrong.len(),
        wrong.join("\n======\n")
    );
}

#[test]
fn no_report_is_kept_of_a_file_that_is_gone() {
    let files = names("yaml");
    let stray: Vec<String> = names("txt").into_iter().filter(|name| !files.contains(name)).collect();
    assert!(stray.is_empty(), "remove {stray:?}.txt, or bring the .yaml back");
}

/// The kept reports hold what every report promises: a place, no secret, the order of the file.
#[test]
fn every_kept_report_names_lines_and_no_secret() {
    for name in names("txt") {
        let text = std::fs::read_to_string(corpus().join(format!("{name}.txt"))).unwrap();
        let place = format!("--> {name}.yaml:");
        let lines: Vec<usize> = text
            .lines()
            .filter_map(|line| {
                line.trim_start().strip_prefix(place.as_str())?.split(':').next()?.parse().ok()
            })
            .collect();
        let errors = text.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(lines.len() + 1, errors, "{name}: each error has its line, and the last one counts");
        assert!(lines.is_sorted(), "{name}: {lines:?} is not the order of the file");
        for secret in ["correct-horse", "PRIVATE KEY", "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"] {
            assert!(!text.contains(secret), "{name}: {secret} is shown");
        }
    }
    let many = std::fs::read_to_string(corpus().join("many_at_once.txt")).unwrap();
    assert!(many.matches("error: ").count() > 8, "all problems at once, not\n{many}");
}
