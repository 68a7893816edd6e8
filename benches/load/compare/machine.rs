//! What the figures were measured on, and with.

use std::fs;
use std::process::Command;

/// Facts in the order of the table, each with its name. What cannot be found out is said to be unknown.
pub(crate) fn facts() -> Vec<(String, String)> {
    let facts = [
        ("date", time::OffsetDateTime::now_utc().date().to_string()),
        ("commit", said("git", &["describe", "--always", "--dirty"])),
        ("processor", processor().unwrap_or_else(unknown)),
        ("cores", cores().map_or_else(unknown, |cores| cores.to_string())),
        ("load average at the end", load().unwrap_or_else(unknown)),
        ("kernel", said("uname", &["-sr"])),
        ("compiler", said("rustc", &["--version"])),
        ("valgrind", said("valgrind", &["--version"])),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).into()
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The machine's, and not those that this process may use.
fn cores() -> Option<usize> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    Some(text.lines().filter(|line| line.starts_with("processor")).count())
}

fn load() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    Some(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.ok().filter(|text| !text.is_empty()).unwrap_or_else(unknown)
}
