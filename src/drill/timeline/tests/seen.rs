//! Acts that are seen: by a signal, and by headers, which are watched only as long as an act waits for them.

use super::*;
use crate::drill::{
    event::{ActEnded, Known},
    profile::Header,
    script::{Binding, Bindings, Settings},
    signal::Signal,
    simulated::{bound, hung_auth},
};

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

/// What came of acts that were seen, so far.
fn acts(drill: &Drill) -> Vec<ActEnded> {
    let acts = drill.told.iter().filter_map(|told| match &told.event {
        Event::ActEnded(act) if act.known == Known::Observed => Some(act.clone()),
        _ => None,
    });
    acts.collect()
}

/// The proxy sees something happen.
fn see(drill: &mut Drill, sight: Sight) {
    let mut seen = drill.world.observe();
    seen.sights.push(sight);
    let actions = drill.timeline.advance(Instant::now(), &seen, Vec::new());
    drill.carry_out(actions);
}

#[tokio::test(start_paused = true)]
async fn who_says_what_only_counts_when_it_is_seen_is_told_what_to_do() {
    let check = |script: Script, act: &str, wanted: &str| {
        let mut drill = Drill::of(script, Nature::Honest);
        let wanted = format!("`{act}` counts when the proxy sees it, not when somebody says so: {wanted}");
        assert_eq!(drill.act(act), Answer::Refused(wanted));
    };
    let quiet = || hung_auth("hung-auth-quiet", Mode::Rehearse, false);
    check(
        orm_break(Mode::Rehearse, true),
        "drain-source",
        "`chaosproxy lb drain app/app-a`",
    );
    check(
        quiet(),
        "admit-quarter",
        "`chaosproxy lb admit 25% --cluster app`",
    );
    check(quiet(), "shut-out", "`chaosproxy lb admit 0% --cluster app`");
    let standby = hung_auth("standby-overload", Mode::Rehearse, false);
    check(standby, "rollback", "`chaosproxy config rollback`");
}

