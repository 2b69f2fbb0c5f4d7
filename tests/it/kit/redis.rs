//! A real Redis (Debian's), without a file of its own, on a free port, ended when dropped.

use std::{
    net::SocketAddr,
    process::{Output, Stdio},
};

use tokio::process::{Child, Command};

use super::{Place, eventually, within};

/// A running server.
pub struct Redis {
    /// Where it listens.
    pub address: SocketAddr,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl Redis {
    /// Starts one with settings of its own, as `["--requirepass", "secret"]`, and waits until it serves.
    pub async fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Nobody else is given it before the server takes it.
        let address = Place::new().address;
        let child = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--port",
            ])
            .arg(address.port().to_string())
            .arg("--dir")
            .arg(folder.path())
            .args(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("tests/run installs redis-server");
        eventually("the server serves", async || {
            let answer = redis_cli(address, &["PING"]).await;
            // One that wants a password says so.
            answer.contains("PONG") || answer.contains("NOAUTH")
        })
        .await;
        Self {
            address,
            _child: child,
            _folder: folder,
        }
    }
}

/// Runs redis-cli and gives what it said, on either of its outputs.
pub async fn redis_cli(at: SocketAddr, arguments: &[&str]) -> String {
    said(&run("redis-cli", at, arguments).await)
}

/// Runs one of Redis's own programs.
pub async fn run(program: &str, at: SocketAddr, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command
        .args(["-h", "127.0.0.1", "-p", &at.port().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    within(program, command.output()).await.unwrap()
}

/// What a program said, on either of its outputs.
pub fn said(output: &Output) -> String {
    let text = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}
