//! `benches/results/micro.md`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use steps::Fallible;

use crate::counts::Counted;
use crate::machine;

/// Where the table goes, from the workspace's root.
const OUT: &str = "benches/results/micro.md";

/// What each group of steps is.
const GROUPS: [(&str, &str, &str); 9] = [
    (
        "plan",
        "The whole plan",
        "All policies of a route in one, and its route found before, among ten: what a request costs in the rules.",
    ),
    ("policies", "Policy by policy", "Each alone. What follows a name is the body's length in bytes."),
    ("head", "The head", "Before the route is known."),
    ("routing", "Routes", "One of so many is found."),
    ("rules", "Rules", "None of so many can match: they are asked by the index, or one by one."),
    ("tokens", "Who calls", "Cold, a token is verified, and remembered."),
    ("limits", "Counters", "Decisions by the table in this process, with 100,000 counters in it."),
    ("webhooks", "Webhooks", "A delivery as each provider signs it; for GitHub, by the body's length."),
    ("log", "The access log", "One line."),
];

/// Writes it, and says it.
pub(crate) fn write(counts: &[Counted]) -> Fallible<()> {
    let mut text = String::from(
        "# What single steps cost\n\nWritten by `benches/micro/run`; `benches/NOTES.md` says what the figures mean.\n",
    );
    let listed = GROUPS.iter().chain(&[("metrics", "Metrics", "What is counted of a request.")]);
    for (group, title, about) in listed {
        write!(
            text,
            "\n## {title}\n{about}\n\n| step | instructions | allocations |\n| --- | --: | --: |\n"
        )?;
        for counted in counts {
            if let Some(("", step)) = counted.name.split_once(group)
                && let Some(step) = step.strip_prefix('/')
            {
                writeln!(text, "| {step} | {} | {} |", grouped(counted.instructions), counted.allocations)?;
            }
        }
    }
    memory(&mut text)?;
    text.push_str("\n## Measured on\n| | |\n| --- | --- |\n");
    for (name, fact) in machine::facts() {
        writeln!(text, "| {name} | {fact} |")?;
    }
    writeln!(text, "| profile | micro (release without LTO, 16 codegen units) |")?;
    println!("{text}");
    std::fs::write(OUT, text)?;
    Ok(())
}

fn memory(text: &mut String) -> Fallible<()> {
    let program = std::env::current_exe()?.with_file_name("memory");
    writeln!(text, "\n## Memory\n{}", filled(&program, &["tokens"])?)?;
    text.push_str("\n| events of a window of 30 | counters | bytes a counter |\n| --: | --: | --: |\n");
    for events in ["1", "7", "8", "30"] {
        let line = filled(&program, &["counters", events])?;
        let (count, bytes) = line.split_once(' ').ok_or("no figures")?;
        writeln!(text, "| {events} | {count} | {bytes} |")?;
    }
    Ok(())
}

fn filled(program: &Path, arguments: &[&str]) -> Fallible<String> {
    let output = Command::new(program).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// With a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
