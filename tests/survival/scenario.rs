//! The proxy in front of three nginx servers under load, and a bad day: nothing that is done to it costs a request.

use std::{fmt::Write, net::SocketAddr};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::kit::{
    certificate::Certificate,
    eventually, free, http,
    load::{Failure, Load},
    nginx::Nginx,
    proxy::{Proxy, two_workers},
};

/// The kinds whose faults can ask for a header: each with what it does, and what a client that sends the header then sees.
const KINDS: [(&str, &str, Sees); 21] = [
    ("latency", "latency: {add: 150ms}", Sees::Slow),
    ("abort", "abort: {status: 418}", Sees::Status(418)),
    ("hang", "hang", Sees::Anything),
    ("refuse", "refuse", Sees::Broken),
    ("reset", "reset", Sees::Broken),
    ("close", "close", Sees::Broken),
    ("throttle", "throttle: {rate: 20B/s}", Sees::Slow),
    ("slice", "slice: {size: 1B}", Sees::Status(200)),
    ("stall", "stall", Sees::Anything),
    ("truncate", "truncate: {after_bytes: 1B}", Sees::Anything),
    ("corrupt", "corrupt", Sees::Anything),
    ("slow_close", "slow_close: {delay: 200ms}", Sees::Anything),
    ("timeout", "timeout: {after: 100ms}", Sees::Broken),
    ("limit_data", "limit_data: {bytes: 1B}", Sees::Broken),
    ("rewrite", "rewrite: {reply: {status: 206}}", Sees::Status(206)),
    ("body", "body: {replace: chaos}", Sees::Body("chaos")),
    ("rate_limit", "rate_limit: {rate: 1/h, burst: 1}", Sees::Anything),
    ("threads", "threads: {size: 1}", Sees::Status(200)),
    ("capacity", "capacity: {carries: 1/h}", Sees::Anything),
    ("crash_loop", "crash_loop: {up: 1s, down: 1h}", Sees::Anything),
    ("misroute", "misroute: {to: \"127.0.0.1:1\"}", Sees::Status(502)),
];

/// The kinds that meet something other than a request: each with its whole fault, in a place that the load does not touch.
const ELSEWHERE: [(&str, &str); 3] = [
    ("health", "{where: {cluster: spare}, do: {health: fail}, for: 1m}"),
    ("tls", "{where: {listener: secure}, do: {tls: expired}, for: 1m}"),
    (
        "bad_reload",
        "{do: {bad_reload: {find: \"cluster: spare\", replace: \"cluster: spar\"}}, for: 1m}",
    ),
];

