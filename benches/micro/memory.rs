//! How much memory is really taken by what the gateway remembers: this process is filled with it, and measured.
//!
//! `memory tokens` fills the memory of one identity, `memory counters EVENTS` a table of counters with so many events.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> steps::Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let empty = resident()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tokens"] => {
            let filled = steps::fill_identity()?;
            let grown = resident()?.saturating_sub(empty) / 1024;
            let (kept, length) = (filled.kept, filled.length);
            println!("{kept} tokens of {length} bytes are kept and take {grown} MiB; the bound is 32 MiB.");
        }
        ["counters", events] => {
            let filled = steps::fill_counters(events.parse()?);
            let grown = resident()?.saturating_sub(empty) * 1024;
            let count = filled.len();
            println!("{count} {}", grown / u64::try_from(count)?.max(1));
        }
        _ => return Err("usage: memory tokens | memory counters EVENTS".into()),
    }
    Ok(())
}

/// KiB of this process in memory.
fn resident() -> steps::Fallible<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
