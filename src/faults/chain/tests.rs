use proptest::prelude::*;

use super::*;
use crate::faults::{
    Cut, drive_chain,
    trial::{advance, chain, data, drain, joined, lift, ms, push, text},
};

#[test]
fn an_abrupt_end_overtakes_what_is_on_its_way_and_a_good_one_does_not() {
    let now = Instant::now();
    let slow = "{latency: {add: 1s, at: chunk}}";
    let check = |kind: &str, expected: &[(std::time::Duration, Piece)]| {
        let (_, mut chain) = chain(&[kind, slow], now);
        let mut out: Vec<_> = push(&mut chain, now, text("abcd"))
            .into_iter()
            .map(|piece| (ms(0), piece))
            .collect();
        out.extend(drain(&mut chain, now));
        assert_eq!(out, expected, "{kind}");
        assert_eq!((chain.held(), chain.is_over()), (0, true));
    };
    check("{reset: {after_bytes: 2B}}", &[(ms(0), Piece::Cut(Cut::Reset))]);
    check(
        "{close: {after_bytes: 2B}}",
        &[(ms(1000), text("ab")), (ms(1000), Piece::Cut(Cut::Close))],
    );
}

#[test]
fn after_the_end_nothing_comes_even_when_the_fault_is_lifted() {
    let now = Instant::now();
    let (faults, mut chain) = chain(&["{truncate: {after_bytes: 2B}}"], now);
    assert_eq!(push(&mut chain, now, text("abcd")), [text("ab"), Piece::End]);
    faults[0].lift();
    assert_eq!(lift(&mut chain, now), []);
    assert_eq!(push(&mut chain, now, text("efgh")), []);
    assert!(chain.is_over());
}

#[test]
fn lifting_one_of_several_hands_what_it_held_to_the_next() {
    let now = Instant::now();
    let (faults, mut chain) = chain(&["stall", "{latency: {add: 100ms, at: chunk}}"], now);
    push(&mut chain, now, text("a"));
    push(&mut chain, now, text("b"));
    assert_eq!(chain.next_wakeup(), None);
    faults[0].lift();
    assert_eq!(lift(&mut chain, now + ms(50)), []);
    assert_eq!(chain.next_wakeup(), Some(now + ms(150)));
    assert_eq!(joined(&advance(&mut chain, now + ms(150))), b"ab");
}

#[test]
fn a_fault_that_comes_later_takes_what_comes_later() {
    let now = Instant::now();
    let (_, mut standing) = chain(&["{latency: {add: 10ms, at: chunk}}"], now);
    push(&mut standing, now, text("a"));
    let (_, added) = chain(&["{latency: {add: 90ms, at: chunk}}"], now);
    standing.extend(added);
    assert_eq!(drain(&mut standing, now), [(ms(100), text("a"))]);
}

/// What a chain of one kind does that another takes the place of, after these bytes have come.
fn changed(from: &str, to: &str, now: Instant, first: &[Piece]) -> (Vec<Piece>, Chain) {
    let (before, mut standing) = chain(&[from], now);
    let mut out: Vec<Piece> = first
        .iter()
        .flat_map(|piece| push(&mut standing, now, piece.clone()))
        .collect();
    let (_, after) = chain(&[to], now + ms(200));
    standing.follow(after, now + ms(200));
    before[0].lift();
    out.extend(lift(&mut standing, now + ms(200)));
    (out, standing)
}

#[test]
fn a_changed_fault_goes_on_from_where_it_stood() {
    let now = Instant::now();
    let bytes = [text("12345678")];
    let (out, mut limited) = changed(
        "{limit_data: {bytes: 10B}}",
        "{limit_data: {bytes: 15B}}",
        now,
        &bytes,
    );
    assert_eq!(out, bytes);
    let rest = push(&mut limited, now, text("abcdefghij"));
    assert_eq!(rest, [text("abcdefg"), Piece::Cut(Cut::Close)]);
    let (_, mut passed) = changed(
        "{limit_data: {bytes: 10B}}",
        "{limit_data: {bytes: 6B}}",
        now,
        &bytes,
    );
    assert_eq!(push(&mut passed, now, text("a")), [Piece::Cut(Cut::Close)]);
    let check = |from: &str, to: &str, first: Piece, expected: &[(std::time::Duration, Piece)]| {
        let (out, mut standing) = changed(from, to, now, &[first]);
        assert_eq!(
            (out, drain(&mut standing, now)),
            (vec![], expected.to_vec()),
            "{from} {to}"
        );
    };
    let closed = Piece::Cut(Cut::Close);
    let timeout = |after: &str| format!("{{timeout: {{after: {after}, since: start}}}}");
    check(&timeout("1s"), &timeout("3s"), text("a"), &[(ms(3200), closed)]);
    check(&timeout("1s"), &timeout("0s"), text("a"), &[]);
    let late = |delay: &str| format!("{{slow_close: {{delay: {delay}}}}}");
    check(&late("800ms"), &late("3s"), Piece::End, &[(ms(3200), Piece::End)]);
    let reset = |after: &str| format!("{{reset: {{after: {after}, since: data}}}}");
    let cut = Piece::Cut(Cut::Reset);
    check(&reset("1s"), &reset("3s"), text("a"), &[(ms(3200), cut)]);
}

