//! Real servers and real clients: nginx behind the proxy, curl, h2load and a WebSocket client before it.

use std::{net::SocketAddr, process::Stdio};

use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::kit::{Doc, H1, Origin, Place, Proxy, Raw, eventually, get, load::Load, within};

/// nginx with a configuration of its own; killed when dropped.
struct Nginx {
    place: Place,
    folder: tempfile::TempDir,
    _process: Child,
}

impl Nginx {
    async fn start(name: &str) -> Self {
        Self::start_at(Place::new(), name).await
    }

    async fn start_at(place: Place, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let config = format!(
            "daemon off; worker_processes 1; pid {path}/pid; error_log {path}/error.log;
             events {{ worker_connections 1024; }}
             http {{
                 access_log off; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;
                 fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;
                 server {{
                     listen {};
                     location / {{ return 200 \"{name}\"; }}
                     location /file {{ alias {path}/file; gzip off; }}
                 }}
             }}",
            place.address
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        std::fs::write(folder.path().join("file"), crate::kit::noise(300_000, 1)).unwrap();
        let process = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx is installed by tests/run");
        let nginx = Self {
            place,
            folder,
            _process: process,
        };
        eventually("nginx listens", async || {
            tokio::net::TcpStream::connect(nginx.place.address).await.is_ok()
        })
        .await;
        nginx
    }

    fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// Kills master and worker, as a machine that fails does.
    async fn kill(self) -> Place {
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).unwrap();
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        eventually("nginx is gone", async || {
            tokio::net::TcpStream::connect(self.place.address).await.is_err()
        })
        .await;
        self.place
    }
}

/// Runs a command to its end; gives what it wrote.
async fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).kill_on_drop(true).output();
    let output = within(program, output).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}: {said}",
        output.status
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn curl_speaks_every_version_to_nginx() {
    let nginx = Nginx::start("nginx").await;
    let proxy = Proxy::start(&Doc::http(&[nginx.address()])).await;
    let url = format!("http://{}", proxy.address());
    for version in ["--http1.0", "--http1.1", "--http2", "--http2-prior-knowledge"] {
        assert_eq!(
            run("curl", &["-sS", "--fail", version, &url]).await,
            "nginx",
            "{version}"
        );
    }
    let file = format!("{url}/file");
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        run(
            "curl",
            &["-sS", "--fail", version, "-o", saved.to_str().unwrap(), &file],
        )
        .await;
        assert!(
            std::fs::read(&saved).unwrap() == crate::kit::noise(300_000, 1),
            "{version}"
        );
        let status = [
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-r",
            "0-9",
            version,
            &file,
        ];
        assert_eq!(run("curl", &status).await, "206");
    }
    let head = run("curl", &["-sSI", &file]).await.to_lowercase();
    assert!(head.contains("content-length: 300000"), "{head}");
    let etag = head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap()
        .trim();
    let condition = format!("If-None-Match: {etag}");
    let status = [
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-H",
        &condition,
        &file,
    ];
    assert_eq!(run("curl", &status).await, "304");
}

#[tokio::test]
async fn curl_uploads_and_waits_for_100_continue() {
    let origin = Origin::echo();
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let folder = tempfile::tempdir().unwrap();
    let (sent, saved) = (folder.path().join("sent"), folder.path().join("saved"));
    let data = crate::kit::noise(5 << 20, 4);
    std::fs::write(&sent, &data).unwrap();
    let url = format!("http://{}/", proxy.address());
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        for header in ["Expect: 100-continue", "Transfer-Encoding: chunked"] {
            if version != "--http1.1" && header.starts_with("Transfer") {
                continue;
            }
            let (sent, saved_name) = (sent.to_str().unwrap(), saved.to_str().unwrap());
            run(
                "curl",
                &[
                    "-sS", "--fail", version, "-H", header, "-T", sent, "-o", saved_name, &url,
                ],
            )
            .await;
            assert!(std::fs::read(&saved).unwrap() == data, "{version} {header}");
        }
    }
}

#[tokio::test]
async fn h2load_gets_every_answer() {
    let nginx = Nginx::start("nginx").await;
    let proxy = Proxy::start(&Doc::http(&[nginx.address()])).await;
    let url = format!("http://{}/", proxy.address());
    for more in [&["--h1"][..], &["-m", "16"]] {
        let arguments = [&["-n", "2000", "-c", "16", "-t", "1"], more, &[&*url]].concat();
        let said = run("h2load", &arguments).await;
        assert!(
            said.contains("2000 succeeded, 0 failed, 0 errored"),
            "{more:?}: {said}"
        );
        assert!(said.contains("2000 2xx"), "{more:?}: {said}");
    }
}

