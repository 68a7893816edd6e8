//! A file of API keys: YAML or JSON, read as the configuration is, so that what is wrong with it has a line.

use rules::key_file::{Listed, RawKey, Wrong};

use super::tree::{Node, Value};
use super::{Problem, Source, decode, parse};

/// Complaints at most: a file that is no key file at all would fill the screen.
const MOST: usize = 12;

/// Reads the entries of the file called `name`. One with nothing in it has none: nobody has a key any more.
///
/// # Errors
/// All that is wrong with it.
pub fn read(name: &str, bytes: Vec<u8>) -> Result<Vec<Listed>, Vec<Wrong>> {
    let source = Source::from_bytes(name, bytes).map_err(|problem| vec![wrong(name, None, problem)])?;
    let (root, entries) = entries(&source)?;
    let items = match &root.value {
        Value::Seq(items) => items.as_slice(),
        _ => &[],
    };
    // Counted on from entry to entry: from the top each time, a long file would take minutes.
    let (mut counted, mut line, mut column) = (0, 1, 1);
    let listed = |(key, item): (RawKey, &Node)| {
        let start = item.head().start;
        let since = source.text().get(counted..start).unwrap_or_default();
        let (rest, from) = since.rsplit_once('\n').map_or((since, column), |(_, rest)| (rest, 1));
        (counted, line, column) = (start, line + since.matches('\n').count(), from + rest.chars().count());
        Listed { at: format!("{name}:{line}:{column}"), key }
    };
    Ok(entries.into_iter().zip(items).map(listed).collect())
}

/// The tree and the entries of a file.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn entries(source: &Source) -> Result<(Node, Vec<RawKey>), Vec<Wrong>> {
    let all = |mut problems: Vec<Problem>| {
        let more = problems.len().saturating_sub(MOST);
        problems.truncate(MOST);
        let mut all: Vec<_> =
            problems.into_iter().map(|problem| wrong(source.path(), Some(source), problem)).collect();
        if more > 0 {
            let what = format!("{}: {more} more problems like these", source.path());
            all.push(Wrong { what, remedy: Some("mend these first".to_owned()) });
        }
        all
    };
    let (root, mut problems) = parse(source.text());
    let Some(root) = root else { return Err(all(problems)) };
    if root.value == Value::Null {
        return Ok((root, Vec::new()));
    }
    let (entries, found) = decode::<Vec<RawKey>>(&root);
    problems.extend(found);
    match entries {
        Some(entries) if problems.is_empty() => Ok((root, entries)),
        _ => Err(all(problems)),
    }
}

fn place(source: &Source, offset: usize) -> String {
    let place = source.place(offset);
    format!("{}:{}:{}", source.path(), place.line, place.column)
}

fn wrong(name: &str, source: Option<&Source>, problem: Problem) -> Wrong {
    let at = match (source, &problem.span) {
        (Some(source), Some(span)) => place(source, span.start),
        _ => name.to_owned(),
    };
    Wrong { what: format!("{at}: {}", problem.message), remedy: problem.remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let wrong = read("keys.yaml", text.as_bytes().to_vec()).map(|keys| keys.len()).unwrap_err();
        wrong.into_iter().map(|wrong| wrong.what).collect()
    }

    #[test]
    fn yaml_and_json_say_the_same_and_know_their_lines() {
        let hash = "ab".repeat(32);
        let yaml =
            format!("# ours\n- sha256: {hash}\n  user: u\n  tenant: acme\n- {{ sha256: {hash}, user: v }}\n");
        let json = format!(
            "[{{\"sha256\": \"{hash}\", \"user\": \"u\", \"tenant\": \"acme\"}},\n{{\"sha256\": \"{hash}\", \"user\": \"v\"}}]"
        );
        let read = |text: &str| read("k", text.as_bytes().to_vec()).unwrap();
        let (yaml, json) = (read(&yaml), read(&json));
        assert_eq!([&*yaml[0].at, &*yaml[1].at], ["k:2:3", "k:5:5"]);
        assert_eq!([&*json[0].at, &*json[1].at], ["k:1:3", "k:2:2"]);
        assert!(yaml.iter().zip(&json).all(|(left, right)| left.key == right.key));
    }

    #[test]
    fn an_empty_file_has_no_keys() {
        for text in ["", "# all gone\n", "[]", "---\n"] {
            assert!(read("k", text.as_bytes().to_vec()).unwrap().is_empty(), "{text:?}");
        }
    }

    #[test]
    fn every_fault_has_its_place() {
        let told = told("- sha256: pc_not-a-hash\n  user: u\n  role: x\n- user: \"\"\n- 7\n");
        assert_eq!(told.len(), 5, "{told:#?}");
        for (sentence, place) in told.iter().zip(["1:11", "3:3", "4:3", "4:9", "5:3"]) {
            assert!(sentence.starts_with(&format!("keys.yaml:{place}: ")), "{place}: {told:#?}");
            assert!(!sentence.contains("pc_"), "{sentence}");
        }
    }

    #[test]
    fn what_is_no_list_of_keys_is_told_briefly() {
        assert!(told("keys: []\n")[0].contains("expected a list"));
        assert!(told("- [\n")[0].starts_with("keys.yaml:"));
        assert_eq!(told(&"- x\n".repeat(100)).len(), MOST + 1);
        let latin = read("k", b"- user: \xe9\n".to_vec()).map(|keys| keys.len()).unwrap_err();
        assert!(latin[0].what.contains("not UTF-8"));
    }
}
