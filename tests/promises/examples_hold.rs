//! What we give as an example loads, and its own tests pass: with no network and no secret set.

use std::path::{Path, PathBuf};

use harness::Site;
use harness::site::workspace;

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(workspace().join("deploy").join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(!files.is_empty(), "{folder}");
    files
}

/// Fails unless the configuration loads and has tests that pass, one of them a refusal.
async fn passes(site: &Site, path: &Path, text: &str) {
    let shown = path.to_string_lossy();
    let outcome = site.run(&["test", "--config", &shown]).await;
    assert_eq!(outcome.code, 0, "{shown}\n{}\n{}", outcome.stdout, outcome.stderr);
    assert!(text.contains("expect: 401 token_missing"), "{shown} does not show that it refuses strangers");
}

#[tokio::test]
async fn every_example_passes_its_own_tests() {
    let mut site = Site::new();
    site.env("SESSION_SECRET", None);
    for path in files("examples") {
        passes(&site, &path, &std::fs::read_to_string(&path).unwrap()).await;
    }
}

#[tokio::test]
async fn the_configurations_in_the_manifests_do_too() {
    let site = Site::new();
    for path in files("kubernetes") {
        let manifest = std::fs::read_to_string(&path).unwrap();
        let (_, after) =
            manifest.split_once("\n  portcullis.yaml: |\n").expect("a ConfigMap with the configuration");
        let lines = after
            .lines()
            .map_while(|line| if line.is_empty() { Some("") } else { line.strip_prefix("    ") });
        let text = lines.collect::<Vec<_>>().join("\n");
        let name = path.file_name().unwrap().to_string_lossy();
        site.write(&name, &text);
        passes(&site, Path::new(&*name), &text).await;
    }
}
