//! What a plan does over its life: rolled, asked, lifted.

use std::time::Duration;

use http::header;

use super::*;
use crate::faults::trial::{advance, chain, entry, facts, fault, ms, plan, push, reply, request, text};
use crate::faults::{Cut, Piece};

fn compiled(text: &str) -> Arc<Fault> {
    Fault::compile(text, &entry(text), Instant::now())
}

#[test]
fn where_nothing_matches_nothing_is_allocated() {
    let faults: Vec<_> = (0..100)
        .map(|_| compiled("{where: {match: {method: POST}}, do: reset}"))
        .collect();
    let plan = plan(&faults, 1);
    assert!(plan.is_empty() && plan.hits.capacity() == 0);
    assert!(Plan::none().flow(Flow::Reply, Instant::now()).is_none());
}

#[test]
fn a_lifted_fault_hits_nothing_new_and_lets_the_old_pass() {
    let now = Instant::now();
    let faults = [
        fault("{latency: {add: 1s}}", now),
        fault("{throttle: {rate: 1KiB/s}}", now),
    ];
    let mut standing = plan(&faults, 1);
    faults.iter().for_each(|fault| fault.lift());
    assert!(matches!(standing.open(0, now, None), Verdict::Pass));
    assert!(standing.flow(Flow::Reply, now).is_none());
    assert!(plan(&faults, 2).is_empty());
    assert_eq!(faults[0].hits(), 0);
}

#[test]
fn a_body_follows_the_head_that_promised_it_even_when_the_fault_is_lifted_between() {
    let now = Instant::now();
    let faults = [fault("{body: {replace: chaos}}", now)];
    let mut plan = plan(&faults, 1);
    let mut head = reply(200);
    let verdict = plan.reply(0, now, &mut head);
    assert!(matches!(verdict, Verdict::Pass) && head.headers[header::CONTENT_LENGTH] == "5");
    faults[0].lift();
    assert!(plan.flow(Flow::Reply, now).is_some());
}

#[test]
fn only_what_was_done_is_counted() {
    let now = Instant::now();
    let faults = [fault("{throttle: {rate: 1KiB/s, flow: request}}", now)];
    let mut plan = plan(&faults, 1);
    assert!(plan.flow(Flow::Reply, now).is_none() && plan.touched().count() == 0);
    let mut chains = [(); 2].map(|()| plan.flow(Flow::Request, now).unwrap());
    assert_eq!((plan.touched().count(), faults[0].hits()), (0, 0));
    for chain in &mut chains {
        push(chain, now, text("abc"));
    }
    assert_eq!((plan.touched().count(), faults[0].hits()), (1, 1));
}

#[test]
fn a_fault_of_bytes_counts_once_they_are_not_what_they_were() {
    let now = Instant::now();
    let check = |kind: &str, pieces: &[&'static str], wait: u64, touches: bool| {
        let (faults, mut chain) = chain(&[kind], now);
        for piece in pieces {
            push(&mut chain, now, text(piece));
        }
        advance(&mut chain, now + ms(wait));
        push(&mut chain, now + ms(wait), Piece::End);
        assert_eq!(faults[0].hits(), u64::from(touches), "{kind}");
    };
    check("{close: {after: 3s}}", &["abc"], 2, false);
    check("{close: {after: 3s}}", &["abc"], 3000, true);
    check("{reset: {after_bytes: 4B}}", &["abc", "d"], 0, true);
    check("{reset: {after_bytes: 9B}}", &["abc", "d"], 0, false);
    check("{truncate: {after_bytes: 2B}}", &["abc"], 0, true);
    check("{idle_cut: {after: 60s}}", &["abc"], 59_000, false);
    check("{idle_cut: {after: 60s}}", &["abc"], 60_000, true);
    check("{corrupt: {odds: 0%}}", &["abc"], 0, false);
    check("corrupt", &["abc"], 0, true);
    check("{latency: {add: 1ms, at: chunk}}", &["abc"], 0, true);
    check("{latency: {add: 1ms, at: chunk}}", &[], 0, false);
    check("stall", &[], 0, true);
    check("{slice: {size: 64B}}", &["abc"], 0, false);
    check("{slice: {size: 2B}}", &["abc"], 0, true);
    check("{stall: {after_bytes: 9B}}", &["abc"], 0, false);
    check("{slow_close: {delay: 1s}}", &["abc"], 0, true);
    check("{lose: {share: 0%}}", &["abc"], 0, false);
    check("{lose: {share: 100%}}", &["abc"], 0, true);
}

