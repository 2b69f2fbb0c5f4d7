//! Names as a zone changes and a resolver fails, on a paused clock; and the addresses that people write.

use std::{collections::VecDeque, sync::Mutex};

use super::*;

/// A resolver that gives these answers, one a lookup, and then never answers again.
struct Script(Mutex<VecDeque<Found>>);

impl Lookup for Script {
    fn lookup(&self, _: Arc<str>) -> Pin<Box<dyn Future<Output = Found> + Send + '_>> {
        let next = self.0.lock().unwrap().pop_front();
        Box::pin(async move {
            match next {
                Some(found) => found,
                None => std::future::pending().await,
            }
        })
    }
}

fn follow_script(answers: impl IntoIterator<Item = Found>) -> Addresses {
    follow_on(Terms::default(), answers)
}

fn follow_on(terms: Terms, answers: impl IntoIterator<Item = Found>) -> Addresses {
    let lookup = Arc::new(Script(Mutex::new(answers.into_iter().collect())));
    let directory = Directory {
        lookup,
        runtime: runtime::Handle::current(),
    };
    directory.follow(&"app.internal:80".parse().unwrap(), terms)
}

fn answer(ips: &[&str], ttl: u64) -> Found {
    Ok((
        ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        Duration::from_secs(ttl),
    ))
}

fn failure() -> Found {
    Err("no such host".into())
}

fn known(addresses: &Addresses) -> Option<Vec<String>> {
    addresses
        .now()
        .and_then(Result::ok)
        .map(|all| all.iter().map(ToString::to_string).collect())
}