/// What a client sees of a fault that matches its request.
#[derive(Clone, Copy, Debug)]
enum Sees {
    Status(u16),
    Body(&'static str),
    Broken,
    Slow,
    /// Not looked at here: it may take its time, or as long as the fault stands.
    Anything,
}

/// What the document says; each change is a field.
struct Setting {
    public: SocketAddr,
    secure: SocketAddr,
    spare: SocketAddr,
    servers: Vec<SocketAddr>,
    extra: Option<SocketAddr>,
    certificate: &'static str,
    timeout: u32,
}

impl Setting {
    fn document(&self) -> String {
        let mut backends = String::new();
        for (name, address) in ["a", "b", "c"].iter().zip(&self.servers) {
            let _ = writeln!(backends, "      - {{name: {name}, address: \"{address}\"}}");
        }
        let extra = self.extra.map_or_else(String::new, |address| {
            format!("  extra: {{bind: \"{address}\", protocol: http, routes: [{{cluster: app}}]}}\n")
        });
        let Self {
            public,
            secure,
            spare,
            certificate,
            timeout,
            ..
        } = self;
        let first = self.servers[0];
        format!(
            "listeners:
  public:
    bind: {public}
    protocol: http
    routes:
      - cluster: app
        timeout: {timeout}s
        retry: {{attempts: 3, on: [connect, reset]}}
  secure:
    bind: {secure}
    protocol: http
    tls: {{certificate: tls/{certificate}.pem, key: tls/{certificate}.key}}
    routes: [{{cluster: app}}]
  side: {{bind: \"{spare}\", protocol: http, routes: [{{cluster: spare}}]}}
{extra}clusters:
  app:
    backends:
{backends}    health: {{http: {{path: /}}, every: 500ms, timeout: 500ms, healthy_after: 1, unhealthy_after: 2}}
    outlier: {{consecutive_errors: 5, eject_for: 1s, at_most: 50%}}
  spare:
    backends: [{{name: s, address: \"{first}\"}}]
    health: {{http: {{path: /}}, every: 500ms, timeout: 500ms, healthy_after: 1, unhealthy_after: 1}}
"
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_day_costs_no_request() {
    let mut servers = [
        Nginx::start("a").await,
        Nginx::start("b").await,
        Nginx::start("c").await,
    ];
    let folder = TempDir::new().unwrap();
    let old = Certificate::write(&folder.path().join("tls"), "old");
    let new = Certificate::write(&folder.path().join("tls"), "new");
    let mut setting = Setting {
        public: free(),
        secure: free(),
        spare: free(),
        servers: servers.iter().map(|server| server.address).collect(),
        extra: None,
        certificate: "old",
        timeout: 15,
    };
    let proxy = Proxy::start_in(folder, &setting.document(), two_workers).await;
    let load = Load::start(setting.public, 64);

    servers_come_and_go(&proxy, &load, &mut servers).await;
    documents_change(&proxy, &load, &mut setting, &old, &new).await;
    broken_documents_are_refused(&proxy, &load, &setting).await;
    faults_come_and_go(&proxy, &load, &setting).await;
    the_balancer_is_worked(&proxy, &load).await;
    the_emergency_button_is_pressed(&proxy, &load).await;

    load.step("SIGTERM").await;
    load.closing();
    proxy.signal(Signal::TERM);
    let (reads, writes, failures) = load.end().await;
    let log = proxy.log();
    let (status, _) = proxy.ended().await;
    eprintln!("{reads} reads, {writes} writes, {} failed", failures.len());
    let failures: Vec<_> = failures
        .into_iter()
        .filter(|failure| !is_designed(failure))
        .collect();
    assert!(failures.is_empty(), "{failures:#?}\n{log}");
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(reads > 5_000 && writes > 50, "{reads} reads, {writes} writes");
}

/// A write that was on its way when its server died may have been carried out: it must not be sent again.
fn is_designed(failure: &Failure) -> bool {
    failure.method == "POST"
        && ["kill -9", "quit"]
            .iter()
            .any(|step| failure.step.starts_with(step))
        && failure.told.contains("upstream_reset")
}

async fn servers_come_and_go(proxy: &Proxy, load: &Load, servers: &mut [Nginx; 3]) {
    load.step("kill -9 of a server").await;
    servers[1].kill();
    is(proxy, "b", "down").await;
    load.step("kill -9: the server returns").await;
    servers[1].come_back().await;
    is(proxy, "b", "up").await;
    load.step("quit of a server").await;
    servers[2].quit().await;
    is(proxy, "c", "down").await;
    load.step("quit: the server returns").await;
    servers[2].come_back().await;
    is(proxy, "c", "up").await;
}

/// Waits until a backend is in a state.
async fn is(proxy: &Proxy, backend: &str, state: &str) {
    eventually(&format!("{backend} is {state}"), || async {
        let backends = proxy.json("/api/v1/backends").await;
        let all = backends.as_array().unwrap();
        let found = all.iter().find(|one| one["name"] == backend).unwrap();
        (found["health"] == state).then_some(())
    })
    .await;
}

async fn documents_change(
    proxy: &Proxy,
    load: &Load,
    setting: &mut Setting,
    old: &Certificate,
    new: &Certificate,
) {
    let mut standing = old
        .connect(setting.secure)
        .await
        .expect("the old certificate is shown");
    load.step("reload by file: a listener is added").await;
    let address = free();
    setting.extra = Some(address);
    write(proxy, &setting.document());
    let mut extra = eventually("the new listener", || async {
        http::Connection::open(address).await.ok()
    })
    .await;
    assert_eq!(
        extra
            .send(http::request("GET", "/", &[], ""))
            .await
            .unwrap()
            .status(),
        200
    );

    load.step("reload by API: a listener is removed, a certificate moves")
        .await;
    (setting.extra, setting.certificate) = (None, "new");
    let answer = proxy.api("PUT", "/api/v1/config", setting.document()).await;
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    let last = extra.send(http::request("GET", "/", &[], "")).await.unwrap();
    assert_eq!(
        (last.status().as_u16(), &last.headers()["connection"]),
        (200, &"close".parse().unwrap())
    );
    eventually("the listener is gone", || async {
        http::get(address, "/").await.is_err().then_some(())
    })
    .await;
    assert!(new.connect(setting.secure).await.is_some() && old.connect(setting.secure).await.is_none());
    let answer = standing.send(http::request("GET", "/", &[], "")).await.unwrap();
    assert_eq!(answer.status(), 200, "what stands keeps its certificate");

    load.step("reload by command").await;
    setting.timeout = 16;
    write(proxy, &setting.document());
    let told = proxy
        .cli(&["config", "apply", proxy.file().to_str().unwrap()])
        .await;
    assert!(!told.is_empty());

    load.step("reload by signal: the certificate's files have changed")
        .await;
    let renewed = Certificate::write(&proxy.folder().join("tls"), "new");
    let before = proxy.count("document applied");
    proxy.signal(Signal::HUP);
    proxy.says("document applied", before).await;
    assert!(renewed.connect(setting.secure).await.is_some() && new.connect(setting.secure).await.is_none());
}

fn write(proxy: &Proxy, document: &str) {
    let beside = proxy.folder().join("beside.yaml");
    std::fs::write(&beside, document).unwrap();
    std::fs::rename(beside, proxy.file()).unwrap();
}

async fn broken_documents_are_refused(proxy: &Proxy, load: &Load, setting: &Setting) {
    load.step("a broken reload by file").await;
    let before = proxy.count("document refused");
    write(proxy, &setting.document().replace("cluster: app", "cluster: ap"));
    proxy.says("document refused", before).await;
    load.step("a broken reload by API").await;
    let broken = setting.document().replace("timeout: 16s", "timeout: 16");
    let answer = proxy.api("PUT", "/api/v1/config", broken).await;
    assert_eq!(answer.status(), 422, "{:?}", answer.body());
    load.step("a reload that cannot be: the port is in use").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wants = setting.document().replace(
        &setting.secure.to_string(),
        &taken.local_addr().unwrap().to_string(),
    );
    let answer = proxy.api("PUT", "/api/v1/config", wants).await;
    assert!(answer.status().is_client_error(), "{:?}", answer.body());
    assert!(String::from_utf8_lossy(answer.body()).contains("address in use"));
    write(proxy, &setting.document());
    load.step("a rollback, and back again").await;
    proxy.cli(&["config", "rollback"]).await;
    proxy.cli(&["config", "rollback"]).await;
}

async fn faults_come_and_go(proxy: &Proxy, load: &Load, setting: &Setting) {
    for (kind, does, sees) in KINDS {
        load.step(&format!("fault {kind}")).await;
        let line = [
            "faults",
            "add",
            does,
            "--match",
            "{header: {x-chaos: mine}}",
            "--for",
            "1m",
        ];
        proxy
            .cli(&[&line[..], &["--name", kind, "--listener", "public"]].concat())
            .await;
        see(setting.public, kind, sees).await;
        let upstream = format!(
            "{{where: {{cluster: app, match: {{header: {{x-chaos: other}}}}}}, do: {{{does}}}, for: 1m}}"
        );
        let upstream = if does.contains(':') {
            upstream
        } else {
            upstream.replace(&format!("{{{does}}}"), does)
        };
        proxy.add("upstream", &upstream).await;
        assert_eq!(proxy.faults().await, [kind, "upstream"]);
        proxy.cli(&["faults", "remove", "upstream"]).await;
        proxy.remove(kind).await;
    }
    for (kind, fault) in ELSEWHERE {
        load.step(&format!("fault {kind}")).await;
        proxy.add(kind, fault).await;
        match kind {
            "health" => is(proxy, "s", "down").await,
            "bad_reload" => {
                let answer = http::get(setting.spare, "/").await.unwrap();
                assert_eq!(answer.status(), 500, "the broken document is live");
            }
            _ => {}
        }
        proxy.cli(&["faults", "remove", kind]).await;
    }
    is(proxy, "s", "up").await;
    assert_eq!(http::get(setting.spare, "/").await.unwrap().status(), 200);
    assert!(proxy.faults().await.is_empty());
}

/// A request that a fault matches suffers what the fault says, and one that it does not match suffers nothing.
async fn see(address: SocketAddr, kind: &str, sees: Sees) {
    let mine = http::request("GET", "/", &[("x-chaos", "mine")], "");
    let begun = std::time::Instant::now();
    if matches!(sees, Sees::Anything) {
        return;
    }
    let seen = http::ask(address, mine).await;
    let as_said = match (sees, &seen) {
        (Sees::Status(status), Ok(answer)) => answer.status() == status,
        (Sees::Body(body), Ok(answer)) => answer.body() == body,
        (Sees::Broken, Err(_)) => true,
        (Sees::Slow, Ok(answer)) => answer.status() == 200 && begun.elapsed().as_millis() >= 90,
        _ => false,
    };
    assert!(
        as_said,
        "{kind}: {sees:?}, but {seen:?} after {:?}",
        begun.elapsed()
    );
}

async fn the_balancer_is_worked(proxy: &Proxy, load: &Load) {
    load.step("drain").await;
    proxy.cli(&["lb", "drain", "a"]).await;
    load.step("enable").await;
    proxy.cli(&["lb", "enable", "a"]).await;
    load.step("weight").await;
    proxy.cli(&["lb", "weight", "app/b", "3"]).await;
    load.step("admit").await;
    proxy.cli(&["lb", "admit", "0%", "--cluster", "spare"]).await;
    proxy.cli(&["lb", "admit", "100%", "--cluster", "spare"]).await;
    proxy.cli(&["lb", "admit", "100%", "--cluster", "app"]).await;
}

async fn the_emergency_button_is_pressed(proxy: &Proxy, load: &Load) {
    load.step("panic").await;
    proxy
        .add(
            "far",
            "{where: {listener: public, match: {header: {x-chaos: mine}}}, do: hang, for: 1m}",
        )
        .await;
    let told = proxy.cli(&["panic"]).await;
    assert!(
        told.contains("clean in") && told.contains("1 fault lifted"),
        "{told}"
    );
    assert!(proxy.faults().await.is_empty());
    let refused = proxy.command(&["faults", "add", "hang", "--for", "1m"]).await;
    assert!(!refused.status.success());
    load.step("panic reset").await;
    proxy.cli(&["panic", "reset"]).await;
}