#[test]
fn a_client_is_refused_at_its_connection_or_at_its_request_but_never_twice() {
    let check = |text: &str, at_connection: bool| {
        let (faults, head) = ([compiled(text)], request("/orders"));
        let connection = Plan::of_connection(&faults, Dice::new(1), 1, &facts(None));
        let request = Plan::roll(&faults, Dice::new(1), 1, &facts(Some(&head)));
        assert_eq!(
            (connection.is_empty(), request.is_empty()),
            (!at_connection, at_connection),
            "{text}"
        );
    };
    check("{do: refuse}", true);
    check(
        "{where: {listener: public, match: {client: 127.0.0.0/8}}, do: refuse}",
        true,
    );
    check("{where: {match: {path: /orders}}, do: refuse}", false);
    check("{where: {cluster: app}, do: refuse}", false);
    check("{where: {cluster: app, leg: client}, do: refuse}", false);
    check("{do: reset}", false);
}

#[test]
fn health_checks_are_told_what_the_first_such_fault_says() {
    let now = Instant::now();
    let faults = [
        fault("reset", now),
        fault("{health: pass}", now),
        fault("{health: fail}", now),
    ];
    let told_now = || told(&faults, Dice::new(1), 1).map(|(told, _)| told);
    assert_eq!(told_now(), Some(Told::Pass));
    faults[1].lift();
    assert_eq!(told_now(), Some(Told::Fail));
    faults[2].lift();
    assert_eq!(told_now(), None);
    assert!(plan(&[fault("{health: pass}", now)], 1).is_empty());
}

#[test]
fn a_connection_that_stands_idle_is_cut_if_a_fault_says_so() {
    let now = Instant::now();
    let check = |kind: &str, cut: Option<Cut>| {
        let faults = [
            fault("abort", now),
            fault("{throttle: {rate: 1KiB/s}}", now),
            fault(kind, now),
        ];
        let told = Plan::cut_of_standing(&faults, Dice::new(1), 1, &facts(None), now).map(|(cut, by)| {
            assert!(Arc::ptr_eq(&by, &faults[2]));
            cut
        });
        assert_eq!(told, cut, "{kind}");
    };
    check("reset", Some(Cut::Reset));
    check("{close: {flow: request}}", Some(Cut::Close));
    check("{refuse: {standing: reset}}", Some(Cut::Reset));
    check("refuse", None);
    check("{reset: {after: 1s}}", None);
    check("{reset: {after_bytes: 1B}}", None);
}

#[test]
fn a_fault_that_ends_no_connection_has_not_met_the_idle_ones() {
    let now = Instant::now();
    let faults = [fault("{throttle: {rate: 1KiB/s}}", now), fault("reset", now)];
    let idle = |faults| Plan::cut_of_standing(faults, Dice::new(1), 1, &facts(None), now);
    assert!(idle(&faults[..1]).is_none() && idle(&faults).is_some());
    assert_eq!((faults[0].hits(), faults[1].hits()), (0, 1));
    assert_eq!(faults[0].effect().matched, 0);
}

