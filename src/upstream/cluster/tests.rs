//! What a cluster does with what its backends go through: ejection, reload, limits, standing.

use serde_json::{Value, json};

use super::{
    super::{OutcomeKind, Replication, outlier::Spared},
    *,
};

fn settings(written: Value) -> ClusterSettings {
    serde_json::from_value(written).unwrap()
}

/// Backends `a`, `b`, ... and what else is written.
fn cluster(names: &str, mut written: Value, now: Instant) -> Cluster {
    let backend = |name: char| json!({"name": name.to_string(), "address": format!("{name}:80")});
    written["backends"] = names.chars().map(backend).collect();
    Cluster::compile("app", &settings(written), None, now)
}

fn fail(cluster: &Cluster, index: usize, now: Instant, times: usize) -> Vec<Verdict> {
    let attempt = || cluster.record(now, &cluster.backends()[index].begin(), Outcome::Refused);
    (0..times).filter_map(|_| attempt()).collect()
}

const FIRST: Verdict = Verdict::Ejected {
    time: Duration::from_secs(30),
    times: 1,
};

fn after(now: Instant, secs: u64) -> Instant {
    now + Duration::from_secs(secs)
}

#[test]
fn errors_in_a_row_take_a_backend_out_for_a_while() {
    let now = Instant::now();
    let cluster = cluster("ab", json!({"outlier": {}}), now);
    let backend = &cluster.backends()[0];
    assert_eq!(fail(&cluster, 0, now, 4), []);
    let _ = cluster.record(now, &backend.begin(), Outcome::Status(200));
    assert_eq!(fail(&cluster, 0, now, 5), [FIRST]);
    assert!(backend.is_ejected(after(now, 29)) && !backend.is_ejected(after(now, 30)));
    assert_eq!(backend.ejected_for(after(now, 10)), Some(Duration::from_secs(20)));
    assert_eq!(
        (
            backend.outcomes(OutcomeKind::Refused),
            backend.outcomes(OutcomeKind::Ok),
            backend.attempts()
        ),
        (9, 1, 10)
    );
}

#[test]
fn a_new_streak_is_needed_after_an_ejection_and_it_lasts_longer() {
    let now = Instant::now();
    let cluster = cluster("ab", json!({"outlier": {}}), now);
    assert_eq!(fail(&cluster, 0, now, 5), [FIRST]);
    assert_eq!(fail(&cluster, 0, after(now, 30), 4), []);
    let twice = Verdict::Ejected {
        time: Duration::from_secs(60),
        times: 2,
    };
    assert_eq!(fail(&cluster, 0, after(now, 30), 1), [twice]);
    assert_eq!(fail(&cluster, 0, after(now, 600), 5), [FIRST]);
}

#[test]
fn what_was_in_flight_at_an_ejection_is_not_held_against_the_backend() {
    let now = Instant::now();
    let cluster = cluster("ab", json!({"outlier": {}}), now);
    let stragglers: Vec<_> = (0..20).map(|_| cluster.backends()[0].begin()).collect();
    assert_eq!(fail(&cluster, 0, now, 5), [FIRST]);
    for attempt in stragglers {
        assert_eq!(cluster.record(after(now, 31), &attempt, Outcome::Reset), None);
    }
    assert_eq!(cluster.backends()[0].streak().errors, 0);
}

#[test]
fn the_last_usable_backend_stays_and_is_judged_again() {
    let now = Instant::now();
    let cluster = cluster("ab", json!({"outlier": {}}), now);
    assert_eq!(fail(&cluster, 0, now, 5), [FIRST]);
    assert_eq!(
        fail(&cluster, 1, now, 12),
        [Verdict::Spared(Spared::LastUsable); 2]
    );
    assert_eq!(fail(&cluster, 1, after(now, 30), 3), [FIRST]);
}

