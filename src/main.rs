//! The `chaosproxy` command.

use std::process::ExitCode;

/// Requests come and go by the thousand, each with a handful of small allocations on the thread that frees them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chaosproxy::cli::main()
}
