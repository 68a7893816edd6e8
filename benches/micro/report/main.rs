//! What the counts say: a table, the baseline, or a verdict on what has become dearer. `benches/micro/run` calls it with
//! what gungraun has counted.

mod allocations;
mod baseline;
mod counts;
#[path = "../../load/compare/machine.rs"]
mod machine;
mod table;

use std::process::ExitCode;

use steps::Fallible;

use self::baseline::Baseline;

fn main() -> Fallible<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [what @ ("table" | "keep" | "check"), path] = arguments.as_slice() else {
        return Err("usage: micro table|keep|check COUNTS".into());
    };
    let counts = counts::read(&std::fs::read_to_string(path)?)?;
    if *what == "check" {
        return check(&counts);
    }
    if *what == "keep" {
        Baseline::new(&counts).write()?;
    }
    table::write(&counts)?;
    Ok(ExitCode::SUCCESS)
}

fn check(counts: &[counts::Counted]) -> Fallible<ExitCode> {
    let told = Baseline::read()?.weigh(counts);
    for hint in &told.hints {
        println!("hint: {hint}");
    }
    for fault in &told.faults {
        eprintln!("error: {fault}");
    }
    if told.faults.is_empty() {
        println!("{} steps take no more instructions than those that are kept allow", counts.len());
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
