use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    time::Duration,
};

use super::*;
use crate::{net::Directory, telemetry::Metrics, units::Dice};

/// Two listeners; a broken document loses the second.
fn document(first: &str, second: &str) -> String {
    format!(
        "listeners:
  first: {{bind: \"{first}\", protocol: http, routes: [{{cluster: app}}]}}
  second: {{bind: \"{second}\", protocol: http, routes: [{{cluster: app}}]}}
clusters: {{app: {{backends: [{{address: \"127.0.0.1:9\"}}]}}}}
"
    )
}

fn start(text: &str) -> Arc<Control> {
    let directory = Directory::system(tokio::runtime::Handle::current());
    let compiler = Compiler::new(directory, Metrics::new(1), 1, PathBuf::from("."), Dice::new(7));
    let document = config::read_document("a.yaml", text).unwrap().document;
    let revision = (author(), "a.yaml", text);
    Control::start(
        document,
        revision,
        compiler,
        History::default(),
        Events::default(),
    )
    .unwrap()
}

fn author() -> Author {
    Author::new("ada", "test")
}

fn fault(name: &str, entry: &str) -> Vec<(String, Entry)> {
    vec![(name.to_owned(), config::read("fault", entry).unwrap())]
}

fn take(control: &Control, name: &str, entry: &str) -> LeaseId {
    let owner = Owner::Api { by: "ada".into() };
    control
        .take_lease(owner, Duration::from_secs(60), fault(name, entry))
        .unwrap()
}

fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// The revisions: who put each there, and by what way.
fn authors(control: &Control) -> Vec<String> {
    let history = control.history();
    history
        .iter()
        .map(|revision| revision.author.to_string())
        .collect()
}

/// Takes the second listener away.
fn break_it(control: &Control) {
    let text = control.history().last().unwrap().text.clone();
    let line = text
        .lines()
        .find(|line| line.contains("second"))
        .unwrap()
        .to_owned();
    let bad = serde_json::json!({"do": {"bad_reload": {"find": line, "replace": "  # lost"}}});
    take(control, "bad", &bad.to_string());
    assert!(!control.snapshot().listeners.contains_key("second"));
}

#[tokio::test(start_paused = true)]
async fn a_broken_document_is_mended_when_its_fault_ends_and_by_one_that_is_put_in_force() {
    let text = document("127.0.0.1:0", "127.0.0.1:0");
    let control = start(&text);
    break_it(&control);
    assert!(control.remove_fault("bad"));
    assert!(control.snapshot().listeners.contains_key("second"));

    break_it(&control);
    control.apply(&text, "a.yaml", author()).unwrap();
    assert!(control.snapshot().listeners.contains_key("second"));
    assert!(
        control.faults().is_empty(),
        "the fault is over with what it broke"
    );
    take(&control, "other", "{do: hang}");
    assert!(
        control.snapshot().listeners.contains_key("second"),
        "and does not come back"
    );
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_refused_leaves_the_fault_that_broke_the_one_before() {
    let text = document("127.0.0.1:0", "127.0.0.1:0");
    let control = start(&text);
    break_it(&control);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let wants = document("127.0.0.1:0", &taken.local_addr().unwrap().to_string());
    assert!(matches!(
        control.apply(&wants, "a.yaml", author()),
        Err(ChangeError::Obstacles(_))
    ));
    assert_eq!(control.faults().len(), 1);
    assert!(control.remove_fault("bad") && control.snapshot().listeners.contains_key("second"));
}

#[tokio::test(start_paused = true)]
async fn a_port_that_the_process_itself_has_is_told_with_who_has_it() {
    let control = start(&document("127.0.0.1:0", "127.0.0.1:0"));
    let first = control.snapshot().listeners["first"].sockets.bound();
    let mut annex = Annex::default();
    let made = config::Listener::new("127.0.0.1:0".parse().unwrap(), "redis");
    annex.listeners.insert("redis", made);
    let cluster = config::read("cluster", "{backends: [{address: \"127.0.0.1:9\"}]}").unwrap();
    annex.clusters.insert("redis", cluster);
    control.set_annex(annex).unwrap();
    let redis = control.snapshot().listeners["redis"].sockets.bound();
    let check = |second: SocketAddr, words: &str| {
        let wants = document("127.0.0.1:0", &second.to_string());
        let error = control.apply(&wants, "a.yaml", author()).unwrap_err().to_string();
        let begins =
            format!("listeners.second.bind: cannot listen on {second}: address in use: this process");
        assert!(error.starts_with(&begins) && error.contains(words), "{error}");
    };
    check(
        redis,
        "the proxy `redis` that was made through Toxiproxy's API; delete it (`DELETE /proxies/redis`)",
    );
    check(first, "for listener `first` of the document in force");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_mended_at_once_is_mended_later_and_no_fault_waits_for_it() {
    let second = free();
    let control = start(&document("127.0.0.1:0", &second));
    tokio::spawn(control.clone().expire_leases());
    take(&control, "held", "{do: hang}");
    let standing = control.faults()[0].fault.clone();
    break_it(&control);
    // The sockets of the lost listener are gone; somebody else is faster.
    let thief = TcpListener::bind(&second).unwrap();
    control.panic(&author());
    assert!(standing.is_lifted() && control.faults().is_empty());
    assert!(
        !control.snapshot().listeners.contains_key("second"),
        "its port is taken"
    );
    drop(thief);
    tokio::time::sleep(faults::SETTLE_AGAIN * 2).await;
    assert!(control.snapshot().listeners.contains_key("second"));
    assert!(control.snapshot().faults.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_end_lifts_the_faults_of_the_document_too() {
    let control = start(&format!(
        "{}faults: {{written: {{do: hang}}}}\n",
        document("127.0.0.1:0", "127.0.0.1:0")
    ));
    take(&control, "by-hand", "{do: hang}");
    let standing = control.snapshot().faults.clone();
    assert_eq!(control.end(), 2);
    assert!(standing.iter().all(|fault| fault.is_lifted()) && control.faults().is_empty());
}

#[tokio::test(start_paused = true)]
async fn before_the_first_document_there_is_nothing_to_go_back_to() {
    let control = start(&document("127.0.0.1:0", "127.0.0.1:0"));
    let told = control.rollback(None, author()).unwrap_err().to_string();
    assert_eq!(
        told,
        "there is nothing to go back to: revision 1 is in force, and no other document was before it"
    );
    let told = control.rollback(Some(7), author()).unwrap_err().to_string();
    assert_eq!(told, "there is no revision `7`; there are: 1");
}

#[tokio::test(start_paused = true)]
async fn a_broken_document_stands_in_the_history_and_a_rollback_cures_it() {
    let text = document("127.0.0.1:0", "127.0.0.1:0");
    let control = start(&text);
    let owner = Owner::Drill { drill: "d".into() };
    let bad = fault("bad", "{do: {bad_reload: {misspell: cluster}}}");
    let lease = control
        .take_lease(owner, Duration::from_secs(60), bad.clone())
        .unwrap();
    assert!(control.is_broken());
    assert_eq!(authors(&control), ["ada (test)", "release (push)"]);
    assert!(control.history()[1].text.contains("app-v2"));

    assert_eq!(control.rollback(None, author()).unwrap(), 3);
    assert!(!control.is_broken() && control.faults().is_empty());
    assert!(control.holds(lease), "the drill goes on");
    assert_eq!(
        authors(&control),
        ["ada (test)", "release (push)", "ada (rollback)"]
    );
    assert_eq!(control.history()[2].text, text);
    assert!(matches!(
        control.rollback(Some(2), author()),
        Err(ChangeError::Refused(_))
    ));

    control.replace(lease, bad).unwrap();
    control.release(lease);
    assert!(!control.is_broken());
    assert_eq!(
        authors(&control)[3..],
        ["release (push)", "release (restored)"],
        "what nobody rolled back is told, too"
    );
    assert_eq!(control.history()[4].text, text);
}

#[tokio::test(start_paused = true)]
async fn a_drill_refuses_the_way_back_while_its_lease_lives() {
    let text = document("127.0.0.1:0", "127.0.0.1:0");
    let control = start(&text);
    let owner = Owner::Drill { drill: "d".into() };
    let lease = control
        .take_lease(owner, Duration::from_secs(60), Vec::new())
        .unwrap();
    control.obstruct(lease, Some("security check".into())).unwrap();
    control.apply(&text, "a.yaml", author()).unwrap();
    control
        .replace(lease, fault("bad", "{do: {bad_reload: {misspell: address}}}"))
        .unwrap();
    let refused = |result: Result<u64, ChangeError>| {
        assert!(matches!(result, Err(ChangeError::Obstructed(words)) if words == "security check"));
        assert!(control.is_broken());
    };
    refused(control.rollback(None, author()));
    refused(control.rollback(Some(1), author()));
    refused(control.apply(&text, "a.yaml", author()));
    control.obstruct(lease, None).unwrap();
    control.apply(&text, "a.yaml", author()).unwrap();
    assert!(!control.is_broken() && control.holds(lease));
    control.obstruct(lease, Some("security check".into())).unwrap();
    control.panic(&author());
    assert!(!control.is_broken() && control.obstruct(lease, None).is_err());
}

#[tokio::test(start_paused = true)]
async fn what_a_header_last_said_is_kept_only_while_a_lease_wants_to_know() {
    let control = start(&document("127.0.0.1:0", "127.0.0.1:0"));
    let heard = |value: &str| {
        let snapshot = control.snapshot();
        let app = snapshot.cluster("app").unwrap();
        let headers = http::HeaderMap::from_iter([(name(), value.parse().unwrap())]);
        app.heard(0, &headers);
    };
    let known = || -> Vec<Option<String>> {
        let snapshot = control.snapshot();
        let watched = &snapshot.cluster("app").unwrap().watched;
        watched.iter().map(|(_, value)| value.value()).collect()
    };
    heard("40");
    assert!(known().is_empty(), "nobody asks");
    let id = take(
        &control,
        "slow",
        "{where: {cluster: app}, do: {latency: {add: 1ms}}}",
    );
    let watched = crate::snapshot::Watched {
        cluster: "app".into(),
        backend: None,
        name: name(),
    };
    let steering = Steering {
        watched: vec![watched],
        ..Steering::default()
    };
    control.steer(id, vec![steering]).unwrap();
    assert_eq!(known(), [None]);
    heard("41");
    control.replace(id, Vec::new()).unwrap();
    assert_eq!(known(), [Some("41".to_owned())], "it outlives a change");
    control.release(id);
    assert!(known().is_empty(), "it goes with its lease");
}

fn name() -> http::HeaderName {
    http::HeaderName::from_static("x-config-version")
}

#[tokio::test(start_paused = true)]
async fn what_holds_from_the_next_start_is_told_until_it_is_taken_back() {
    let text = document("127.0.0.1:0", "127.0.0.1:0");
    let control = start(&text);
    let changed = format!("{text}admin: {{bind: \"127.0.0.1:1\"}}\nstate_folder: state\n");
    control.apply(&changed, "a.yaml", author()).unwrap();
    assert_eq!(control.waiting(), ["admin.bind", "state_folder"]);
    control.rollback(None, author()).unwrap();
    assert!(control.waiting().is_empty());
}
