//! The page in a real browser: it keeps itself up to date, and its buttons do what they say.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::{eventually, free, http, origin::Origin, proxy::Proxy};

/// A browser without a window, worked through ChromeDriver (W3C WebDriver).
struct Browser {
    driver: Child,
    address: std::net::SocketAddr,
    session: String,
    _profile: TempDir,
}

impl Browser {
    async fn open() -> Self {
        let (address, profile) = (free(), TempDir::new().unwrap());
        let driver = Command::new("chromedriver")
            .arg(format!("--port={}", address.port()))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tests/run installs chromium-driver");
        let mut browser = Self {
            driver,
            address,
            session: String::new(),
            _profile: profile,
        };
        eventually("the driver listens", || async {
            http::get(address, "/status").await.ok().map(|_| ())
        })
        .await;
        let folder = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments = json!([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-sync",
            "--disable-background-networking",
            "--disable-component-update",
            "--window-size=1100,900",
            folder,
        ]);
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}});
        let opened = browser.tell("POST", "/session", &wanted).await;
        browser.session = opened["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("{opened}"))
            .to_owned();
        browser
    }

    async fn tell(&self, method: &str, path: &str, what: &Value) -> Value {
        let request = http::request(
            method,
            path,
            &[("content-type", "application/json")],
            what.to_string(),
        );
        let answer = http::ask(self.address, request).await.unwrap();
        let answer: Value = serde_json::from_slice(answer.body()).unwrap();
        answer["value"].clone()
    }

    async fn go(&self, url: &str) {
        let path = format!("/session/{}/url", self.session);
        self.tell("POST", &path, &json!({ "url": url })).await;
    }

    /// The one element that a selector finds, as text.
    async fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?}).innerText");
        self.run(&script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Makes the page so wide: a window cannot be as narrow as a phone.
    async fn narrow(&self, width: u32) {
        let path = format!("/session/{}/goog/cdp/execute", self.session);
        let size = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": false});
        let told = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": size});
        self.tell("POST", &path, &told).await;
        assert_eq!(self.run("return innerWidth").await, width);
    }

    async fn run(&self, script: &str) -> Value {
        let path = format!("/session/{}/execute/sync", self.session);
        self.tell("POST", &path, &json!({"script": script, "args": []}))
            .await
    }

    async fn click(&self, selector: &str) {
        let path = format!("/session/{}/element", self.session);
        let found = self
            .tell(
                "POST",
                &path,
                &json!({"using": "css selector", "value": selector}),
            )
            .await;
        let element = found
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap()
            .as_str()
            .unwrap();
        let path = format!("{path}/{element}/click");
        assert_eq!(self.tell("POST", &path, &json!({})).await, Value::Null);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A driver that ends leaves its browser behind: both are in one group.
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
    }
}