#[test]
fn workers_that_judge_at_once_leave_one_in_and_take_each_out_once() {
    for _ in 0..50 {
        let now = Instant::now();
        let cluster = cluster(
            "abcd",
            json!({"outlier": {"consecutive_errors": 3, "at_most": "100%"}}),
            now,
        );
        let verdicts: Vec<_> = std::thread::scope(|scope| {
            let worker = |_| {
                scope.spawn(|| {
                    (0..4)
                        .flat_map(|index| fail(&cluster, index, now, 20))
                        .collect::<Vec<_>>()
                })
            };
            let workers: Vec<_> = (0..4).map(worker).collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap())
                .collect()
        });
        let out = cluster
            .backends()
            .iter()
            .filter(|backend| backend.is_ejected(now))
            .count();
        assert_eq!(out, 3);
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == FIRST).count(), 3);
    }
}

#[test]
fn a_reload_keeps_what_is_known_about_a_backend() {
    let now = Instant::now();
    let old = cluster("ab", json!({"outlier": {}, "health": {"tcp": {}}}), now);
    old.admit(Probability::new(0.25).unwrap());
    old.backends()[0].drain();
    old.backends()[1].set_condition(now, Condition::Unhealthy);
    old.backends()[1].set_weight(7.try_into().ok());
    let attempt = old.backends()[1].begin();
    let written = json!({
        "health": {"tcp": {}}, "slow_start": "10s", "backends": [
            {"name": "renamed", "address": "b:80", "weight": 1}, {"address": "a:80", "tier": 1}, {"address": "c:80"},
        ],
    });
    let new = Cluster::compile("app", &settings(written), Some(&old), after(now, 1));
    let [b, a, c] = new.backends() else { panic!() };
    assert_eq!(
        (b.name(), b.condition(), b.weight().get(), b.active()),
        ("renamed", Condition::Unhealthy, 7, 1)
    );
    assert!(a.is_drained() && a.tier() == 1 && !old.backends()[0].is_usable(now));
    assert_eq!((c.condition(), c.is_usable(now)), (Condition::Joining, false));
    assert_eq!(new.admitted().get(), 0.25);
    assert_eq!(
        (a.state_word(now), b.state_word(now), c.state_word(now)),
        ("drained", "unhealthy", "joining")
    );
    drop(attempt);
    assert_eq!(b.active(), 0);
}

#[test]
fn a_backend_that_moves_stays_as_people_set_it_by_its_name() {
    let now = Instant::now();
    let old = cluster("ab", json!({}), now);
    let moved = |of: &Cluster, port: u16| {
        let address = format!("a:{port}");
        let written =
            json!({"backends": [{"name": "a", "address": address}, {"name": "b", "address": "b:80"}]});
        Cluster::compile("app", &settings(written), Some(of), now)
    };
    old.backends()[0].drain();
    // There and back, as by a broken document that is rolled back.
    let back = moved(&moved(&old, 81), 80);
    assert!(back.backends()[0].is_drained() && !back.backends()[1].is_drained());
    back.backends()[0].enable(now);
    assert!(!moved(&back, 81).backends()[0].is_drained());
}

#[test]
fn a_weight_set_by_hand_holds_until_the_document_says_another() {
    let now = Instant::now();
    let old = cluster("a", json!({}), now);
    old.backends()[0].set_weight(7.try_into().ok());
    let weight = |written: Value| {
        let backends = json!({"backends": [{"address": "a:80", "weight": written}]});
        Cluster::compile("app", &settings(backends), Some(&old), now).backends()[0]
            .weight()
            .get()
    };
    assert_eq!(
        (
            weight(json!(1)),
            weight(json!(3)),
            old.backends()[0].weight().get()
        ),
        (7, 3, 7)
    );
    old.backends()[0].set_weight(None);
    assert_eq!(weight(json!(1)), 1);
}

#[test]
fn compiling_changes_nothing_in_what_runs() {
    let now = Instant::now();
    let old = cluster("ab", json!({}), now);
    let written = json!({"slow_start": "10s", "backends": [{"address": "a:80", "weight": 0}]});
    let refused = Cluster::compile("app", &settings(written), Some(&old), after(now, 1));
    drop(refused);
    assert_eq!(old.backends()[0].weight().get(), 1);
    assert_eq!(old.standing(now).usable, 2);
}

