//! A real PostgreSQL (Debian's), in a temporary folder on a free port, ended when dropped.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio_postgres::{Client, Config, Error, NoTls};

use super::{Place, certificates::Certificate, eventually, within};

/// Who runs the server where the test is root, which PostgreSQL refuses to be.
const USER: &str = "postgres";

/// A running server with a superuser `admin` who needs no password, a role `web` who does, and a database `shop`.
pub struct Postgres {
    /// Where it listens.
    pub address: SocketAddr,
    _child: Child,
    _folder: TempDir,
}

/// What `web` must know.
pub const PASSWORD: &str = "secret";

impl Postgres {
    /// Starts one and waits until it serves.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with TLS, and this certificate.
    pub async fn start_with_tls(certificate: &Certificate) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&file, private).unwrap();
            format!("ssl_{name}_file={}", file.display())
        };
        let (cert, key) = (file("cert", &certificate.pem), file("key", &certificate.key));
        give_to_the_owner(folder.path());
        // The files are read once, at the start.
        Self::start_with(&["ssl=on", &cert, &key]).await
    }

    /// The same with settings of its own: `ssl=on`.
    pub async fn start_with(settings: &[&str]) -> Self {
        let folder = folder_of_the_owner();
        let data = folder.path().join(DATA);
        let mut init = as_owner("initdb");
        init.args([
            "--no-sync",
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-U",
            "admin",
            "-D",
        ])
        .arg(&data);
        let made = within("initdb", init.output()).await.unwrap();
        assert!(made.status.success(), "{made:?}");
        let rules = "host all web all scram-sha-256\nhost all all all trust\nhost replication all all trust\nlocal all all trust\n";
        std::fs::write(data.join("pg_hba.conf"), rules).unwrap();
        let this = Self::serve(folder, settings).await;
        let client = connect(this.address, "admin", "postgres").await.unwrap();
        client
            .batch_execute(&format!("create role web login password '{PASSWORD}'"))
            .await
            .unwrap();
        client
            .batch_execute("create database shop owner web")
            .await
            .unwrap();
        this
    }

    /// Starts a standby that follows this one.
    pub async fn standby(&self) -> Self {
        let folder = folder_of_the_owner();
        let mut copy = as_owner("pg_basebackup");
        copy.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.address.port().to_string(),
            "-U",
            "admin",
        ])
        .args(["-R", "-N", "-c", "fast", "-D"])
        .arg(folder.path().join(DATA));
        let made = within("pg_basebackup", copy.output()).await.unwrap();
        assert!(made.status.success(), "{made:?}");
        Self::serve(folder, &[]).await
    }

    async fn serve(folder: TempDir, settings: &[&str]) -> Self {
        // Nobody else is given it before the server takes it.
        let port = Place::new().address.port();
        let mut server = as_owner("postgres");
        server
            .arg("-D")
            .arg(folder.path().join(DATA))
            .args([
                "-p",
                &port.to_string(),
                "-c",
                "fsync=off",
                "-c",
                "unix_socket_directories=",
            ])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=40"])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let child = server.spawn().unwrap();
        let this = Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            _child: child,
            _folder: folder,
        };
        eventually("the server serves", async || {
            connect(this.address, "admin", "postgres").await.is_ok()
        })
        .await;
        this
    }
}

/// Where a server's data are, in its folder.
const DATA: &str = "data";

fn folder_of_the_owner() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    give_to_the_owner(folder.path());
    folder
}

fn give_to_the_owner(folder: &Path) {
    if rustix::process::geteuid().is_root() {
        let owned = std::process::Command::new("chown")
            .args(["-R", USER])
            .arg(folder)
            .status();
        assert!(owned.unwrap().success());
    }
}

/// Debian keeps the server's programs in a folder of their version.
fn bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders
        .pop()
        .expect("PostgreSQL is needed: tests/run installs it (Debian package postgresql)")
}

fn as_owner(program: &str) -> Command {
    let program = bin().join(program);
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", USER, "--regid", USER, "--clear-groups"])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null()).current_dir("/");
    command
}

/// A session of tokio-postgres; its connection is driven until the client is dropped.
pub async fn connect(at: SocketAddr, user: &str, database: &str) -> Result<Client, Error> {
    let mut config = Config::new();
    config
        .host(at.ip().to_string())
        .port(at.port())
        .user(user)
        .dbname(database)
        .password(PASSWORD);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Runs psql and gives what it said.
pub async fn psql(at: SocketAddr, database: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("psql");
    command
        .args(["-X", "-q", "-A", "-t", "-v", "VERBOSITY=verbose", "-h"])
        .arg(at.ip().to_string())
        .args(["-p", &at.port().to_string(), "-U", "admin", database])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    within("psql", command.output()).await.unwrap()
}

/// What a program said on its standard output.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What a program complained of.
pub fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
