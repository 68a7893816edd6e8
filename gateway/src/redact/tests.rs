use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn all() -> Redactor {
    Redactor::compile(Kind::ALL).unwrap()
}

const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl";

#[test]
fn each_kind_is_replaced() {
    let table = [
        // bearer
        ("Authorization: Bearer abc.def-123456", "Authorization: [bearer]"),
        ("bearer%20abcdef123456", "[bearer]"),
        ("q=BEARER+abcdef123456&x=1", "q=[bearer]&x=1"),
        (JWT, "[bearer]"),
        (&format!("/cb/{JWT}/done"), "/cb/[bearer]/done"),
        // api_key
        ("/keys/sk-proj-abcdEFGH12345678", "/keys/[api_key]"),
        ("sk_live_51H8abcdefgh", "[api_key]"),
        ("whsec_MfKQ9r8GKYqrTwjU", "[api_key]"),
        ("ghp_0123456789abcdefABCDEF", "[api_key]"),
        ("/k/pc_0123456789abcdefABCDEF_-0123456789abcdefABCDEF_/x", "/k/[api_key]/x"),
        ("AKIAIOSFODNN7EXAMPLE", "[api_key]"),
        ("api_key=hunter2&page=3", "api_key=[api_key]&page=3"),
        ("access_token=abc", "access_token=[api_key]"),
        ("X-Api-Key%3Dhunter2/next", "X-Api-Key%3D[api_key]"),
        ("client_secret=s3cr3t;a", "client_secret=[api_key];a"),
        ("my_access_token=abc", "my_access_token=[api_key]"),
        ("PASSWORD=pw", "PASSWORD=[api_key]"),
        // email
        ("/users/anna@example.com/avatar", "/users/[email]/avatar"),
        ("/users/anna%40example.com/avatar", "/users/[email]/avatar"),
        ("anna%2540example%252Ecom", "[email]"),
        ("q=anna.b+c@mail.example.co.uk&x", "[email]&x"),
        ("müller@exämple.de", "[email]"),
        ("m%C3%BCller%40example%2Ede", "[email]"),
        ("a@b.xn--p1ai", "[email]"),
        // phone
        ("/call/+4917012345678", "/call/[phone]"),
        ("/call/%2B49%20170%201234567", "/call/[phone]"),
        ("tel +49 (170) 123-45-67.", "tel [phone]."),
        ("0049 170 1234567", "[phone]"),
        ("call (212) 555-0123", "call [phone]"),
        ("1-212-555-0123", "[phone]"),
        ("212%20555%200123", "[phone]"),
        // card
        ("4111111111111111", "[card]"),
        ("4111 1111 1111 1111", "[card]"),
        ("4111%201111%201111%201111", "[card]"),
        ("4111%25201111%25201111%25201111", "[card]"),
        ("pay%204111111111111111", "pay%20[card]"),
        ("4111-1111-1111-1111-123", "[card]-123"),
        ("1234 4111 1111 1111 1111", "1234 [card]"),
        ("378282246310005", "[card]"),
        ("5555555555554444 and 4012888888881881", "[card] and [card]"),
        ("5555555555554444 4012888888881881", "[card] [card]"),
    ];
    let redactor = all();
    for (text, expected) in table {
        assert_eq!(redactor.redact(text), expected, "{text}");
    }
}

#[test]
fn harmless_text_is_borrowed() {
    let redactor = all();
    for text in [
        "",
        "/",
        "/v1/acme/conversations/018f2f3e-7b3c-7cc2-9f55-5b8a8d2f1a11/messages",
        "/v1/acme/conversations/20418",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "OpenAI/Python 1.102.0",
        "2026-11-24T12:00:00.000Z",
        "4111111111111112",
        "1234567890123456789012345",
        "1732449600000",
        "/bearers/of/news",
        "/a%20b%2Fc",
        "@",
        "a@b",
        "/tokens/list",
    ] {
        assert!(matches!(redactor.redact(text), Cow::Borrowed(same) if same == text), "{text}");
    }
}

#[test]
fn a_kind_that_is_off_is_left_alone() {
    let cards_only = Redactor::compile(&[Kind::Card]).unwrap();
    assert_eq!(cards_only.redact("a@b.com 4111111111111111"), "a@b.com [card]");
    let none = Redactor::compile(&[]).unwrap();
    assert_eq!(none.redact("a@b.com 4111111111111111"), "a@b.com 4111111111111111");
}

#[test]
fn names_round_trip() {
    for kind in Kind::ALL {
        assert_eq!(Kind::parse(kind.name()), Some(*kind));
        assert_eq!(kind.mark(), format!("[{}]", kind.name()));
    }
    assert_eq!(Kind::parse("iban"), None);
}

#[test]
fn long_hostile_text_takes_linear_time() {
    let redactor = all();
    for unit in ["a", "1", "1 ", "%20", "a@", "a.", "+1", "eyJ.", "bearer ", "ü", "a@b.c"] {
        let text = unit.repeat(300_000 / unit.len());
        let start = Instant::now();
        redactor.redact(&text);
        // Under a second even in a debug build; quadratic work over so much text takes minutes.
        assert!(start.elapsed() < Duration::from_secs(30), "{unit}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,200}") {
        all().redact(&text);
    }

    #[test]
    fn a_mail_address_never_survives(
        before in "[a-z/=&%]{0,10}", local in "[a-z0-9.]{1,10}", at in "@|%40|%2540", host in "[a-z0-9]{1,10}\\.[a-z]{2,6}",
    ) {
        let text = format!("{before}{local}{at}{host}");
        let redacted = all().redact(&text).into_owned();
        prop_assert!(redacted.contains("[email]"), "{redacted}");
        prop_assert!(!redacted.contains(&host), "{redacted}");
    }

    #[test]
    fn digits_and_separators_never_panic(text in "[0-9 +%.-]{0,80}") {
        all().redact(&text);
    }
}

/// Words of which the expressions are made, and others.
const PIECES: &[&str] = &[
    "bearer",
    "Bearer",
    "eyJabcdef",
    ".",
    "abcdef12",
    "sk",
    "rk",
    "_",
    "-",
    "whsec",
    "ghp",
    "AKIA",
    "ASIA",
    "AIza",
    "SG",
    "token",
    "api",
    "key",
    "=",
    "%3d",
    "%253D",
    "%20",
    " ",
    "\t",
    "\u{b}",
    "+",
    ":",
    "/",
    "0123456789ABCDEF",
    "x",
    "é",
    "@",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcd",
    "hf",
    "npm",
    "pc",
    "xoxb",
    "glpat",
    "github_pat_",
];

proptest! {
    /// What is spared an expression has nothing that it would have found.
    #[test]
    fn the_cheap_look_misses_nothing(pieces in prop::collection::vec(prop::sample::select(PIECES), 1..8)) {
        let text = pieces.concat();
        let shape = Shape::of(&text);
        let redactor = all();
        let has_a_word = redactor.words.is_match(&text);
        for (kind, regex) in &redactor.rows {
            let spared = !kind.possible(shape) || (kind.has_a_word() && !has_a_word);
            let found = match kind {
                Kind::Card => redact_cards(regex, &text).is_some(),
                _ => regex.is_match(&text),
            };
            prop_assert!(!spared || !found, "{kind:?} in {text:?}");
        }
    }
}
