//! A real MariaDB (Debian's), in a temporary folder on a free port, ended when dropped.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Output, Stdio},
};

use tokio::process::{Child, Command};

pub use super::sql::PASSWORD;
use super::{
    Place,
    certificates::Certificate,
    redis::said,
    sql::{self, SOCKET},
    within,
};

/// Who runs the server where the test is root.
const USER: &str = "mysql";

/// Its command line.
const CLIENT: &str = "mariadb";

/// A running server with a user `web` and a database `shop`.
pub struct Mariadb {
    /// Where it listens.
    pub address: SocketAddr,
    _child: Child,
    folder: tempfile::TempDir,
}

impl Mariadb {
    /// Has its administrator say something.
    pub async fn administer(&self, statements: &str) {
        let output = sql::administer(Path::new(CLIENT), self.folder.path(), statements).await;
        assert!(output.status.success(), "{}", said(&output));
    }

    /// Starts one and waits until it serves.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// The same with TLS, and this certificate.
    pub async fn start_with_tls(certificate: &Certificate) -> Self {
        Self::start_with(Some(certificate)).await
    }

    async fn start_with(certificate: Option<&Certificate>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = certificate.map(|certificate| {
            let file = |name: &str, text: &str| {
                let file = folder.path().join(name);
                std::fs::write(&file, text).unwrap();
                file.display().to_string()
            };
            [
                format!("--ssl-cert={}", file("one.pem", &certificate.pem)),
                format!("--ssl-key={}", file("one.key", &certificate.key)),
            ]
        });
        if rustix::process::geteuid().is_root() {
            let owned = std::process::Command::new("chown")
                .args(["-R", USER])
                .arg(folder.path())
                .status();
            assert!(owned.unwrap().success());
        }
        let data = folder.path().join("data");
        let mut install = program("mariadb-install-db", &data);
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        let made = within("mariadb-install-db", install.output()).await.unwrap();
        assert!(made.status.success(), "{}", said(&made));
        // Nobody else gets the port while the server starts.
        let place = Place::new();
        let socket = folder.path().join(SOCKET);
        let mut server = program("mariadbd", &data);
        server
            .arg(format!("--port={}", place.address.port()))
            .arg(format!("--socket={}", socket.display()))
            .args(["--bind-address=127.0.0.1", "--skip-log-bin", "--local-infile=1"])
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=16M",
                "--max-connections=40",
            ])
            .args(tls.into_iter().flatten())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = server.spawn().expect("tests/run installs mariadb-server");
        sql::prepare(Path::new(CLIENT), folder.path(), &["%", "localhost"]).await;
        Self {
            address: place.address,
            _child: child,
            folder,
        }
    }
}

fn program(name: &str, data: &Path) -> Command {
    let mut command = Command::new(name);
    command
        .args(["--no-defaults", &format!("--datadir={}", data.display())])
        // A server that starts clears away what others have in a folder that they share.
        .arg(format!("--tmpdir={}", data.parent().unwrap().display()))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if rustix::process::geteuid().is_root() {
        command.arg(format!("--user={USER}"));
    }
    command
}

/// Has MariaDB's command line say these statements as `web` in `shop`, a line each; after an error it goes on.
pub async fn mariadb(at: SocketAddr, statements: &str) -> Output {
    mariadb_with(at, &[], statements).await
}

/// The same with further arguments.
pub async fn mariadb_with(at: SocketAddr, arguments: &[&str], statements: &str) -> Output {
    sql::say(Path::new(CLIENT), at, arguments, statements).await
}
