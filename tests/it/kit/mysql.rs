//! A real MySQL 9 (Debian sid's, which `tests/run` unpacks), in a temporary folder on a free port, ended when dropped.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::PathBuf,
    process::{Output, Stdio},
};

use tokio::process::{Child, Command};

use super::{
    Place,
    redis::said,
    sql::{self, SOCKET},
    within,
};

/// Set by `tests/run` where the server cannot be had.
const DO_WITHOUT: &str = "CHAOSPROXY_NO_MYSQL";

/// A running server with a user `web` and a database `shop`.
pub struct Mysql {
    /// Where it listens.
    pub address: SocketAddr,
    _child: Child,
    folder: tempfile::TempDir,
}

impl Mysql {
    /// Starts one and waits until it serves. `None` where `tests/run` has said that there is none; the test then says so too.
    pub async fn start() -> Option<Self> {
        let home = home();
        if !home.join("installed").exists() {
            assert!(
                std::env::var_os(DO_WITHOUT).is_some(),
                "there is no MySQL in target/mysql: tests/run unpacks it"
            );
            // Not captured, as what is printed would be: that a check is left out is for everybody's eyes.
            let test = std::thread::current();
            let line = format!(
                "{}: SKIPPED, there is no MySQL ({DO_WITHOUT})\n",
                test.name().unwrap_or("a test")
            );
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(home.join("data")).arg(folder.path());
        let copied = within("the copy of an empty server", copy.output())
            .await
            .unwrap();
        assert!(copied.status.success(), "{}", said(&copied));
        // Nobody else gets the port while the server starts.
        let place = Place::new();
        let mut server = Command::new(home.join("mysqld"));
        let path = |name: &str| folder.path().join(name).display().to_string();
        server
            .arg("--no-defaults")
            .arg(format!("--datadir={}", path("data")))
            .arg(format!("--socket={}", path(SOCKET)))
            .arg(format!("--pid-file={}", path("pid")))
            .arg(format!("--log-error={}", path("log.err")))
            .arg(format!("--tmpdir={}", folder.path().display()))
            .arg(format!(
                "--lc-messages-dir={}",
                home.join("root/usr/share/mysql").display()
            ))
            .arg(format!("--port={}", place.address.port()))
            .args(["--bind-address=127.0.0.1", "--mysqlx=OFF", "--secure-file-priv="])
            .args([
                "--disable-log-bin",
                "--local-infile=1",
                "--performance-schema=OFF",
            ])
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=16M",
            ])
            .args(["--innodb-redo-log-capacity=8M", "--max-connections=40"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if rustix::process::geteuid().is_root() {
            server.arg("--user=root");
        }
        let child = server.spawn().unwrap();
        sql::prepare(&home.join("mysql"), folder.path(), &["%"]).await;
        Some(Self {
            address: place.address,
            _child: child,
            folder,
        })
    }

    /// Has its administrator say something, and gives what came.
    pub async fn administer(&self, statements: &str) -> String {
        let output = sql::administer(&home().join("mysql"), self.folder.path(), statements).await;
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    }

    /// Has it forget the passwords that it has seen: whoever logs in next must show it again.
    pub async fn forgets(&self) {
        self.administer("flush privileges").await;
    }
}

/// Where `tests/run` unpacks it.
fn home() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/mysql"))
}

/// Has MySQL's command line say these statements as `web` in `shop`, a line each; after an error it goes on.
pub async fn mysql(at: SocketAddr, arguments: &[&str], statements: &str) -> Output {
    let mut output = sql::say(&home().join("mysql"), at, arguments, statements).await;
    // It does not like to be told a password like this.
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = text.lines().filter(|line| !line.contains("[Warning]"));
    output.stderr = lines.collect::<Vec<_>>().join("\n").into_bytes();
    output
}
