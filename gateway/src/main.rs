//! The executable: chooses cryptography and allocator, and hands over to the commands.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The first provider installed wins, and Pingora installs another one. When somebody was faster, theirs is used.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    portcullis::cli::main()
}
