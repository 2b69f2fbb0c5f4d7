//! The command line as people and scripts use it: what it prints, to whom, and how it ends.

use std::process::{Output, Stdio};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};

use crate::kit::{Doc, Origin, Proxy, load::Load, proxy::BINARY, within};

/// What a command said, and how it ended.
pub struct Said {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// Runs a command; where it asks a proxy, this one.
pub async fn run(proxy: Option<&Proxy>, line: &[&str]) -> Said {
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
    let proxy = Proxy::start(&Doc::http(&["127.0.0.1:9".parse().unwrap()])).await;
    for line in [&["schema"][..], &["top", "--every", "100ms"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(BINARY);
        command
            .args(line)
            .env("CHAOSPROXY_ADMIN", proxy.admin().to_string());
        command.stdout(writer).stderr(Stdio::piped());
        let output = within("the command to end", command.output()).await.unwrap();
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(0), &b""[..])
        );
    }
}

#[tokio::test]
async fn with_json_what_went_wrong_is_an_object_too() {
    let proxy = Proxy::start(&Doc::http(&["127.0.0.1:9".parse().unwrap()])).await;
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.yaml").display().to_string();
    std::fs::write(&broken, "listeners: {public: {bind: 8080}}\n").unwrap();
    let table = [
        (
            &["faults", "remove", "nothing"][..],
            1,
            "`chaosproxy faults list`",
        ),
        (&["act", "restart"], 1, "chaosproxy drill start"),
        (&["lb", "drain", "nobody"], 2, ""),
        (&["profiles", "show", "orm-brake"], 2, ""),
        (&["profiles", "new", "orm-break"], 2, "--from orm-break"),
        (&["config", "apply", &broken], 2, ""),
        (&["drill", "check", "orm-brake"], 2, ""),
        (&["report", "no-such-drill"], 2, "look into"),
    ];
    for (line, status, next) in table {
        let said = run(Some(&proxy), &[line, &["--json"]].concat()).await;
        let error: serde_json::Value =
            serde_json::from_str(&said.err).unwrap_or_else(|error| panic!("{line:?}: {error}: {}", said.err));
        assert_eq!(
            (said.status, error["exit"].as_i64()),
            (status, Some(i64::from(status))),
            "{line:?}: {error}"
        );
        assert!(!error["error"].as_str().unwrap().is_empty(), "{line:?}: {error}");
        let tells =
            error["next"].as_str().is_some_and(|said| said.contains(next)) || !error["problems"].is_null();
        assert!(tells && said.out.is_empty(), "{line:?}: {error}{}", said.out);
    }
    let gone = run(None, &["status", "--json"]).await;
    let gone: serde_json::Value = serde_json::from_str(&gone.err).unwrap();
    assert!(
        gone["next"].as_str().unwrap().contains("is chaosproxy running?"),
        "{gone}"
    );
}

#[tokio::test]
async fn top_shows_once_where_nobody_looks_and_draws_where_somebody_does() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let load = Load::start(proxy.address(), 2);
    load.goes_on_for(10).await;
    let said = run(Some(&proxy), &["top", "--every", "300ms"]).await;
    assert!(
        said.status == 0 && said.out.contains("/s") && said.out.contains("100.0%"),
        "{}{}",
        said.out,
        said.err
    );
    assert!(!said.out.contains('\u{1b}'), "{}", said.out);
    let said = run(Some(&proxy), &["top", "--every", "300ms", "--json"]).await;
    let rates: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let cluster = &rates["clusters"][0];
    assert!(
        cluster["rate"].as_f64().unwrap() > 0.0 && cluster["p99_ms"].is_number(),
        "{rates}"
    );
    assert_eq!(cluster["backends"][0]["success"], 1.0, "{rates}");

    // `script` gives it a terminal.
    let mut command = Command::new("script");
    let line = format!("{BINARY} top --every 100ms");
    command
        .args(["-qefc", &line, "/dev/null"])
        .env("CHAOSPROXY_ADMIN", proxy.admin().to_string());
    command
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = String::new();
    let mut piece = [0; 4096];
    while shown.matches("100.0%").count() < 2 {
        let read = within("top to draw", screen.read(&mut piece)).await.unwrap();
        assert!(read > 0, "{shown}");
        shown.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    keys.write_all(b"q").await.unwrap();
    within("top to end", screen.read_to_string(&mut shown))
        .await
        .unwrap();
    let status = within("script to end", child.wait()).await.unwrap();
    assert!(
        status.success() && shown.contains("\u{1b}[?1049h") && shown.ends_with("\u{1b}[?1049l"),
        "{shown:?}"
    );
    load.must_have_been_fine().await;
}
