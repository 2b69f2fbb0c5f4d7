//! A team that follows a runbook.

use super::*;
use crate::drill::runbook::Autopilot;

const BOOK: &str = "schema: chaosproxy.runbook/v1
name: the nightly team
steps:
  - {after: 5m, act: find-server}
  - {after: 1m, act: restart}
  - {after: 2m, act: restore-config}
  - {after: 1m, act: restart}
";

#[tokio::test(start_paused = true)]
async fn a_runbook_counts_from_the_first_damage_and_each_step_from_the_end_of_the_one_before() {
    let book = Autopilot::Runbook(crate::config::read("book.yaml", BOOK).unwrap());
    let script = orm_break(Mode::Replay, true).flown_by(&book).unwrap();
    let mut drill = Drill::of(script, Nature::Honest);
    drill.pass(120).await;
    let wanted = [
        "+9m find-server ok",
        "+10m restart refused",
        "+15m restore-config ok",
        "+16m restart ok",
    ];
    assert_eq!(drill.acts(), wanted);
    assert_eq!(drill.timeline.ended(), Some(&Ending::Complete));
    let by = drill.told.iter().find_map(|told| match &told.event {
        Event::ActEnded(act) => Some(act.by.clone()),
        _ => None,
    });
    assert_eq!(by.unwrap(), "the nightly team");
}
