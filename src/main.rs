//! The `chaosproxy` command.
fn main() {}