#[test]
fn what_was_lost_ends_the_flow_where_another_kind_takes_the_place() {
    let (out, _) = changed(
        "timeout",
        "{latency: {add: 0s, at: chunk}}",
        Instant::now(),
        &[text("a")],
    );
    assert_eq!(out, [Piece::Cut(Cut::Close)]);
}

#[test]
fn what_the_one_before_kept_meets_the_one_that_takes_its_place() {
    let now = Instant::now();
    let closed = Piece::Cut(Cut::Close);
    let (out, _) = changed(
        "{throttle: {rate: 1B/s}}",
        "timeout",
        now,
        &[text("abcd"), Piece::End],
    );
    assert_eq!(
        out,
        std::slice::from_ref(&closed),
        "its end is lost no more than any other"
    );
    // What a firewall has lost is not told by the one that takes its place, but by its lifting.
    let (before, mut standing) = chain(&["{idle_cut: {after: 100ms}}"], now);
    let late = now + ms(200);
    assert_eq!(push(&mut standing, late, text("a")), []);
    let (after, timeout) = chain(&["timeout"], late);
    standing.follow(timeout, late);
    before[0].lift();
    assert_eq!(lift(&mut standing, late), []);
    after[0].lift();
    assert_eq!(lift(&mut standing, late), [closed]);
}

#[test]
fn a_changed_fault_keeps_its_place_among_others() {
    let now = Instant::now();
    let (faults, mut standing) = chain(&["{limit_data: {bytes: 2B}}"], now);
    standing.extend(chain(&["stall"], now).1);
    standing.follow(chain(&["{limit_data: {bytes: 4B}}"], now).1, now);
    faults[0].lift();
    assert_eq!(lift(&mut standing, now), []);
    push(&mut standing, now, text("abcdef"));
    assert_eq!(standing.held(), 4, "what comes after it holds what it lets pass");
}

#[test]
fn time_added_is_no_limit_of_how_much_is_on_its_way() {
    let now = Instant::now();
    let (_, mut late) = chain(&["{latency: {add: 1s, at: chunk}}"], now);
    push(&mut late, now, data(vec![0; 2 * MOST_HELD]));
    assert_eq!((late.held(), late.held_back()), (2 * MOST_HELD, 0));
    let (_, mut slow) = chain(&["{throttle: {rate: 1B/s}}"], now);
    push(&mut slow, now, data(vec![0; 1000]));
    assert_eq!(slow.held_back(), slow.held());
}

#[test]
fn what_a_broken_peer_had_sent_comes_before_its_end() {
    let now = Instant::now();
    let check = |kind: &str, expected: &[(std::time::Duration, Piece)]| {
        let (_, mut chain) = chain(&[kind], now);
        let mut out = push(&mut chain, now, text("ab"));
        out.extend(push(&mut chain, now + ms(50), Piece::Broken));
        let out = out.into_iter().map(|piece| (ms(0), piece));
        let all: Vec<_> = out.chain(drain(&mut chain, now)).collect();
        assert_eq!(all, expected, "{kind}");
    };
    let late = "{latency: {add: 500ms, at: chunk}}";
    check(late, &[(ms(500), text("ab")), (ms(500), Piece::Broken)]);
    let late = "{slow_close: {delay: 700ms}}";
    check(late, &[(ms(0), text("ab")), (ms(750), Piece::Broken)]);
}

#[test]
fn late_looking_adds_up_to_nothing() {
    let now = Instant::now();
    let (_, mut chain) = chain(&["{latency: {add: 100ms, at: chunk}}"; 3], now);
    push(&mut chain, now, text("a"));
    assert_eq!(advance(&mut chain, now + ms(299)), []);
    assert_eq!(advance(&mut chain, now + ms(301)), [text("a")]);
}

#[test]
fn what_is_held_is_counted() {
    let now = Instant::now();
    let kinds = [
        "stall",
        "{throttle: {rate: 10B/s}}",
        "{slice: {size: 1B, pause: 1s}}",
    ];
    for kind in kinds {
        let (_, mut chain) = chain(&[kind], now);
        let out = push(&mut chain, now, data(vec![0; 1000]));
        assert_eq!(chain.held() + joined(&out).len(), 1000, "{kind}");
    }
}

#[tokio::test]
async fn a_performer_is_woken_by_the_first_lifting() {
    let (faults, mut chain) = chain(&["stall", "{throttle: {rate: 1B/s}}"], Instant::now());
    let watching = tokio::spawn(chain.lifting());
    tokio::task::yield_now().await;
    assert!(!watching.is_finished());
    faults[1].lift();
    watching.await.unwrap();
    lift(&mut chain, Instant::now());
    // A lifting that came before anybody waited is not missed.
    faults[0].lift();
    chain.lifting().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_done_to_a_chain_it_keeps_its_word(program in prop::collection::vec(any::<u8>(), 0..200)) {
        let driven = drive_chain(&program, Instant::now());
        prop_assert_eq!(driven.verdict(), Ok(()), "{:?}", driven);
    }

    #[test]
    fn kinds_that_must_lose_nothing_lose_nothing(
        kinds in prop::collection::vec((0_u8..7, any::<u8>()), 1..5),
        steps in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut program = vec![u8::try_from(kinds.len() - 1).unwrap()];
        program.extend(kinds.iter().flat_map(|(kind, size)| [*kind, *size]));
        program.extend(steps);
        let driven = drive_chain(&program, Instant::now());
        prop_assert!(driven.lossless);
        prop_assert_eq!(driven.verdict(), Ok(()), "{:?}", driven);
    }
}
