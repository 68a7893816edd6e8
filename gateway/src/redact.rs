//! What a log line may not show: credentials and personal data become `[kind]`.
//!
//! Paths and the listed query values and headers go through here before they are logged. Too much taken
//! out costs a little readability; too little costs a leak, so the patterns lean towards the former.

use std::borrow::Cow;
use std::error::Error;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::{Captures, Regex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One kind of data that `logs.redact` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `Bearer …` and bare JSON Web Tokens (RFC 6750, RFC 7519).
    Bearer,
    /// Keys with a provider's well-known prefix, and the values of `api_key=`, `token=`, `secret=` and kin.
    ApiKey,
    /// Mail addresses, also percent-encoded ones.
    Email,
    /// Telephone numbers: international (`+`, `00`) and North American.
    Phone,
    /// Payment card numbers: 13 to 19 digits with a valid Luhn check digit (ISO/IEC 7812-1).
    Card,
}

impl Kind {
    /// Every kind; what is in force where the configuration is silent.
    pub const ALL: &'static [Kind] = &[Kind::Bearer, Kind::ApiKey, Kind::Email, Kind::Phone, Kind::Card];

    /// The name in the configuration and between the brackets.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Bearer => "bearer",
            Kind::ApiKey => "api_key",
            Kind::Email => "email",
            Kind::Phone => "phone",
            Kind::Card => "card",
        }
    }

    /// The kind of that name in the configuration.
    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Where a match has a first group, the group stays and only the rest goes.
    const fn pattern(self) -> &'static str {
        match self {
            Kind::Bearer => BEARER,
            Kind::ApiKey => API_KEY,
            Kind::Email => EMAIL,
            Kind::Phone => PHONE,
            Kind::Card => CARD,
        }
    }

    const fn mark(self) -> &'static str {
        match self {
            Kind::Bearer => "[bearer]",
            Kind::ApiKey => "[api_key]",
            Kind::Email => "[email]",
            Kind::Phone => "[phone]",
            Kind::Card => "[card]",
        }
    }

    /// Whether a text of this make-up can hold such data at all; sparing most texts most expressions.
    const fn possible(self, shape: Shape) -> bool {
        match self {
            Kind::Bearer | Kind::ApiKey => shape.length >= 8,
            Kind::Email => shape.at,
            Kind::Phone => shape.digits >= 8,
            Kind::Card => shape.digits >= CARD_DIGITS.start,
        }
    }

    /// Whether such data has one of the [`WORDS`] in it.
    const fn has_a_word(self) -> bool {
        matches!(self, Kind::Bearer | Kind::ApiKey)
    }
}

/// One of these is in every text that [`BEARER`] or [`API_KEY`] finds something in, in whatever case. They are looked
/// for all at once, and nearly no text has any.
const WORDS: &[&str] = &[
    "bearer",
    "eyj",
    "sk_",
    "sk-",
    "pk_",
    "pk-",
    "rk_",
    "rk-",
    "whsec_",
    "gho_",
    "ghp_",
    "ghs_",
    "ghu_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "hf_",
    "npm_",
    "pc_",
    "akia",
    "asia",
    "aiza",
    "sg.",
    "key=",
    "token=",
    "secret=",
    "password=",
    "passwd=",
    "signature=",
    "sig=",
    "key%",
    "token%",
    "secret%",
    "password%",
    "passwd%",
    "signature%",
    "sig%",
];

// ASCII classes only (`-u`): Unicode ones make the automata a thousand times larger.
const BEARER: &str = concat!(
    r"(?i-u)\b(?:bearer(?:[\s+:=]|%(?:25)*20)+[a-z0-9._~+/=%-]{6,}",
    r"|(?-i:eyJ)[a-z0-9_-]{5,}\.[a-z0-9_-]{5,}(?:\.[a-z0-9_-]*){1,3})",
);
const API_KEY: &str = concat!(
    r"(?-u)\b(?:(?:sk|pk|rk)[_-][A-Za-z0-9_-]{12,}|whsec_[A-Za-z0-9+/=_-]{8,}|gh[opsur]_[A-Za-z0-9]{16,}",
    r"|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}|xox[a-z]-[A-Za-z0-9-]{8,}|hf_[A-Za-z0-9]{16,}",
    r"|npm_[A-Za-z0-9]{16,}|pc_[A-Za-z0-9_-]{40,}|A(?:KI|SI)A[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}|SG\.[A-Za-z0-9_.-]{20,})",
    r"|((?i)\b(?:[a-z0-9]+[_-])*(?:api[_-]?key|apikey|token|secret|password|passwd|signature|sig)(?:=|%(?:25)*3d))",
    r"[A-Za-z0-9._~+/%!$*=-]+",
);
// Literal ranges, not classes, so that addresses in other scripts go whole.
const EMAIL: &str = concat!(
    r"(?-u)(?:[A-Za-z0-9.!#$'*+=?^_`{|}~-]|%[0-9A-Fa-f]{2}|(?u:[^\x00-\x7F]))+(?:@|%(?:25)*40)",
    r"(?:(?:[A-Za-z0-9-]|(?u:[^\x00-\x7F]))+(?:\.|%(?:25)*2[Ee]))+(?:[A-Za-z]|(?u:[^\x00-\x7F])){2}",
    r"(?:[A-Za-z0-9-]|(?u:[^\x00-\x7F]))*",
);
const PHONE: &str = concat!(
    r"(?-u)(?:\+|%(?:25)*2[Bb]|\b00)[1-9](?:(?:[ ().+-]|%(?:25)*2[089]){0,3}[0-9]){6,14}",
    r"|(?:\([2-9][0-9]{2}\)(?:[ +]|%(?:25)*20)?|\b(?:1[ .+-])?[2-9][0-9]{2}(?:[ .+-]|%(?:25)*20))",
    r"[2-9][0-9]{2}(?:[ .+-]|%(?:25)*20)[0-9]{4}\b",
);
// An escape is taken first and kept: the digits of `%20` are no part of a number.
const CARD: &str = r"(?-u)(%[0-9A-Fa-f]{2})|[0-9](?:(?:[ +.-]|%(?:25)*20)?[0-9]){12,}";

