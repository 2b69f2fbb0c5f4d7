//! The `chaosproxy` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    chaosproxy::cli::main()
}
