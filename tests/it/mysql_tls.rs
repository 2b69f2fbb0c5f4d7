//! TLS of MySQL, ended at the listener, begun towards the server, or both, with MariaDB's own client and with PyMySQL.

use std::process::Output;

use tokio::process::Command;

use crate::kit::{
    Doc, Proxy,
    certificates::Authority,
    eventually,
    mariadb::{Mariadb, PASSWORD, mariadb_with},
    redis::said,
    within,
};

/// Whether the session that says this is encrypted, as the server sees it, and what it goes on with.
const CIPHER: &str = "show status like 'Ssl_cipher'; select count(*) from information_schema.tables where table_name = 'orders'";

/// A proxy whose listener ends TLS by a certificate for `localhost`; the authority stands in `ca.pem` in its folder.
async fn ending_tls(authority: &Authority, server: &Mariadb, cluster: &str) -> Proxy {
    let certificate = authority.issue("localhost");
    let doc = Doc::mysql(&[server.address]).listener("tls: {certificate: one.pem, key: one.key}");
    let doc = match cluster {
        "" => doc,
        setting => doc.cluster(setting),
    };
    Proxy::setup()
        .file("one.pem", certificate.pem)
        .file("one.key", certificate.key)
        .file("ca.pem", authority.pem())
        .start(doc.text())
        .await
}

async fn secured(proxy: &Proxy, more: &[&str], statements: &str) -> Output {
    let roots = format!("--ssl-ca={}", proxy.folder().join("ca.pem").display());
    let mut arguments = vec![&*roots];
    arguments.extend(more);
    mariadb_with(proxy.address(), &arguments, statements).await
}

#[tokio::test]
async fn a_client_that_insists_on_tls_gets_it_here_and_its_commands_meet_faults() {
    let server = Mariadb::start().await;
    let proxy = ending_tls(&Authority::new(), &server, "").await;
    let through = secured(&proxy, &["--ssl-verify-server-cert"], "status; select 'hello'").await;
    let shown = said(&through);
    assert!(
        shown.contains("Cipher in use is TLS") && shown.contains("hello"),
        "{shown}"
    );
    // The server sees a session in clear.
    let shown = said(&secured(&proxy, &["--ssl"], CIPHER).await);
    assert_eq!(shown, "Ssl_cipher\t\n0");
    proxy
        .inject(
            "locked",
            "where: {match: {sql: read}}, do: {abort: {error: lock_timeout}}",
        )
        .await;
    let met = said(&secured(&proxy, &["--ssl-verify-server-cert"], "select 1").await);
    assert!(met.contains("ERROR 1205 (HY000)"), "{met}");
    proxy.lift("locked").await;
    // The opening is refused at its place in the exchange, which is one further than in clear.
    proxy.inject("wrong", "do: bad_credentials").await;
    let met = said(&secured(&proxy, &["--ssl-verify-server-cert"], "select 1").await);
    assert!(
        met.contains("ERROR 1045 (28000): Access denied for user 'web'@'localhost'"),
        "{met}"
    );
    proxy.lift("wrong").await;
    let met = said(&secured(&proxy, &["--skip-ssl"], "select 'in clear'").await);
    assert!(
        met.contains("in clear"),
        "who does not ask for TLS needs none: {met}"
    );
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_refused_by_the_client() {
    let server = Mariadb::start().await;
    let proxy = ending_tls(&Authority::new(), &server, "").await;
    std::fs::write(proxy.folder().join("ca.pem"), Authority::new().pem()).unwrap();
    let shown = said(&secured(&proxy, &["--ssl-verify-server-cert"], "select 1").await);
    assert!(shown.contains("ERROR 2026 (HY000): TLS/SSL error"), "{shown}");
}

#[tokio::test]
async fn tls_is_begun_towards_the_server_whatever_the_client_speaks() {
    let authority = Authority::new();
    let server = Mariadb::start_with_tls(&authority.issue("db.test")).await;
    let proxy = ending_tls(&authority, &server, "tls: {roots: ca.pem, server_name: db.test}").await;
    for how in ["--ssl-verify-server-cert", "--skip-ssl"] {
        let shown = said(&secured(&proxy, &[how], CIPHER).await);
        assert!(shown.starts_with("Ssl_cipher\tTLS"), "{how}: {shown}");
        proxy.inject("wrong", "do: missing_database").await;
        let met = said(&secured(&proxy, &[how], "select 1").await);
        assert!(
            met.contains("ERROR 1049 (42000): Unknown database 'shop'"),
            "{how}: {met}"
        );
        proxy.lift("wrong").await;
    }
    // A server whose certificate is not believed gets no login.
    proxy
        .apply(
            Doc::mysql(&[server.address])
                .listener("tls: {certificate: one.pem, key: one.key}")
                .cluster("tls: {roots: ca.pem, server_name: other.test}")
                .text(),
        )
        .await;
    let shown = said(&secured(&proxy, &["--skip-ssl"], "select 1").await);
    assert!(shown.contains("ERROR 2013 (HY000): Lost connection"), "{shown}");
    eventually("the reason stands in the access log", async || {
        let lines = proxy.access_so_far();
        lines.iter().any(|line| line["reason"] == "tls_handshake")
    })
    .await;
}

/// What PyMySQL makes of it: whether its socket is encrypted, a row, and the error of a second statement.
const PYTHON: &str = "
import sys, ssl, pymysql
port, ca, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
connection = pymysql.connect(host='localhost', port=port, user='web', password=password, database='shop',
                             ssl=ssl.create_default_context(cafile=ca))
cursor = connection.cursor()
cursor.execute('select 40 + 2')
print(type(connection._sock).__name__, cursor.fetchone()[0])
try:
    cursor.execute('insert into orders values (1)')
except pymysql.err.MySQLError as error:
    print(type(error).__name__, error.args[0])
cursor.execute('select 7')
print(cursor.fetchone()[0])
";

#[tokio::test]
async fn pymysql_speaks_tls_with_the_listener() {
    let server = Mariadb::start().await;
    let proxy = ending_tls(&Authority::new(), &server, "").await;
    proxy
        .inject(
            "replica",
            "where: {match: {sql: write}}, do: {abort: {error: read_only}}",
        )
        .await;
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/python/bin/python");
    let mut command = Command::new(python);
    command
        .args(["-c", PYTHON, &proxy.address().port().to_string()])
        .arg(proxy.folder().join("ca.pem"))
        .arg(PASSWORD);
    let output = within("pymysql", command.output())
        .await
        .expect("tests/run installs pymysql");
    assert_eq!(said(&output), "SSLSocket 42\nOperationalError 1290\n7");
}