#[tokio::test(start_paused = true)]
async fn a_restart_before_its_gate_is_open_is_told_once_and_must_come_again() {
    let mut drill = Drill::begin(Mode::Rehearse, Nature::Honest);
    drill.pass(30).await;
    let restarted = || Sight::Restarted("http.source".into());
    // One server stands in two clusters, and is seen in both.
    see(&mut drill, restarted());
    drill.pass(1).await;
    see(&mut drill, restarted());
    let told = acts(&drill);
    assert_eq!(told.len(), 1, "{told:?}");
    let refused = &told[0];
    assert_eq!(
        refused.message.as_deref(),
        Some("still cannot connect to the database")
    );
    assert_eq!(
        refused.next.as_deref(),
        Some("it was seen, and must come again after `restore-config`")
    );
    drill.pass(20).await;
    see(&mut drill, restarted());
    assert_eq!(acts(&drill).len(), 2, "somebody tried again");
    drill.act("restore-config");
    drill.pass(200).await;
    assert_eq!(
        drill.timeline.phase(),
        "outage",
        "what did not help then does not help now"
    );
    see(&mut drill, restarted());
    assert_eq!(drill.timeline.phase(), "tail");
    assert_eq!(acts(&drill)[2].next, None);
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_counts_once_its_gate_is_open() {
    let text = crate::drill::profiles::find("orm-break").unwrap().text;
    let gated = "    declare: false\n    gates: [{until: [find-server], refuse: which server}]\n    credit";
    let text = text.replace("    declare: false\n    credit", gated);
    let profile = crate::drill::profiles::read("orm-break", &text).unwrap();
    let mut drill = Drill::of(bound(profile, Mode::Rehearse, true), Nature::Honest);
    drill.pass(30).await;
    drill.world.drain();
    drill.pass(1).await;
    let told = acts(&drill);
    let next = told[0].next.as_deref();
    assert_eq!(next, Some("it was seen, and counts once `find-server` is done"));
    drill.pass(60).await;
    assert_eq!((acts(&drill).len(), drill.timeline.phase()), (1, "outage"));
    assert_eq!(drill.act("find-server"), Answer::Done);
    drill.pass(1).await;
    assert_eq!((acts(&drill).len(), drill.timeline.phase()), (2, "reads-saved"));
}

#[tokio::test(start_paused = true)]
async fn who_sheds_load_before_the_failover_has_sheltered_the_standby() {
    let script = hung_auth("standby-overload", Mode::Rehearse, false);
    let mut drill = Drill::of(script, Nature::Honest);
    drill.pass(10).await;
    let Answer::Performed(commands) = drill.act("shed") else {
        panic!("the proxy admits less, and says so");
    };
    assert_eq!(commands, "`chaosproxy lb admit 40% --cluster standby`");
    for _ in 0..700 {
        advance(Duration::from_millis(100)).await;
        let mut seen = drill.world.observe();
        seen.admitted = [("standby".to_owned(), 0.4)].into();
        let actions = drill.timeline.advance(Instant::now(), &seen, Vec::new());
        drill.carry_out(actions);
    }
    let phases: Vec<_> = drill.phases().into_iter().map(|(_, phase)| phase).collect();
    assert_eq!(phases, ["latent", "failover", "sheltered"]);
}

#[tokio::test(start_paused = true)]
async fn load_is_shed_once_every_cluster_of_the_standby_sheds_it() {
    let profile =
        crate::drill::profiles::load("standby-overload").unwrap_or_else(|problems| panic!("{problems}"));
    let bind = |target: &str, backends| Binding {
        target: target.into(),
        backends,
        ..Binding::default()
    };
    let bindings = Bindings::from([
        ("http.primary".to_owned(), bind("app", 2)),
        (
            "http.standby".to_owned(),
            bind("shop/standby, shop-writes/standby", 2),
        ),
    ]);
    let settings = Settings {
        mode: Mode::Rehearse,
        seed: 7,
        ..Settings::default()
    };
    let mut drill = Drill::of(Script::new(profile, &bindings, settings).unwrap(), Nature::Honest);
    drill.pass(10).await;
    let mut admit = |shares: &[(&str, f64)]| {
        let mut seen = drill.world.observe();
        seen.admitted = shares
            .iter()
            .map(|(name, share)| ((*name).to_owned(), *share))
            .collect();
        let actions = drill.timeline.advance(Instant::now(), &seen, Vec::new());
        drill.carry_out(actions);
        acts(&drill).len()
    };
    assert_eq!(admit(&[("shop", 0.4)]), 0);
    assert_eq!(admit(&[("shop", 0.4), ("shop-writes", 0.5)]), 0);
    assert_eq!(admit(&[("shop", 0.4), ("shop-writes", 0.3)]), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_said_to_be_done_and_not_written_down_again() {
    let mut drill = Drill::begin(Mode::Rehearse, Nature::Honest);
    drill.pass(30).await;
    let ended = |drill: &Drill| {
        let ended = drill
            .told
            .iter()
            .filter(|told| matches!(told.event, Event::ActEnded(_)));
        ended.count()
    };
    assert_eq!(drill.act("find-server"), Answer::Done);
    assert_eq!(ended(&drill), 1);
    let again = drill.act("find-server");
    assert_eq!(again, Answer::Refused("`find-server` is done already".into()));
    assert_eq!(ended(&drill), 1);
    let mut drill = Drill::of(
        hung_auth("standby-overload", Mode::Rehearse, false),
        Nature::Honest,
    );
    drill.pass(30).await;
    assert_eq!(drill.act("find-cause"), Answer::Done);
    see(&mut drill, Sight::RolledBack);
    let again = drill.act("rollback");
    assert_eq!(again, Answer::Refused("`rollback` is done already".into()));
}
