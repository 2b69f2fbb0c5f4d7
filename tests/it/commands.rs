//! The command line as people and scripts use it: what it prints, to whom, and how it ends.

use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::kit::{Doc, Proxy, proxy::BINARY, within};

/// What a command said, and how it ended.
struct Said {
    status: i32,
    out: String,
    err: String,
}

/// Runs a command; where it asks a proxy, this one.
async fn run(proxy: Option<&Proxy>, line: &[&str]) -> Said {
    let admin = proxy.map_or_else(|| "127.0.0.1:1".to_owned(), |proxy| proxy.admin().to_string());
    let mut command = Command::new(BINARY);
    command
        .args(line)
        .env("CHAOSPROXY_ADMIN", admin)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let Output {
        status,
        stdout,
        stderr,
    } = within("the command to end", command.output()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        status: status.code().unwrap(),
        out: text(stdout),
        err: text(stderr),
    }
}

#[tokio::test]
async fn a_fault_is_set_listed_and_taken_back() {
    let proxy = Proxy::start(&Doc::http(&["127.0.0.1:9".parse().unwrap()])).await;
    let added = run(
        Some(&proxy),
        &[
            "faults",
            "add",
            "latency: {add: 20ms}",
            "--cluster",
            "app",
            "--for",
            "5m",
        ],
    )
    .await;
    assert_eq!(added.status, 0, "{}", added.err);
    assert!(
        added.out.contains("chaosproxy faults remove latency"),
        "{}",
        added.out
    );
    assert!(!added.out.contains('\u{1b}'), "colours are for eyes");
    let listed = run(Some(&proxy), &["faults", "list", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(listed[0]["reach"]["backends"], serde_json::json!(["app/a"]));
    let removed = run(Some(&proxy), &["faults", "remove", "latency"]).await;
    assert_eq!(
        (removed.status, removed.out.contains("latency is gone")),
        (0, true)
    );
    let again = run(Some(&proxy), &["faults", "remove", "latency"]).await;
    assert_eq!(
        (again.status, again.err.contains("= next: ")),
        (1, true),
        "{}",
        again.err
    );
}

#[tokio::test]
async fn exit_statuses_mean_what_the_manual_says() {
    let proxy = Proxy::setup().file("broken.yaml", "listeners: {public: {bind: 8080}}\n");
    let proxy = proxy
        .start(Doc::http(&["127.0.0.1:9".parse().unwrap()]).text())
        .await;
    let broken = proxy.folder().join("broken.yaml");
    let broken = broken.to_str().unwrap();
    let table = [
        (&["status", "--ready"][..], 0),
        (&["check", broken], 2),
        (&["config", "apply", broken], 2),
        (&["config", "show"], 0),
        (&["lb", "drain", "nobody"], 2),
        (&["faults", "add", "reset", "--for", "soon"], 2),
        (&["act", "restart"], 1),
        (&["panic"], 0),
        (&["faults", "add", "reset", "--for", "5s"], 4),
        (&["panic", "reset"], 0),
        (&["no-such-command"], 2),
    ];
    for (line, status) in table {
        let said = run(Some(&proxy), line).await;
        assert_eq!(said.status, status, "{line:?}: {}{}", said.out, said.err);
    }
}

#[tokio::test]
async fn without_a_proxy_a_command_says_how_to_start_one() {
    let said = run(None, &["status"]).await;
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(
        said.err.contains("nothing answers at 127.0.0.1:1") && said.err.contains("start it with"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_reader_that_has_gone_is_no_trouble() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(BINARY);
    command.arg("schema").stdout(writer).stderr(Stdio::piped());
    let output = within("the command to end", command.output()).await.unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}
