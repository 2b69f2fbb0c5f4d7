//! Clients in Python and Node, which `tests/run` installs.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use tokio::{io::AsyncWriteExt, process::Command};

use super::{redis::said, within};

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Where `tests/run` installs what the scripts need.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients")
}

/// A script in the language that its name says, and what it is told on its standard input.
pub async fn script(name: &str, arguments: &[&str], input: &str) -> String {
    let mut command = match name.ends_with(".py") {
        true => {
            let mut python = Command::new(installed().join("python/bin/python"));
            python.arg("-B");
            python
        }
        false => {
            let mut node = Command::new("node");
            node.env("NODE_PATH", installed().join("node/node_modules"));
            node
        }
    };
    command
        .arg(scripts().join(name))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("tests/run installs what it needs");
    let mut told = child.stdin.take().unwrap();
    told.write_all(input.as_bytes()).await.unwrap();
    drop(told);
    let output = within(name, child.wait_with_output()).await.unwrap();
    let Output { status, stdout, .. } = &output;
    assert!(
        status.success(),
        "{name} (tests/run installs what it needs): {}",
        said(&output)
    );
    String::from_utf8(stdout.clone()).unwrap()
}