const CARD_DIGITS: Range<usize> = 13..20;

/// What one cheap pass over the bytes can tell.
#[derive(Clone, Copy)]
struct Shape {
    length: usize,
    digits: usize,
    at: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let digits = text.bytes().map(|byte| usize::from(byte.is_ascii_digit())).sum();
        let at = text.bytes().any(|byte| matches!(byte, b'@' | b'%'));
        Self { length: text.len(), digits, at }
    }
}

/// The compiled `logs.redact`.
#[derive(Clone, Debug)]
pub struct Redactor {
    rows: Vec<(Kind, Regex)>,
    words: AhoCorasick,
}

impl Redactor {
    /// Compiles the kinds that are on. They apply in the order of [`Kind::ALL`], whatever theirs is.
    ///
    /// # Errors
    /// When an expression does not compile, which a test rules out.
    pub fn compile(kinds: &[Kind]) -> Result<Self, Box<dyn Error>> {
        let on = Kind::ALL.iter().filter(|kind| kinds.contains(kind));
        let rows =
            on.map(|&kind| Ok((kind, Regex::new(kind.pattern())?))).collect::<Result<_, regex::Error>>()?;
        let mut words = AhoCorasick::builder();
        words.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
        Ok(Self { rows, words: words.build(WORDS)? })
    }

    /// The text with every match replaced; borrowed when there is none.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let shape = Shape::of(text);
        let has_a_word = shape.length >= 8 && self.words.is_match(text);
        let mut text = Cow::Borrowed(text);
        for (kind, regex) in &self.rows {
            if !kind.possible(shape) || (kind.has_a_word() && !has_a_word) {
                continue;
            }
            // `replace_all` borrows exactly when nothing matched.
            let replaced = match kind {
                Kind::Card => redact_cards(regex, &text),
                _ => match regex.replace_all(&text, |found: &Captures<'_>| marked(*kind, found)) {
                    Cow::Borrowed(_) => None,
                    Cow::Owned(text) => Some(text),
                },
            };
            if let Some(replaced) = replaced {
                text = Cow::Owned(replaced);
            }
        }
        text
    }
}

fn marked(kind: Kind, found: &Captures<'_>) -> String {
    let kept = found.get(1).map_or("", |kept| kept.as_str());
    format!("{kept}{}", kind.mark())
}

/// `None` when no run of digits holds a card number.
fn redact_cards(regex: &Regex, text: &str) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    for found in regex.find_iter(text).filter(|found| !found.as_str().starts_with('%')) {
        for card in cards(found.as_str()) {
            let (start, end) = (found.start() + card.start, found.start() + card.end);
            out.push_str(text.get(done..start)?);
            out.push_str(Kind::Card.mark());
            done = end;
        }
    }
    if done == 0 {
        return None;
    }
    out.push_str(text.get(done..)?);
    Some(out)
}

/// The card numbers in a run of digit groups. A number begins and ends at a group's edge, so that
/// `4111 1111 1111 1111 123` (with its security code) is found and a long id is not.
fn cards(run: &str) -> Vec<Range<usize>> {
    let groups = groups(run);
    let mut found = Vec::new();
    let mut rest = groups.as_slice();
    while let Some((_, next)) = rest.split_first() {
        match card_at(run, rest) {
            Some((count, range)) => {
                found.push(range);
                rest = rest.get(count..).unwrap_or_default();
            }
            None => rest = next,
        }
    }
    found
}

/// Byte ranges of the digit groups. A `%` starts a separator whose own digits count for nothing.
fn groups(run: &str) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut escape = 0_usize;
    for (at, byte) in run.bytes().enumerate() {
        if byte == b'%' {
            // `%20`, or `%2520` and so on: every `25` more encodes another percent sign.
            let tail = run.as_bytes().get(at + 1..).unwrap_or_default();
            let nested = tail.chunks(2).take_while(|pair| *pair == b"25").count();
            escape = 2 * (nested + 1);
        } else if escape > 0 {
            escape -= 1;
        } else if byte.is_ascii_digit() {
            match groups.last_mut() {
                Some(last) if last.end == at => last.end = at + 1,
                _ => groups.push(at..at + 1),
            }
        }
    }
    groups
}

/// The longest card number that starts with the first group: how many groups, and where.
fn card_at(run: &str, groups: &[Range<usize>]) -> Option<(usize, Range<usize>)> {
    let start = groups.first()?.start;
    let mut digits = Vec::with_capacity(CARD_DIGITS.end);
    let mut longest = None;
    for (index, group) in groups.iter().enumerate() {
        if digits.len() + group.len() >= CARD_DIGITS.end {
            break;
        }
        digits.extend(run.get(group.clone())?.bytes().map(|byte| byte - b'0'));
        if CARD_DIGITS.contains(&digits.len()) && is_card(&digits) {
            longest = Some((index + 1, start..group.end));
        }
    }
    longest
}

/// Card networks begin with 2 to 6; the Luhn sum is a multiple of ten.
fn is_card(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match (place % 2, u32::from(digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    matches!(digits.first(), Some(2..=6)) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests;
