//! Acts that are seen: by a signal, and by headers, which are watched only as long as an act waits for them.

use super::*;
use crate::drill::{event::Known, profile::Header, signal::Signal, simulated::bound};

/// The shipped incident, where a tool of the team's tells of the restart, and the servers of the repair.
fn script() -> Script {
    let text = crate::drill::profiles::find("orm-break").unwrap().text;
    let text = text.replace(
        "seen_by: [{restarted: http.source}]",
        "seen_by: [{signal: restarted}]",
    );
    let watched = "takes: 3m\n    seen_by: [{header: {role: http.source, name: x-config, is: old}}]";
    let text = text.replace("takes: 3m", watched);
    let profile = crate::drill::profiles::read("orm-break", &text).unwrap();
    bound(profile, Mode::Rehearse, true)
}

fn header() -> Header {
    Header {
        role: "http.source".into(),
        name: "x-config".into(),
        is: Some("old".into()),
    }
}

fn signal(name: &str) -> Order {
    Order::Signal(Signal {
        name: name.into(),
        from: Some("Argo CD".into()),
        text: None,
    })
}

#[tokio::test(start_paused = true)]
async fn an_act_is_seen_by_a_signal_and_its_gates_stand_before_it_too() {
    let mut drill = Drill::of(script(), Nature::Honest);
    drill.pass(30).await;
    let acts = |drill: &Drill| -> Vec<(String, String, Outcome)> {
        let acts = drill.told.iter().filter_map(|told| match &told.event {
            Event::ActEnded(act) => {
                assert_eq!(act.known, Known::Observed);
                Some((act.act.clone(), act.seen.clone()?, act.result))
            }
            _ => None,
        });
        acts.collect()
    };
    drill.ask(vec![signal("unheard-of"), signal("restarted")]);
    let restarted = |result| ("restart".to_owned(), "signal `restarted`".to_owned(), result);
    assert_eq!(acts(&drill), [restarted(Outcome::Refused)]);
    for said in ["new", "old"] {
        let mut seen = drill.world.observe();
        let key = ("app/app-a".to_owned(), "x-config".to_owned());
        seen.headers.insert(key, said.to_owned());
        let actions = drill.timeline.advance(Instant::now(), &seen, Vec::new());
        drill.carry_out(actions);
    }
    // Each takes its time in the story.
    drill.pass(600).await;
    drill.ask(vec![signal("restarted"), signal("restarted")]);
    drill.pass(600).await;
    let repaired = "header `x-config: old`, `new` before".to_owned();
    let repaired = ("restore-config".to_owned(), repaired, Outcome::Ok);
    assert_eq!(
        acts(&drill),
        [restarted(Outcome::Refused), repaired, restarted(Outcome::Ok)]
    );
}

#[tokio::test(start_paused = true)]
async fn headers_are_watched_only_as_long_as_an_act_waits_for_them() {
    let (world, script) = (Simulated::new(Nature::Honest), Arc::new(script()));
    let (mut timeline, first) = Timeline::begin(script, Instant::now(), &world.observe());
    let watched = |actions: &[Action]| -> Vec<Vec<Header>> {
        let watched = actions.iter().filter_map(|action| match action {
            Action::Watch(headers) => Some(headers.clone()),
            _ => None,
        });
        watched.collect()
    };
    assert_eq!(watched(&first), [vec![header()]]);
    let accept = Order::Lead(Lead {
        by: "fay".into(),
        verb: Verb::Accept("restore-config".into()),
        ticket: 1,
    });
    let done = timeline.advance(Instant::now(), &world.observe(), vec![accept]);
    assert_eq!(watched(&done), [Vec::new()], "{done:?}");
}
