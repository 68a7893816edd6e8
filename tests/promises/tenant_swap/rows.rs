//! The table: what a user of `acme` tries in order to reach `globex`.

use std::fmt::{self, Write as _};

use harness::{Ask, Value, json};

use super::shapes::{BODIES, FIELDS, MIXED, Mixed, TARGETS};

/// An attempt and its honest twin.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) name: String,
    /// The caller's tenants.
    pub(super) tenants: Value,
    pub(super) attack: Ask,
    pub(super) honest: Ask,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.name)
    }
}

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const WRITING: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];
/// For every value at every place: one that reads, one that brings a body, one that may.
const THREE: [&str; 3] = ["GET", "POST", "DELETE"];
const TWO: [&str; 2] = ["POST", "PATCH"];
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const JSON: &str = "application/json";

/// What a careless reader could take for `globex`, or not for `acme`.
const VALUES: &[&str] = &[
    "globex",
    "Globex",
    "GLOBEX",
    "globex ",
    " globex",
    "globex/",
    "ACME",
    "Acme",
    "acme ",
    " acme",
    "\tacme",
    "acme\n",
    "acme\r\nx-tenant: globex",
    "acme\0",
    "acme\0globex",
    "globex\0acme",
    "acme,globex",
    "globex,acme",
    "acme;globex",
    "acme;x=globex",
    "globex;acme",
    "acme globex",
    "acme|globex",
    "acme+globex",
    "acme&tenant_id=globex",
    "acme?tenant_id=globex",
    "acme#globex",
    "acme/../globex",
    "acme\\..\\globex",
    "../globex",
    "..",
    ".",
    "acme.",
    "acme:globex",
    "acme@globex",
    "%61cme",
    "%67lobex",
    "acme%00",
    "acme%2f..%2fglobex",
    "*",
    "acme*",
    "%",
    "_",
    "acme' or '1'='1",
    "${globex}",
    "[\"acme\",\"globex\"]",
    "{\"$ne\":\"acme\"}",
    "null",
    "undefined",
    "0",
    "",
    "ａcme",
    "ɡlobex",
    "асme",
    "acme\u{200b}",
    "\u{feff}acme",
    "acme\u{301}",
    "ac\u{ad}me",
    "\u{202e}acme",
    "acme\u{85}",
];

fn escape(text: &str) -> String {
    written(text.bytes(), |byte, out| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    })
}

/// Every byte escaped: unreserved ones mean the same either way.
fn escape_all(text: &str) -> String {
    written(text.bytes(), |byte, out| {
        let _ = write!(out, "%{byte:02x}");
    })
}

fn written<T>(items: impl Iterator<Item = T>, write: impl Fn(T, &mut String)) -> String {
    items.fold(String::new(), |mut out, item| {
        write(item, &mut out);
        out
    })
}

/// The same value at each place; `None` where no client could send it.
type Put = fn(&'static str, &str) -> Option<Ask>;

const PUTS: &[(&str, &[&str], Put)] = &[
    ("path", &THREE, |method, value| Some(Ask::new(method, &format!("/p/{}/x", escape(value))))),
    ("path, all escaped", &THREE, |method, value| {
        Some(Ask::new(method, &format!("/p/{}/x", escape_all(value))))
    }),
    ("query", &THREE, |method, value| Some(Ask::new(method, &format!("/q?tenant_id={}", escape(value))))),
    ("query, all escaped", &THREE, |method, value| {
        Some(Ask::new(method, &format!("/q?a=1&{}={}", escape_all("tenant_id"), escape_all(value))))
    }),
    ("header", &THREE, |method, value| {
        let legal = !value.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f);
        let same = value.trim() == value && legal;
        same.then(|| Ask::new(method, "/h").header("x-tenant", value))
    }),
    ("cookie", &THREE, |method, value| {
        let legal = value.bytes().all(|byte| byte >= b' ');
        legal.then(|| Ask::new(method, "/c").header("cookie", &format!("a=1; tenant_id={value}; b=2")))
    }),
    ("cookie, escaped", &THREE, |method, value| {
        let shown = if value == "acme" { value.to_owned() } else { escape(value) };
        Some(Ask::new(method, "/c").header("cookie", &format!("tenant_id={shown}")))
    }),
    ("JSON", &TWO, |method, value| {
        Some(body(method, "/b", JSON, &json!({ "tenant_id": value }).to_string()))
    }),
    ("JSON, all escaped", &TWO, |method, value| {
        let units = written(value.encode_utf16(), |unit, out| {
            let _ = write!(out, "\\u{unit:04x}");
        });
        Some(body(method, "/b", JSON, &format!("{{\"tenant\\u005fid\":\"{units}\"}}")))
    }),
    ("JSON, further in", &TWO, |method, value| {
        Some(body(method, "/d", JSON, &json!({ "meta": { "tenant_id": value } }).to_string()))
    }),
    ("form", &TWO, |method, value| {
        Some(body(method, "/b", FORM, &format!("a=1&tenant_id={}", escape(value))))
    }),
    ("form, all escaped", &TWO, |method, value| {
        Some(body(method, "/b", FORM, &format!("{}={}", escape_all("tenant_id"), escape_all(value))))
    }),
    ("optional query", &THREE, |method, value| {
        Some(Ask::new(method, &format!("/o?tenant_id={}", escape(value))))
    }),
    ("optional form", &TWO, |method, value| {
        Some(body(method, "/o", FORM, &format!("tenant_id={}", escape(value))))
    }),
    ("path, and the query has one's own", &THREE, |method, value| {
        Some(Ask::new(method, &format!("/m/{}?tenant_id=acme", escape(value))))
    }),
    ("query, and the path has one's own", &THREE, |method, value| {
        Some(Ask::new(method, &format!("/m/acme?tenant_id={}", escape(value))))
    }),
    ("JSON, and the path has one's own", &TWO, |method, value| {
        Some(body(method, "/m/acme", JSON, &json!({ "tenant_id": value }).to_string()))
    }),
];

