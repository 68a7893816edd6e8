//! What we give as an example loads, and its own tests pass: with no network and no secret set.

use std::path::{Path, PathBuf};

use harness::site::workspace;
use harness::{Site, Value};

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

/// What stands in fences of a page as YAML.
fn shown(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join(page)).unwrap();
    let fences = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    let fences: Vec<String> = fences.collect();
    assert!(!fences.is_empty(), "{page} shows nothing");
    fences
}

/// What a page shows of limits and rules is a part of a file: with the least that a file needs beside it, it loads.
#[tokio::test]
async fn what_the_pages_show_of_limits_and_rules_loads() {
    const REST: &[(&str, &str)] = &[
        ("version", "version: 1"),
        ("listen", "listen: { http: { bind: \"127.0.0.1:0\", plaintext: \"a page\" } }"),
        ("upstreams", "upstreams: { app: { servers: [\"http://127.0.0.1:1\"] } }"),
        ("defaults", "defaults: { upstream: app }"),
        ("routes", "routes: [{ name: all, match: \"* /**\", public: \"a page\" }]"),
    ];
    for page in ["README.md", "docs/limits.md", "docs/rules.md"] {
        for part in shown(page) {
            let has = |key: &str| part.lines().any(|line| line.starts_with(&format!("{key}:")));
            let rest = REST.iter().filter(|(key, _)| !has(key)).map(|(_, line)| *line);
            let text = rest.chain([part.as_str()]).collect::<Vec<_>>().join("\n");
            let site = Site::new();
            site.write("portcullis.yaml", &text);
            let outcome = site.run(&["test"]).await;
            assert_eq!(outcome.code, 0, "{page}\n{text}\n{}{}", outcome.stdout, outcome.stderr);
        }
    }
}

/// A page that says what each key means leaves none out.
#[tokio::test]
async fn the_pages_name_every_key() {
    let schema = Site::new().run(&["schema"]).await.expect(0).json();
    for (page, types) in [
        ("docs/limits.md", &["RawLimit", "RawLock", "RawState"][..]),
        ("docs/rules.md", &["RawRule", "RawList"]),
    ] {
        let text = std::fs::read_to_string(workspace().join(page)).unwrap();
        for name in types {
            let properties = properties(&schema["$defs"][name]);
            assert!(!properties.is_empty(), "{name}");
            for key in properties {
                let named = [format!("`{key}`"), format!("`{key}:"), format!(" {key}:"), format!("{key}: ")];
                assert!(
                    named.iter().any(|named| text.contains(named.as_str())),
                    "{page} does not name `{key}`"
                );
            }
        }
    }
}

fn properties(node: &Value) -> Vec<String> {
    let own = node["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let ways = node["anyOf"].as_array().into_iter().flatten();
    own.chain(ways.flat_map(properties)).collect()
}
