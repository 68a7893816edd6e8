//! One run under callgrind, counted only within `measured`.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use crate::Fallible;

/// What one step takes.
pub(crate) struct Counts {
    pub(crate) instructions: u64,
    pub(crate) allocations: u64,
}

/// Counts what `program` does in `measured`, on average of `times`.
pub(crate) fn of(program: &Path, arguments: &[&str], times: usize) -> Fallible<Counts> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*::measured*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(arguments)
        .output()?;
    if !output.status.success() {
        return Err(format!("valgrind: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = std::fs::read_to_string(out)?;
    let total =
        text.lines().find_map(|line| line.strip_prefix("totals: ")).ok_or("a profile without a total")?;
    let times = u64::try_from(times)?;
    Ok(Counts { instructions: total.trim().parse::<u64>()? / times, allocations: allocations(&text) / times })
}

/// Calls of an allocator from outside of it. The names of functions are given once, and then by number.
fn allocations(profile: &str) -> u64 {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let (mut caller, mut callee, mut calls) = ("", "", 0);
    for line in profile.lines() {
        let mut name = |text: &'static str| {
            let rest = line.strip_prefix(text)?;
            let (number, name) = rest.split_once(' ').unwrap_or((rest, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            Some(names.get(number).copied().unwrap_or_default())
        };
        if let Some(name) = name("fn=") {
            caller = name;
        } else if let Some(name) = name("cfn=") {
            callee = name;
        } else if let Some(rest) = line.strip_prefix("calls=")
            && is_allocator(callee)
            && !is_allocator(caller)
        {
            let count = rest.split(' ').next().and_then(|count| count.parse::<u64>().ok());
            calls += count.unwrap_or_default();
        }
    }
    calls
}

fn is_allocator(name: &str) -> bool {
    // With its file or library behind it, where there are several.
    let name = name.split(['\'', '@']).next().unwrap_or(name);
    let name = name.trim_start_matches('_').trim_start_matches("mi_");
    ["malloc", "calloc", "realloc", "zalloc"].iter().any(|kind| name.starts_with(kind))
}
