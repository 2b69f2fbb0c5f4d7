//! What goes wrong before and below: broken documents, ports in use, certificates that cannot be read, no descriptors left.

use std::net::TcpListener;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::kit::{
    eventually, free, http,
    origin::Origin,
    proxy::{Proxy, run},
};

/// Runs a document that cannot be served; gives the exit status and what was said.
fn fails(document: &str, files: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("chaosproxy.yaml"), document).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let status = run(&folder, free()).status().unwrap();
    (
        status.code(),
        std::fs::read_to_string(folder.path().join("log")).unwrap(),
    )
}

const CLUSTERS: &str = "clusters: {web: {backends: [{address: \"127.0.0.1:9\"}]}}\n";

#[test]
fn a_broken_document_ends_with_2_and_all_that_is_wrong() {
    let document = "listeners: {public: {bind: \"127.0.0.1:0\", protocol: http, timeouts: {handshake: 5}, routes: [{cluster: wbe}]}}\n";
    let (code, told) = fails(&format!("{document}{CLUSTERS}"), &[]);
    assert_eq!(code, Some(2), "{told}");
    for words in ["chaosproxy.yaml:1:", "wbe", "web", "mend:", "2 problems"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn a_port_in_use_ends_with_1_and_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let document = format!(
        "listeners: {{public: {{bind: \"{address}\", protocol: http, routes: [{{cluster: web}}]}}}}\n{CLUSTERS}"
    );
    let (code, told) = fails(&document, &[]);
    assert_eq!(code, Some(1), "{told}");
    for words in ["listeners.public.bind", &address.to_string(), "address in use"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn certificates_that_cannot_be_read_are_named() {
    let check = |files: &[(&str, &str)], words: &str| {
        let document = "listeners: {public: {bind: \"127.0.0.1:0\", protocol: http, routes: [{cluster: web}], tls: {certificate: a.pem, key: a.key}}}\n";
        let (code, told) = fails(&format!("{document}{CLUSTERS}"), files);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("a.pem") && told.contains(words), "{told}");
    };
    check(&[], "no such file");
    check(&[("a.pem", "nonsense"), ("a.key", "nonsense")], "certificate");
}

#[tokio::test]
async fn without_descriptors_it_stops_accepting_serves_on_and_recovers() {
    let origin = Origin::quick().await;
    let public = free();
    let document = format!(
        "listeners: {{public: {{bind: \"{public}\", protocol: http, routes: [{{cluster: web}}]}}}}
clusters: {{web: {{backends: [{{address: \"{}\"}}]}}}}
",
        origin.address
    );
    let proxy = Proxy::start(&document).await;
    let few = Rlimit {
        current: Some(100),
        maximum: Some(100),
    };
    prlimit(Pid::from_raw(proxy.id().cast_signed()), Resource::Nofile, few).unwrap();
    let mut standing = http::Connection::open(public).await.unwrap();
    assert_eq!(
        standing
            .send(http::request("GET", "/", &[], ""))
            .await
            .unwrap()
            .status(),
        200
    );
    let mut crowd = Vec::new();
    for _ in 0..150 {
        crowd.push(TcpStream::connect(public).await.unwrap());
    }
    proxy.says("ulimit -n", 0).await;
    for _ in 0..50 {
        let answer = standing.send(http::request("GET", "/", &[], "")).await.unwrap();
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
    }
    crowd.clear();
    eventually("new connections are served again", || async {
        let answer = http::get(public, "/").await.ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
    assert!(proxy.count("ulimit -n") < 10, "said once, not at every try");
}
