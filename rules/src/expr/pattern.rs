//! Regular expressions over bytes, with bounds on what they may cost.

use regex::bytes::{Regex, RegexBuilder};

use super::fault::{Fault, Outcome, Span};

/// The most that a compiled expression may take, in bytes.
const LARGEST: usize = 10 << 20;
/// The most that it may remember while it runs, in bytes.
const MEMORY: usize = 2 << 20;

/// Compiles `pattern`: bytes rather than characters unless it says `(?u)`, case counts, and it may match anywhere.
pub(super) fn compile(pattern: &str, span: &Span) -> Outcome<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    builder.unicode(false).size_limit(LARGEST).dfa_size_limit(MEMORY);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            let message = format!("the regular expression takes more than {} MiB", LARGEST >> 20);
            Fault::new(span.clone(), message).remedy("make its repetitions smaller")
        }
        other => {
            let told = other.to_string();
            // The whole report shows the pattern with a caret of its own; its last line says what is wrong.
            let what = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let fault = Fault::new(span.clone(), format!("the regular expression is wrong: {what}"));
            fault.remedy_if(remedy(&told))
        }
    })
}

fn remedy(told: &str) -> Option<String> {
    if told.contains("look-around") || told.contains("backreference") {
        let why = "what looks ahead or back cannot be matched in linear time: join several comparisons with `and` and `not`";
        return Some(why.to_owned());
    }
    told.contains("unrecognized escape").then(|| "a raw text, r\"…\", spares doubling backslashes".to_owned())
}