#[tokio::test]
async fn a_browser_sees_a_fault_come_and_its_button_ends_it() {
    let origin = Origin::quick().await;
    let public = free();
    let document = format!(
        "listeners: {{public: {{bind: \"{public}\", protocol: http, routes: [{{cluster: web}}]}}}}
clusters: {{web: {{backends: [{{name: first, address: \"{}\"}}]}}}}
",
        origin.address
    );
    let proxy = Proxy::start(&document).await;
    let browser = Browser::open().await;
    browser.go(&format!("http://{}/", proxy.admin)).await;
    assert!(browser.text("main").await.contains("None stands."));
    proxy
        .add(
            "broken",
            "{where: {cluster: web}, do: {abort: {status: 503}}, for: 1m}",
        )
        .await;
    eventually("the page shows the fault by itself", || async {
        browser.text("main").await.contains("broken").then_some(())
    })
    .await;
    assert_eq!(http::get(public, "/").await.unwrap().status(), 503);
    browser.click("#panic button").await;
    eventually("the page says that traffic is clean", || async {
        browser
            .text("#panic output")
            .await
            .contains("clean in")
            .then_some(())
    })
    .await;
    assert_eq!(http::get(public, "/").await.unwrap().status(), 200);
    assert!(proxy.faults().await.is_empty());
    eventually("the page says that a panic is in force", || async {
        browser
            .text("main")
            .await
            .contains("Panic is in force")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_written_down_on_the_page_stands_in_the_report_also_after_the_end() {
    let origin = Origin::quick().await;
    let public = free();
    let document = format!(
        "listeners: {{public: {{bind: \"{public}\", protocol: http, routes: [{{cluster: web}}]}}}}
clusters: {{web: {{backends: [{{name: first, address: \"{}\"}}]}}}}
roles: {{http.source: web}}
",
        origin.address
    );
    let folder = TempDir::new().unwrap();
    let reports = folder.path().join("reports");
    let put = |command: &mut Command| _ = command.arg("--report-dir").arg(&reports);
    let proxy = Proxy::start_in(folder, &document, put).await;
    let browser = Browser::open().await;
    browser.go(&format!("http://{}/", proxy.admin)).await;
    let story = json!({"story": {
        "schema": "chaosproxy.profile/v1",
        "name": "brief",
        "needs": {"http.source": {}},
        "fault": {"where": {"role": "http.source"}, "do": {"latency": {"add": "1ms"}}},
        "for": "1s",
        "objectives": {"notice": {"time": {"from": {"phase": "fault"}, "to": {"signal": "page"}, "target": "1s"}}},
    }});
    let started = proxy.api("POST", "/api/v1/drill/start", story.to_string()).await;
    assert_eq!(started.status(), 200, "{:?}", started.body());
    eventually("the drill is over", || async {
        let ended = &proxy.json("/api/v1/drill").await["view"]["ended"];
        ended.is_string().then_some(())
    })
    .await;
    let says = async |fill: &str, words: &str| {
        eventually(&format!("the report says `{words}`"), || async {
            let filled = format!(
                "const f = document.querySelector('#note'); if (f.hidden) return false; {fill}; return true"
            );
            if browser.run(&filled).await == true {
                browser.click("#note button").await;
            }
            let report = proxy.api("GET", "/api/v1/report", "").await;
            String::from_utf8_lossy(report.body())
                .contains(words)
                .then_some(())
        })
        .await;
    };
    says(
        "f.elements.text.value = 'Nobody looked.'",
        "Note by local: Nobody looked.",
    )
    .await;
    says(
        "f.elements.objective.value = 'notice'; f.elements.rating.value = 'unable'",
        "unable to be performed, says local",
    )
    .await;
    let verified = proxy
        .cli(&["report", "--verify", "--report-dir", reports.to_str().unwrap()])
        .await;
    assert!(verified.contains("as it was written"), "{verified}");
}

/// A document that leads to two servers, each in a role.
fn before_two(first: &Origin, second: &Origin) -> String {
    format!(
        "listeners: {{public: {{bind: \"{}\", protocol: http, routes: [{{cluster: web}}]}}}}
clusters: {{web: {{backends: [{{name: first, address: \"{}\"}}, {{name: second, address: \"{}\"}}]}}}}
roles: {{http.source: web/first, http.replica: web/second}}
",
        free(),
        first.address,
        second.address
    )
}

#[tokio::test]
async fn the_check_before_a_drill_is_offered_on_the_page_while_none_runs() {
    let (first, second) = (Origin::quick().await, Origin::quick().await);
    let document = before_two(&first, &second);
    let proxy = Proxy::start(&document).await;
    let browser = Browser::open().await;
    browser.go(&format!("http://{}/", proxy.admin)).await;
    let check = async |fill: &str, sum: &str, line: &str| {
        browser
            .run(&format!(
                "const f = document.querySelector('#check form').elements; {fill}"
            ))
            .await;
        browser.click("#check button").await;
        eventually(&format!("the page says `{sum}`, and `{line}`"), || async {
            let told = browser.text("#check").await;
            (told.contains(sum) && told.contains(line)).then_some(())
        })
        .await;
    };
    // Nobody asks for anything, and no tool has sent an alert: no reason not to begin.
    check(
        "f.profile.value = 'orm-break'; f.panic.checked = true",
        "ready, with",
        "http.source is web/first",
    )
    .await;
    let told = browser.text("#check table").await;
    for words in [
        "ok\tquiet",
        "ok\tpanic",
        "warning\talert",
        "next: send a test alert to http://",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    check("f.profile.value = 'hung-auth'", "not ready", "failed\troles").await;
    let story = json!({"story": {
        "schema": "chaosproxy.profile/v1",
        "name": "brief",
        "needs": {"http.source": {}},
        "fault": {"where": {"role": "http.source"}, "do": {"latency": {"add": "1ms"}}},
        "for": "1h",
    }});
    let started = proxy.api("POST", "/api/v1/drill/start", story.to_string()).await;
    assert_eq!(started.status(), 200, "{:?}", started.body());
    let offered = async |offered: bool| {
        eventually(&format!("offered: {offered}"), || async {
            let hidden = browser
                .run("return document.querySelector('#check').hidden")
                .await;
            (hidden == !offered).then_some(())
        })
        .await;
    };
    offered(false).await;
    assert_eq!(proxy.api("POST", "/api/v1/drill/clear", "").await.status(), 200);
    offered(true).await;
}

/// A phone's width, and that of a window beside another.
const NARROW: [u32; 2] = [390, 500];

#[tokio::test]
async fn nothing_on_the_page_or_in_a_report_is_wider_than_a_phone() {
    let (first, second) = (Origin::quick().await, Origin::quick().await);
    let document = before_two(&first, &second);
    let folder = TempDir::new().unwrap();
    let reports = folder.path().join("reports");
    let put = |command: &mut Command| _ = command.arg("--report-dir").arg(&reports);
    let proxy = Proxy::start_in(folder, &document, put).await;
    let fault = "{where: {cluster: web}, do: {latency: {add: 300ms, jitter: 100ms}}, for: 1h}";
    proxy.add("a-fault-whose-name-is-rather-long", fault).await;
    let play = json!({"profile": "orm-break", "mode": "replay", "wait": 3000});
    let started = proxy.api("POST", "/api/v1/drill/start", play.to_string()).await;
    assert_eq!(started.status(), 200, "{:?}", started.body());
    eventually("the drill is over", || async {
        let ended = &proxy.json("/api/v1/drill").await["view"]["ended"];
        ended.is_string().then_some(())
    })
    .await;
    let report = proxy.api("GET", "/api/v1/report?form=html", "").await;
    let file = reports.join("narrow.html");
    std::fs::write(&file, report.body()).unwrap();
    let browser = Browser::open().await;
    for url in [
        format!("http://{}/", proxy.admin),
        format!("file://{}", file.display()),
    ] {
        browser.go(&url).await;
        for width in NARROW {
            browser.narrow(width).await;
            let wider = browser.run(WIDER).await;
            assert_eq!(wider, json!([]), "{url} at {width}");
            let letters = browser.run(LETTERS).await;
            assert!(letters.as_f64().unwrap() >= 9.0, "{url} at {width}: {letters}");
        }
    }
}

/// What reaches beyond the window or can be pushed sideways, the page itself included.
const WIDER: &str = "
const seen = [...document.querySelectorAll('body *')].filter(e => e.getClientRects().length);
const beyond = e => e.getBoundingClientRect().right > innerWidth + 0.5 || e.getBoundingClientRect().left < -0.5;
const pushed = e => e instanceof HTMLElement && e.clientWidth && e.scrollWidth > e.clientWidth + 1;
const wider = seen.filter(e => beyond(e) || pushed(e));
if (document.documentElement.scrollWidth > innerWidth) wider.push(document.documentElement);
return wider.map(e => e.outerHTML.slice(0, 120))";

/// The least height of a letter in a chart that is seen, in pixels.
const LETTERS: &str = "
const seen = [...document.querySelectorAll('.chart > svg')].filter(e => e.getClientRects().length);
const height = e => parseFloat(getComputedStyle(e).fontSize) * e.getBoundingClientRect().width / e.viewBox.baseVal.width;
return Math.min(...seen.map(height))";