#[tokio::test(start_paused = true)]
async fn connections_are_limited_and_given_back() {
    let now = Instant::now();
    let cluster = cluster("a", json!({"limits": {"connections": 2}}), now);
    let backend = &cluster.backends()[0];
    let open = [
        cluster.connect(backend).await.unwrap(),
        cluster.connect(backend).await.unwrap(),
    ];
    assert_eq!(cluster.connect(backend).await.unwrap_err(), Full::Connections);
    assert_eq!(backend.connections(), 2);
    drop(open);
    assert_eq!(backend.connections(), 0);
    assert!(cluster.connect(backend).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_connection_gets_the_next_that_is_closed() {
    let cluster = cluster("a", json!({"limits": {"connections": 1}}), Instant::now());
    let backend = &cluster.backends()[0];
    let first = cluster.connect(backend).await.unwrap();
    let mut second = Box::pin(cluster.connect(backend));
    tokio::select! {
        biased;
        _ = &mut second => panic!("it must wait"),
        () = std::future::ready(()) => {}
    }
    assert!(cluster.wants_connections() && cluster.is_full());
    drop(first);
    let second = second.await.unwrap();
    assert!(!cluster.wants_connections() && cluster.waiting() == 0);
    drop(second);
    assert!(!cluster.is_full());
}

#[tokio::test(start_paused = true)]
async fn limits_are_kept_over_a_reload_that_does_not_change_them() {
    let now = Instant::now();
    let limits = json!({"limits": {"connections": 1}});
    let old = cluster("a", limits, now);
    let _open = old.connect(&old.backends()[0]).await.unwrap();
    let new = Cluster::compile("app", old.settings(), Some(&old), now);
    assert_eq!(
        new.connect(&new.backends()[0]).await.unwrap_err(),
        Full::Connections
    );
}

#[test]
fn the_standing_tells_panic() {
    let now = Instant::now();
    let cluster = cluster("abc", json!({}), now);
    let standing = |usable, serving, panic| Standing {
        in_service: 3,
        usable,
        serving,
        panic,
    };
    assert_eq!(cluster.standing(now), standing(3, 3, false));
    cluster.backends()[0].set_condition(now, Condition::Unhealthy);
    assert_eq!(cluster.standing(now), standing(2, 2, false));
    cluster.backends()[1].set_condition(now, Condition::Unhealthy);
    assert_eq!(cluster.standing(now), standing(1, 3, true));
}

#[tokio::test(start_paused = true)]
async fn the_first_look_is_waited_for_where_only_a_primary_serves() {
    let now = Instant::now();
    let soon = Duration::from_secs(1);
    let waits = async |cluster: &Cluster| tokio::time::timeout(soon, cluster.first_look()).await.is_err();
    assert!(
        !waits(&cluster("a", json!({"health": {"redis": {}}}), now)).await,
        "anybody serves"
    );
    let cluster = cluster("ab", json!({"health": {"redis": {}}, "only": "primary"}), now);
    assert!(waits(&cluster).await, "nothing is known");
    let is = |index: usize, is, condition| {
        let backend: &Backend = &cluster.backends()[index];
        backend.set_replication(is);
        backend.set_condition(now, condition);
        cluster.looked();
    };
    is(0, Some(Replication::Replica), Condition::Healthy);
    assert!(waits(&cluster).await, "the other may be one");
    let (told, ()) = tokio::join!(tokio::time::timeout(soon, cluster.first_look()), async {
        is(1, Some(Replication::Primary), Condition::Healthy);
    });
    assert!(told.is_ok(), "one is known");
    is(1, None, Condition::Unhealthy);
    assert!(
        !waits(&cluster).await,
        "everybody was looked at, and nobody is one"
    );
}