fn body(method: &str, target: &str, kind: &str, text: &str) -> Ask {
    Ask::new(method, target).header("content-type", kind).body(text.to_owned())
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |method, name, attack, honest| {
        rows.push(Row { method, name, tenants: json!("acme"), attack, honest });
    };
    for (place, methods, put) in PUTS {
        for method in *methods {
            for value in VALUES {
                // A cookie of its own, beside one that has the caller's tenant.
                let honest_after_all = *place == "cookie" && value.starts_with("acme;");
                let (Some(attack), false) = (put(method, value), honest_after_all) else { continue };
                add(*method, format!("{place} {value:?}"), attack, put(method, "acme").unwrap());
            }
        }
    }
    for method in METHODS {
        for (attack, honest) in TARGETS {
            add(method, (*attack).to_owned(), Ask::new(method, attack), Ask::new(method, honest));
        }
        for (target, attack, honest) in FIELDS {
            let with = |target: &str, lines: &[(&str, &str)]| {
                lines.iter().fold(Ask::new(method, target), |ask, (name, value)| ask.header(name, value))
            };
            let own = target.replace("/globex", "/acme");
            add(method, format!("{target} {attack:?}"), with(target, attack), with(&own, honest));
        }
    }
    for method in WRITING {
        for (target, kind, attack, honest) in BODIES {
            let name = format!("{target} {kind} {attack}");
            let own = target.replace("/globex", "/acme");
            let honest =
                if honest.is_empty() { honest_json(&own, method) } else { body(method, &own, kind, honest) };
            add(method, name, body(method, target, kind, attack), honest);
        }
        // A body in pieces is held and read like any other.
        let pieces =
            |tenant: &str| body(method, "/b", JSON, &json!({ "tenant_id": tenant }).to_string()).chunked();
        add(method, "in pieces".to_owned(), pieces("globex"), pieces("acme"));
        let packed = body(method, "/b", JSON, r#"{"tenant_id":"acme"}"#);
        add(method, "packed".to_owned(), packed.clone().header("content-encoding", "deflate"), packed);
        let untyped = Ask::new(method, "/b").body(r#"{"tenant_id":"acme"}"#);
        add(method, "untyped".to_owned(), untyped, honest_json("/b", method));
    }
    // Rack takes a body without a type for a form.
    let untyped = Ask::new("POST", "/q?tenant_id=acme");
    add("POST", "untyped form".to_owned(), untyped.clone().body("tenant_id=globex"), untyped);
    for method in WRITING {
        for (attack, honest) in MIXED {
            let ask = |(target, header, text): &Mixed| {
                let mut ask = Ask::new(method, target);
                if !header.is_empty() {
                    ask = ask.header("x-tenant", header);
                }
                if text.is_empty() { ask } else { ask.header("content-type", JSON).body(*text) }
            };
            let (name, tenants) = (format!("of two: {attack:?}"), json!(["acme", "initech"]));
            rows.push(Row { method, name, tenants, attack: ask(attack), honest: ask(honest) });
        }
    }
    rows
}

/// The honest way to say it in JSON, with an honest query.
fn honest_json(target: &str, method: &str) -> Ask {
    let target = target.replace("globex", "acme").replace("Tenant_Id", "other");
    let text = json!({ "tenant_id": "acme", "meta": { "tenant_id": "acme" } }).to_string();
    body(method, &target, JSON, &text)
}
