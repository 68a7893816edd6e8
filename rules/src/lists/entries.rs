//! The entries of a list, wherever they were written.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Kind;

/// Entries as written, and where.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    /// The entries.
    pub(super) of: Vec<Cow<'a, str>>,
    /// What the file says that they are, if it does.
    pub(super) kind: Option<Kind>,
    /// The text of the file that they are from, and its name.
    file: Option<(&'a str, &'a str)>,
}

impl<'a> Entries<'a> {
    /// Entries that stand in the configuration.
    pub(super) fn of_items(items: &'a [String]) -> Self {
        Self { of: items.iter().map(|item| Cow::Borrowed(item.as_str())).collect(), kind: None, file: None }
    }

    /// The entries of the file called `name`: one a line, or Cloudflare's JSON.
    ///
    /// # Errors
    /// Why it cannot be read: a sentence with the file and the line.
    pub(super) fn of_file(name: &'a str, bytes: &'a [u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + String::from_utf8_lossy(good).matches('\n').count();
            format!("{name}:{line}: this is not UTF-8 text")
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (of, kind) = if is_json(text) {
            of_json(text).map_err(|(line, why)| {
                let line = line.map_or(String::new(), |line| format!(":{line}"));
                format!("{name}{line}: {why}")
            })?
        } else {
            (text.lines().filter_map(entry).map(Cow::Borrowed).collect(), None)
        };
        Ok(Self { of, kind, file: Some((name, text)) })
    }

    /// The file and the line of an entry; none where it stands in the configuration.
    pub(super) fn place(&self, entry: &str) -> Option<String> {
        let (name, text) = self.file?;
        // Where an entry was taken as it stands, it is a part of the text.
        let offset = entry.as_ptr().addr().checked_sub(text.as_ptr().addr());
        let before = offset.and_then(|offset| text.get(..offset));
        let line = before.map_or(String::new(), |before| format!(":{}", 1 + before.matches('\n').count()));
        Some(format!("{name}{line}"))
    }
}

/// The entry of a line: without white space around it, and without a comment.
fn entry(line: &str) -> Option<&str> {
    let comment = line.match_indices('#').find(|(at, _)| {
        line.get(..*at).is_some_and(|before| before.is_empty() || before.ends_with(char::is_whitespace))
    });
    let entry = line.get(..comment.map_or(line.len(), |(at, _)| at)).unwrap_or_default().trim();
    (!entry.is_empty()).then_some(entry)
}

/// Whether a file is JSON. A word in brackets is an entry like others.
fn is_json(text: &str) -> bool {
    let mut marks = text.chars().filter(|letter| !letter.is_whitespace());
    match marks.next() {
        Some('[') => marks.next().is_none_or(|next| matches!(next, '{' | '"' | ']')),
        Some('{') => marks.next() == Some('"'),
        _ => false,
    }
}

/// What Cloudflare's API answers when it is asked for the items of a list.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    result: Vec<Item<'a>>,
}

/// A list item: one of the four. Comments and dates are of no use here.
#[derive(Deserialize)]
struct InFull<'a> {
    #[serde(borrow, default)]
    ip: Option<Text<'a>>,
    #[serde(default)]
    asn: Option<u64>,
    #[serde(borrow, default)]
    hostname: Option<Hostname<'a>>,
    #[serde(default)]
    redirect: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Hostname<'a> {
    #[serde(borrow)]
    url_hostname: Text<'a>,
}

/// `Cow` alone is always owned: serde borrows only what is told to be.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Item<'a> {
    Text(#[serde(borrow)] Text<'a>),
    Full(#[serde(borrow)] Box<InFull<'a>>),
}

type Told<'a> = (Vec<Cow<'a, str>>, Option<Kind>);

