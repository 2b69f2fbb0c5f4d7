//! How passwords reach a real MySQL 9 through the proxy: `caching_sha2_password`, which its users have unless told otherwise, is
//! shown once, by the server's key or over TLS, and proved from then on; whichever sides are encrypted, with the clients that
//! people use.

use mysql_async::prelude::Queryable;

use crate::kit::{
    Proxy,
    certificates::Authority,
    mariadb::PASSWORD,
    mysql::{Mysql, mysql},
    redis::said,
    script,
};

/// What a client says that was let in, and whose write met the fault of these tests.
const FOLLOWED: &str = "42 1290 7";

/// The same where no fault can reach its commands.
const UNREAD: &str = "42 done 7";

/// A proxy with a listener for each way in which the two sides may be encrypted; writes meet a replica there.
async fn before(server: &Mysql) -> Proxy {
    server
        .administer("create table shop.orders (id int auto_increment primary key, item text)")
        .await;
    let certificate = Authority::new().issue("localhost");
    let tls = "tls: {certificate: one.pem, key: one.key}";
    let at = server.address;
    let document = format!(
        "listeners:
  clear: {{bind: 127.0.0.1:0, protocol: mysql, cluster: clear}}
  both: {{bind: 127.0.0.1:0, protocol: mysql, cluster: encrypted, {tls}}}
  ended: {{bind: 127.0.0.1:0, protocol: mysql, cluster: clear, {tls}}}
  begun: {{bind: 127.0.0.1:0, protocol: mysql, cluster: encrypted}}
  passed: {{bind: 127.0.0.1:0, protocol: mysql, cluster: clear, encryption: pass}}
clusters:
  clear: {{backends: [{{address: \"{at}\"}}]}}
  encrypted: {{backends: [{{address: \"{at}\"}}], tls: {{verify: false}}}}
faults:
  replica: {{where: {{match: {{sql: write, table: orders}}}}, do: {{abort: {{error: read_only}}}}}}
"
    );
    Proxy::setup()
        .file("one.pem", certificate.pem)
        .file("one.key", certificate.key)
        .start(document)
        .await
}

/// A client, and how it is asked to come.
#[derive(Clone, Copy, Debug)]
struct Client(&'static str, &'static str);

/// Those that can show a password by the server's key.
const IN_CLEAR: [Client; 4] = [
    Client("mysql", "--ssl-mode=DISABLED --get-server-public-key"),
    Client("pymysql", "clear"),
    Client("mysql2", "clear"),
    Client("mysql_async", "clear"),
];

const OVER_TLS: [Client; 5] = [
    Client("mysql", "--ssl-mode=REQUIRED"),
    Client("pymysql", "tls"),
    Client("connector", "tls"),
    Client("connector_c", "tls"),
    Client("mysql2", "tls"),
];

impl Client {
    /// What it says after it has logged in as this user, read, written and read.
    async fn says(self, proxy: &Proxy, listener: &str, user: &str) -> String {
        let Self(name, how) = self;
        let at = proxy.listener(listener);
        match name {
            "mysql" => {
                let arguments = [how, "--user", user].join(" ");
                let arguments: Vec<&str> = arguments.split(' ').collect();
                let work =
                    "select 40 + 2; insert into orders (item) values ('x'); select row_count(); select 7";
                let output = said(&mysql(at, &arguments, work).await);
                let was_let_in = output.starts_with("42\n");
                match (
                    was_let_in,
                    output.contains("ERROR 1290"),
                    output.contains("\n1\n7"),
                ) {
                    (true, true, false) => FOLLOWED.to_owned(),
                    (true, false, true) => UNREAD.to_owned(),
                    _ => output,
                }
            }
            "mysql_async" => with_mysql_async(at, user)
                .await
                .unwrap_or_else(|error| error.to_string()),
            name => {
                let (host, port) = (at.ip().to_string(), at.port().to_string());
                let file = if name == "mysql2" { "login.js" } else { "login.py" };
                let output = script(file, &[name, how, &host, &port, user], "").await;
                output.trim().to_owned()
            }
        }
    }
}

async fn with_mysql_async(at: std::net::SocketAddr, user: &str) -> Result<String, mysql_async::Error> {
    let url = format!("mysql://{user}:{PASSWORD}@{at}/shop?prefer_socket=false");
    let mut session = mysql_async::Conn::from_url(url).await?;
    let read: Option<u64> = session.query_first("select 40 + 2").await?;
    let wrote = match session.query_drop("insert into orders (item) values ('x')").await {
        Ok(()) => "done".to_owned(),
        Err(mysql_async::Error::Server(error)) => error.code.to_string(),
        Err(error) => return Err(error),
    };
    let last: Option<u64> = session.query_first("select 7").await?;
    session.disconnect().await?;
    Ok(format!(
        "{} {wrote} {}",
        read.unwrap_or_default(),
        last.unwrap_or_default()
    ))
}

/// Has a client log in at a server that must see the password, and again once it has.
async fn twice(server: &Mysql, proxy: &Proxy, client: Client, listener: &str, expected: &str) {
    server.forgets().await;
    for _ in 0..2 {
        let said = client.says(proxy, listener, "web").await;
        assert_eq!(said, expected, "{client:?} at {listener}");
    }
}

#[tokio::test]
async fn a_password_is_shown_by_the_servers_key_and_proved_from_then_on() {
    let Some(server) = Mysql::start().await else {
        return;
    };
    let proxy = before(&server).await;
    for (listener, expected) in [("clear", FOLLOWED), ("ended", FOLLOWED), ("passed", UNREAD)] {
        for client in IN_CLEAR {
            twice(&server, &proxy, client, listener, expected).await;
        }
    }
    // These never ask for the key: they are let in where the server remembers, and say so themselves where it does not.
    for client in [
        Client("mysql", "--ssl-mode=DISABLED"),
        Client("connector_c", "clear"),
    ] {
        let said = client.says(&proxy, "clear", "web").await;
        assert_eq!(said, FOLLOWED, "{client:?}");
        server.forgets().await;
        let said = client.says(&proxy, "clear", "web").await;
        assert!(
            said.contains("Authentication requires secure connection"),
            "{said}"
        );
        // Whoever shows it opens the door for the next.
        let said = IN_CLEAR[1].says(&proxy, "clear", "web").await;
        assert_eq!(said, FOLLOWED);
    }
    server
        .administer("alter user web@'%' identified by 'another'")
        .await;
    for client in IN_CLEAR {
        let said = client.says(&proxy, "clear", "web").await;
        assert!(
            said.contains("Access denied for user 'web'@'localhost'"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_password_is_shown_over_tls_on_both_sides() {
    let Some(server) = Mysql::start().await else {
        return;
    };
    let proxy = before(&server).await;
    for (listener, expected) in [("both", FOLLOWED), ("passed", UNREAD)] {
        for client in OVER_TLS {
            twice(&server, &proxy, client, listener, expected).await;
        }
        let encrypted = said(
            &mysql(
                proxy.listener(listener),
                &["--ssl-mode=REQUIRED"],
                "show status like 'Ssl_cipher'",
            )
            .await,
        );
        assert!(encrypted.contains("TLS_"), "{listener}: {encrypted}");
    }
    // A client that insists is told that there is none where it is not to be had.
    for listener in ["clear", "begun"] {
        let said = OVER_TLS[0].says(&proxy, listener, "web").await;
        assert!(
            said.contains("SSL is required but the server doesn't support it"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn where_one_side_is_encrypted_a_password_is_not_shown_but_it_is_proved() {
    let Some(server) = Mysql::start().await else {
        return;
    };
    let proxy = before(&server).await;
    server.forgets().await;
    for (listener, clients, missing) in [
        (
            "ended",
            &OVER_TLS[..],
            "needs TLS to the server too: set `tls` on the cluster",
        ),
        (
            "begun",
            &IN_CLEAR[..],
            "needs TLS from the client too: set `tls` on the listener",
        ),
    ] {
        for &client in clients {
            let said = client.says(&proxy, listener, "web").await;
            let is_told = said.contains("1251") || matches!(client.0, "mysql_async");
            assert!(
                is_told && said.contains(missing),
                "{client:?} at {listener}: {said}"
            );
        }
    }
    // Somebody shows it elsewhere.
    assert_eq!(OVER_TLS[0].says(&proxy, "both", "web").await, FOLLOWED);
    for (listener, clients) in [("ended", &OVER_TLS[..]), ("begun", &IN_CLEAR[..])] {
        for &client in clients {
            let said = client.says(&proxy, listener, "web").await;
            assert_eq!(said, FOLLOWED, "{client:?} at {listener}");
        }
    }
}

#[tokio::test]
async fn sha256_password_is_shown_every_time() {
    let Some(server) = Mysql::start().await else {
        return;
    };
    server
        .administer(
            "create user old@'%' identified with sha256_password by 'secret'; grant all on shop.* to old@'%'",
        )
        .await;
    let proxy = before(&server).await;
    let (in_clear, over_tls) = (IN_CLEAR[0], OVER_TLS[0]);
    for _ in 0..2 {
        assert_eq!(in_clear.says(&proxy, "clear", "old").await, FOLLOWED);
        assert_eq!(over_tls.says(&proxy, "both", "old").await, FOLLOWED);
        assert_eq!(over_tls.says(&proxy, "passed", "old").await, UNREAD);
        for (client, listener) in [(over_tls, "ended"), (in_clear, "begun")] {
            let said = client.says(&proxy, listener, "old").await;
            assert!(
                said.contains("ERROR 1251 (08004): chaosproxy: "),
                "{listener}: {said}"
            );
        }
    }
}