/// A little more than `secs`, so that what is due by then has run.
async fn pass(secs: u64) {
    time::sleep(Duration::from_secs(secs) + Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_is_resolved_again_when_its_time_is_over() {
    let addresses = follow_script([answer(&["10.0.0.2", "10.0.0.1"], 30), answer(&["10.0.0.3"], 30)]);
    assert_eq!(
        addresses.now(),
        None,
        "nobody has waited for the first answer yet"
    );
    addresses.first().await.unwrap();
    assert_eq!(known(&addresses).unwrap(), ["10.0.0.1:80", "10.0.0.2:80"]);
    pass(29).await;
    assert_eq!(known(&addresses).unwrap().len(), 2);
    pass(1).await;
    assert_eq!(known(&addresses).unwrap(), ["10.0.0.3:80"]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_resolver_takes_no_address_away() {
    let addresses = follow_script([
        answer(&["10.0.0.1"], 5),
        failure(),
        failure(),
        answer(&["10.0.0.9"], 5),
    ]);
    addresses.first().await.unwrap();
    pass(5).await;
    assert_eq!(known(&addresses).unwrap(), ["10.0.0.1:80"], "the first failure");
    pass(1).await;
    assert_eq!(
        known(&addresses).unwrap(),
        ["10.0.0.1:80"],
        "the second, after a second"
    );
    pass(2).await;
    assert_eq!(
        known(&addresses).unwrap(),
        ["10.0.0.9:80"],
        "and recovered after two more"
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_that_never_was_resolved_says_why_until_it_is() {
    let addresses = follow_script([failure(), answer(&["10.0.0.1"], 60)]);
    let error = addresses.first().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`app.internal` cannot be resolved: no such host"
    );
    pass(1).await;
    assert_eq!(known(&addresses).unwrap(), ["10.0.0.1:80"]);
}

#[tokio::test(start_paused = true)]
async fn no_time_to_live_is_taken_at_its_word_when_it_is_absurd() {
    let addresses = follow_script([
        answer(&["10.0.0.1"], 0),
        answer(&["10.0.0.2"], 1_000_000),
        answer(&["10.0.0.3"], 1),
    ]);
    addresses.first().await.unwrap();
    pass(0).await;
    assert_eq!(
        known(&addresses).unwrap(),
        ["10.0.0.1:80"],
        "a zero does not make us spin"
    );
    pass(1).await;
    assert_eq!(known(&addresses).unwrap(), ["10.0.0.2:80"]);
    pass(LONGEST_HOLD.as_secs()).await;
    assert_eq!(known(&addresses).unwrap(), ["10.0.0.3:80"]);
}

#[tokio::test(start_paused = true)]
async fn addresses_are_of_the_family_that_is_asked_for_and_hold_for_as_long() {
    let both = ["10.0.0.1", "::1"];
    let check = async |terms: Terms, expected: &[&str]| {
        let addresses = follow_on(terms, [answer(&both, 5), answer(&["10.0.0.2", "::2"], 5)]);
        addresses.first().await.unwrap();
        pass(5).await;
        assert_eq!(known(&addresses).unwrap(), expected, "{terms:?}");
    };
    let usual = Terms::default();
    check(usual, &["10.0.0.2:80", "[::2]:80"]).await;
    check(Terms { ipv6: false, ..usual }, &["10.0.0.2:80"]).await;
    check(Terms { ipv4: false, ..usual }, &["[::2]:80"]).await;
    let at_least = Duration::from_secs(60);
    check(Terms { at_least, ..usual }, &["10.0.0.1:80", "[::1]:80"]).await;
    let none = follow_on(Terms { ipv4: false, ..usual }, [answer(&["10.0.0.1"], 5)]);
    let why = none.first().await.unwrap_err().to_string();
    assert!(why.contains("no address of the family"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn who_wants_newer_addresses_waits_for_a_lookup_but_not_for_ever() {
    let addresses = follow_script([answer(&["10.0.0.1"], 300), answer(&["10.0.0.2"], 300)]);
    addresses.first().await.unwrap();
    let begun = Instant::now();
    addresses.renew(Duration::ZERO).await;
    assert_eq!(known(&addresses).unwrap(), ["10.0.0.1:80"], "they are new enough");
    pass(1).await;
    tokio::join!(addresses.renew(Duration::ZERO), addresses.renew(SHORTEST_HOLD));
    assert_eq!(known(&addresses).unwrap(), ["10.0.0.2:80"], "one lookup for both");
    assert!(begun.elapsed() < Duration::from_secs(2));
    pass(1).await;
    let begun = Instant::now();
    addresses.renew(Duration::ZERO).await;
    assert!(begun.elapsed() >= PATIENCE && begun.elapsed() < PATIENCE + SHORTEST_HOLD);
    assert_eq!(known(&addresses).unwrap(), ["10.0.0.2:80"], "nobody answered");
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_fails_has_the_name_looked_up_soon() {
    let addresses = follow_script([answer(&["127.0.0.1"], 300), answer(&["10.0.0.2"], 300)]);
    addresses.first().await.unwrap();
    let dialer = crate::net::Dialer {
        limit: Duration::from_millis(100),
        most_age: None,
    };
    // It fails with a refusal or at its limit.
    for _ in 0..3 {
        dialer.dial(&addresses, 0).await.unwrap_err();
    }
    assert_eq!(
        known(&addresses).unwrap(),
        ["127.0.0.1:80"],
        "once a second at most"
    );
    pass(1).await;
    assert_eq!(known(&addresses).unwrap(), ["10.0.0.2:80"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_somebody_dials_is_found_within_a_second_of_its_appearance() {
    let addresses = follow_script([
        failure(),
        failure(),
        failure(),
        failure(),
        answer(&["10.0.0.1"], 60),
    ]);
    addresses.first().await.unwrap_err();
    for _ in 0..4 {
        assert_eq!(known(&addresses), None);
        addresses.doubt();
        pass(1).await;
    }
    assert_eq!(known(&addresses).unwrap(), ["10.0.0.1:80"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_holds_is_not_followed() {
    let lookup = Arc::new(Script(Mutex::new([answer(&["10.0.0.1"], 1)].into())));
    let directory = Directory {
        lookup: Arc::clone(&lookup) as Arc<dyn Lookup>,
        runtime: runtime::Handle::current(),
    };
    let addresses = directory.follow(&"app.internal:80".parse().unwrap(), Terms::default());
    addresses.first().await.unwrap();
    drop((addresses, directory));
    pass(0).await;
    assert_eq!(Arc::strong_count(&lookup), 1);
}

#[tokio::test(start_paused = true)]
async fn a_literal_is_known_at_once_and_never_looked_up() {
    let directory = Directory {
        lookup: Arc::new(Script(Mutex::default())),
        runtime: runtime::Handle::current(),
    };
    let addresses = directory.follow(&"[::1]:80".parse().unwrap(), Terms::default());
    assert_eq!(known(&addresses).unwrap(), ["[::1]:80"]);
}

#[tokio::test]
async fn the_system_knows_its_own_name() {
    let directory = Directory::system(runtime::Handle::current());
    let found = directory
        .follow(&"localhost:80".parse().unwrap(), Terms::default())
        .first()
        .await
        .unwrap();
    assert!(
        found.iter().all(|address| address.ip().is_loopback()),
        "{found:?}"
    );
}

#[test]
fn retries_slow_down_but_never_stop() {
    let seconds: Vec<_> = (1..=8).map(|n| retry_after(n).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
    assert_eq!(retry_after(u32::MAX), LONGEST_RETRY);
}
