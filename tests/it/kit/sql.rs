//! What MariaDB and MySQL share: who may come, and their command lines.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Output, Stdio},
};

use tokio::{io::AsyncWriteExt, process::Command};

use super::{eventually, within};

/// What the user `web` must know.
pub const PASSWORD: &str = "secret";

/// How to reach a server in its folder as its administrator.
pub(super) const SOCKET: &str = "socket";

/// Has the administrator of the server in this folder say something.
pub(super) async fn administer(program: &Path, folder: &Path, statements: &str) -> Output {
    let mut command = Command::new(program);
    command
        .args(["--no-defaults", "-u", "root", "-N", "-B", "-S"])
        .arg(folder.join(SOCKET))
        .args(["-e", statements])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    within("the administrator", command.output()).await.unwrap()
}

/// Waits until a server serves, and makes the database `shop` and the user `web`.
pub(super) async fn prepare(program: &Path, folder: &Path, hosts: &[&str]) {
    let mut prepare = "create database if not exists shop;".to_owned();
    for host in hosts {
        prepare += &format!(
            "create user if not exists web@'{host}' identified by '{PASSWORD}'; grant all on shop.* to web@'{host}';"
        );
    }
    eventually("the server serves", async || {
        administer(program, folder, &prepare).await.status.success()
    })
    .await;
}

/// Has a command line say these statements as `web` in `shop`, a line each; after an error it goes on.
pub(super) async fn say(program: &Path, at: SocketAddr, arguments: &[&str], statements: &str) -> Output {
    let mut command = Command::new(program);
    command
        .args(["--no-defaults", "--protocol=tcp", "-h", "localhost", "-P"])
        .arg(at.port().to_string())
        .args(["-u", "web", &format!("-p{PASSWORD}"), "-N", "-B", "--force"])
        .args(["--local-infile=1", "--database=shop"])
        // What is said last counts.
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let lines = statements.replace("; ", ";\n") + ";\n";
    // A client that was turned away reads nothing.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes()).await;
    within("the command line", child.wait_with_output())
        .await
        .unwrap()
}