#[tokio::test]
async fn killing_one_of_three_nginx_servers_fails_no_request() {
    let (a, b, c) = (
        Nginx::start("a").await,
        Nginx::start("b").await,
        Nginx::start("c").await,
    );
    let doc = Doc::http(&[a.address(), b.address(), c.address()])
        .cluster("health: {http: {}, every: 250ms, timeout: 250ms, unhealthy_after: 2, healthy_after: 1}")
        .route("retry: {attempts: 3, on: [connect, reset], budget: 100%}");
    let proxy = Proxy::start(&doc).await;
    // Reads only: a write that was under way when its server died may have run, and is not sent again.
    let load = Load::reading(proxy.address(), 64);
    load.goes_on_for(500).await;
    let place = a.kill().await;
    proxy.wait_for_health("a", "down").await;
    load.goes_on_for(500).await;
    let _a = Nginx::start_at(place, "a").await;
    proxy.wait_for_health("a", "up").await;
    load.goes_on_for(500).await;
    load.must_have_been_fine().await;
    let mut back = H1::connect(proxy.address()).await;
    eventually("a serves again", async || back.get("/").await.text() == "a").await;
    drop((b, c));
}

/// A WebSocket server that sends back what it gets, and its place.
fn websocket_echo() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut socket = tungstenite::accept(stream.unwrap()).unwrap();
                while let Ok(message) = socket.read() {
                    if message.is_text() || message.is_binary() {
                        socket.send(message).unwrap();
                    }
                }
            });
        }
    });
    address
}

/// Does something with a WebSocket to an address on a thread of its own.
async fn with_websocket<T: Send + 'static>(
    address: SocketAddr,
    act: impl FnOnce(&mut tungstenite::WebSocket<std::net::TcpStream>) -> T + Send + 'static,
) -> T {
    let talk = tokio::task::spawn_blocking(move || {
        let stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(crate::kit::PATIENCE)).unwrap();
        let (mut socket, answer) = tungstenite::client("ws://shop.test/chat", stream).unwrap();
        assert_eq!(answer.status(), 101);
        act(&mut socket)
    });
    within("a conversation", talk).await.unwrap()
}

#[tokio::test]
async fn websockets_pass_through() {
    let proxy = Proxy::start(&Doc::http(&[websocket_echo()])).await;
    with_websocket(proxy.address(), |socket| {
        for size in [0, 1, 100, 70_000, 1_000_000] {
            let sent = Message::Binary(crate::kit::noise(size, 2));
            socket.send(sent.clone()).unwrap();
            assert!(socket.read().unwrap() == sent, "{size} bytes");
        }
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
    })
    .await;
    let line = &proxy.access(1).await[0];
    assert_eq!(
        (&line["status"], &line["origin"]),
        (&101.into(), &"upstream".into()),
        "{line}"
    );
}

#[tokio::test]
async fn faults_reach_into_a_websocket_that_stands() {
    let proxy = Proxy::start(&Doc::http(&[websocket_echo()])).await;
    let (ready, go) = (
        tokio::sync::oneshot::channel(),
        tokio::sync::oneshot::channel::<()>(),
    );
    let (tell, wait) = (ready.0, go.1);
    let talk = with_websocket(proxy.address(), move |socket| {
        socket.send("hello".into()).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("hello"));
        tell.send(()).unwrap();
        wait.blocking_recv().unwrap();
        socket.read().is_err()
    });
    let meddle = async {
        ready.1.await.unwrap();
        proxy.inject("cut", "do: reset").await;
        go.0.send(()).unwrap();
    };
    let (cut, ()) = tokio::join!(talk, meddle);
    assert!(cut, "the connection was reset");
}

#[tokio::test]
async fn an_upgrade_that_the_backend_declines_is_an_ordinary_answer() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
        .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(origin.last().header("upgrade"), "chat");
    raw.exactly(1).await;
    raw.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_upgrade_to_http2_is_not_passed_on() {
    // Behind it requests would pass that no route, limit or fault has seen.
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
    )
    .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    let seen = origin.last();
    assert_eq!((seen.header("upgrade"), seen.header("http2-settings")), ("", ""));
    assert_eq!(get(proxy.address(), "/").await.text(), "a");
}
