//! A pattern: it compiles into a table, and its errors point into its text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::route::{Pattern, Table};

fuzz_target!(|text: &str| {
    match Pattern::parse(text) {
        Ok(pattern) => assert!(Table::compile(vec![(vec![pattern], ())]).is_ok()),
        Err(error) => assert!(text.get(error.range).is_some()),
    }
});