#[test]
fn a_request_that_stands_meets_what_its_bodies_can_still_suffer() {
    let now = Instant::now();
    let check = |text: &str, met: bool| {
        let (faults, head) = ([compiled(text)], request("/orders"));
        let facts = facts(Some(&head));
        let mut plan = Plan::of_standing_request(&faults, Dice::new(1), 1, &facts, now);
        assert_eq!(plan.flow(Flow::Reply, now).is_some(), met, "{text}");
    };
    check("{do: stall}", true);
    check("{where: {match: {path: /orders}}, do: stall}", true);
    check("{where: {match: {path: /other}}, do: stall}", false);
    check("{do: {reset: {after: 1s}}}", true);
    check("{where: {match: {path: /orders}}, do: reset}", true);
    // Its connection was asked.
    check("{do: reset}", false);
    check("{where: {cluster: app}, do: reset}", false);
    check("{where: {cluster: app, listener: public}, do: reset}", true);
    // The head has gone out with another length.
    check("{do: {body: {replace: chaos}}}", false);
    check("{do: abort}", false);
}

#[test]
fn a_seed_repeats_an_exchange() {
    let now = Instant::now();
    let faults = [fault("{latency: {add: 1s, jitter: 1s}}", now)];
    let wait = |exchange| match plan(&faults, exchange).open(0, now, None) {
        Verdict::Wait(wait) => wait,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(1), wait(1));
    assert_ne!(wait(1), wait(2));
    assert!(wait(3) <= Duration::from_secs(2));
}

#[test]
fn what_ends_an_exchange_after_a_time_is_due_though_nothing_comes() {
    let now = Instant::now();
    let check = |kind: &str, expected: Option<(u64, Cut)>| {
        let faults = [fault(kind, now)];
        let due = plan(&faults, 1).due(now);
        let told = due.first().map(|due| (due.at - now, due.cut));
        let expected = expected.map(|(after, cut)| (Duration::from_millis(after), cut));
        assert_eq!(told, expected, "{kind}");
        assert_eq!(faults[0].hits(), 0, "nothing has happened yet");
        due.iter().for_each(Due::touch);
        assert_eq!(faults[0].hits(), u64::from(told.is_some()), "{kind}");
    };
    check("{reset: {after: 2s}}", Some((2000, Cut::Reset)));
    check("{close: {after: 1s, flow: request}}", Some((1000, Cut::Close)));
    check("{timeout: {after: 500ms}}", Some((500, Cut::Close)));
    check(
        "{timeout: {after: 500ms, since: start, flow: request}}",
        Some((500, Cut::Close)),
    );
    // What waits for data, or for nothing but its lifting, ends nobody who is silent.
    check("{reset: {after: 2s, since: data}}", None);
    check("{timeout: {after: 500ms, flow: request}}", None);
    check("timeout", None);
    check("{close: {after_bytes: 1B}}", None);
    check("{throttle: {rate: 1KiB/s}}", None);
}

#[test]
fn the_first_that_is_due_comes_first_and_times_count_from_when_bytes_could_flow() {
    let now = Instant::now();
    let faults = ["{close: {after: 2s}}", "{reset: {after: 1s}}"].map(|kind| fault(kind, now));
    let mut plan = plan(&faults, 1);
    plan.begin_flows(now);
    let late = now + Duration::from_millis(1500);
    let due: Vec<_> = plan.due(late).iter().map(|due| (due.at - now, due.cut)).collect();
    assert_eq!(
        due,
        [
            (Duration::from_secs(1), Cut::Reset),
            (Duration::from_secs(2), Cut::Close)
        ]
    );
    // The body of an answer that took its time is cut when the exchange is, and no later.
    let mut body = plan.flow(Flow::Reply, late).unwrap();
    assert_eq!(body.next_wakeup(), Some(now + Duration::from_secs(1)));
    assert_eq!(advance(&mut body, late), [Piece::Cut(Cut::Reset)]);
}

#[test]
fn what_goes_by_words_leaves_alone_what_passes_unread() {
    let check = |kind: &str, meets: bool| {
        let faults = [fault(kind, Instant::now())];
        let plan = Plan::of_unread(&faults, Dice::new(7), 1, &facts(None));
        assert_eq!(!plan.is_empty(), meets, "{kind}");
    };
    check("reset", true);
    check("{latency: {add: 1s}}", true);
    check("failover", true);
    check("disconnect", false);
    check("{latency: {add: 1s, at: reply}}", false);
    check("{abort: {error: deadlock}}", false);
    check("{rate_limit: {rate: 1/s}}", false);
}