fn of_json(text: &str) -> Result<Told<'_>, (Option<usize>, String)> {
    let items = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<Item<'_>>>(text)
    } else {
        serde_json::from_str::<Envelope<'_>>(text).map(|envelope| envelope.result)
    };
    let items = items.map_err(|error| {
        let line = (error.line() > 0).then_some(error.line());
        (line, "this is neither JSON of list items nor one entry a line".to_owned())
    })?;
    let mut entries = Vec::with_capacity(items.len());
    let mut first: Option<Option<Kind>> = None;
    for (index, item) in items.into_iter().enumerate() {
        let (entry, kind) = match item {
            Item::Text(Text(text)) => (text, None),
            Item::Full(item) => item.told().map_err(|why| (None, format!("item {}: {why}", index + 1)))?,
        };
        if *first.get_or_insert(kind) != kind {
            return Err((None, format!("item {} is of another kind than the first", index + 1)));
        }
        entries.push(entry);
    }
    Ok((entries, first.flatten()))
}

impl<'a> InFull<'a> {
    fn told(self) -> Result<(Cow<'a, str>, Option<Kind>), &'static str> {
        match self {
            Self { ip: Some(Text(ip)), .. } => Ok((ip, Some(Kind::Ip))),
            Self { asn: Some(asn), .. } => Ok((Cow::Owned(asn.to_string()), Some(Kind::Asn))),
            Self { hostname: Some(Hostname { url_hostname: Text(host) }), .. } => {
                Ok((host, Some(Kind::Host)))
            }
            Self { redirect: Some(_), .. } => Err("it is a redirect, and rules look up no redirects"),
            _ => Err("it has none of the keys `ip`, `asn` and `hostname`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Vec<String>, Option<Kind>), String> {
        let entries = Entries::of_file("f", text.as_bytes())?;
        Ok((entries.of.iter().map(ToString::to_string).collect(), entries.kind))
    }

    #[test]
    fn a_line_is_an_entry() {
        let (entries, kind) = read("\u{feff}# ours\r\na # the first\r\n\n  b#c\t\n #\nd e\n").unwrap();
        assert_eq!((entries, kind), (vec!["a".to_owned(), "b#c".to_owned(), "d e".to_owned()], None));
        assert_eq!(read("").unwrap().0.len(), 0);
        assert_eq!(read("[bot] x\n{y}\n").unwrap().0, ["[bot] x", "{y}"]);
    }

    #[test]
    fn cloudflares_json_says_its_kind() {
        for (text, entries, kind) in [
            (
                r#"[{"id": "7", "ip": "10.0.0.0\/8", "comment": "x"}, {"ip": "::1"}]"#,
                vec!["10.0.0.0/8", "::1"],
                Some(Kind::Ip),
            ),
            (r#" { "result": [{"asn": 5}], "success": true}"#, vec!["5"], Some(Kind::Asn)),
            (r#"[{"hostname": {"url_hostname": "*.example.com"}}]"#, vec!["*.example.com"], Some(Kind::Host)),
            (r#"["a", "b"]"#, vec!["a", "b"], None),
            ("[ ]", vec![], None),
        ] {
            assert_eq!(
                read(text).unwrap(),
                (entries.into_iter().map(str::to_owned).collect(), kind),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_has_its_line() {
        for (text, why) in [
            ("[{\"ip\": \"a\"},\n{\"ip\": 7}]", "f:2: this is neither"),
            ("[{\"ip\": \"a\"},\n", "f:2: this is neither"),
            ("[{\"ip\": \"a\"}, {\"asn\": 1}]", "f: item 2 is of another kind"),
            ("[{\"redirect\": {}}]", "f: item 1: it is a redirect"),
            ("[{\"id\": \"1\"}]", "f: item 1: it has none of"),
            ("{\"result\": 1}", "f:1: this is neither"),
        ] {
            assert!(read(text).unwrap_err().starts_with(why), "{:?}", read(text));
        }
        assert_eq!(Entries::of_file("f", b"a\n\xff").unwrap_err(), "f:2: this is not UTF-8 text");
    }

    #[test]
    fn an_entry_knows_its_line() {
        for text in ["a\n\nb # c\n", "[\"a\",\n\n\"b\"]", "[{\"ip\":\"a\"},\n\n{\"ip\": \"b\"}]"] {
            let entries = Entries::of_file("f", text.as_bytes()).unwrap();
            assert_eq!(entries.place(&entries.of[1]).unwrap(), "f:3", "{text}");
        }
        let escaped = Entries::of_file("f", br#"["\u0061"]"#).unwrap();
        assert!(escaped.place(&escaped.of[0]).unwrap().starts_with('f'));
    }
}
