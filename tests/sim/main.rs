//! A seeded simulation of control, leases, cluster and drill, in process and on a paused clock: whatever people, drills and
//! time do, in whatever order, what must always hold is looked at after each step.
//!
//! A failure prints the seed and the shortest story that fails; `PROPTEST_CASES=5000` looks longer.

#![allow(clippy::unwrap_used, reason = "a test that fails here says so")]

mod drill;
mod house;
mod model;
mod step;

use chaosproxy::drill::Mode;
use proptest::prelude::*;
use step::{Step, steps};

use crate::house::House;

/// Plays a story to its end, and then lets time pass until every lease is over. A drill that runs by then is cut off, or
/// comes to its own end.
async fn play(seed: u64, story: Vec<Step>) {
    let mut house = House::open(seed);
    for (number, step) in story.into_iter().enumerate() {
        house.play(step.clone()).await;
        house.holds(&format!("after step {number}, {step:?}"));
    }
    if seed.is_multiple_of(2) {
        house.play(Step::Cut).await;
    }
    for _ in 0..32 {
        house.play(Step::Pass(2000)).await;
        house.holds("while everybody is gone");
    }
    house.is_clean();
}

fn run(seed: u64, story: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(play(seed, story));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_house_holds(seed in any::<u64>(), story in steps()) {
        run(seed, story);
    }
}

#[test]
fn a_drill_that_nobody_disturbs_comes_to_its_end_and_leaves_nothing() {
    let story = std::iter::once(Step::Drill("orm-break", Mode::Replay))
        .chain(std::iter::repeat_n(Step::Pass(3000), 120));
    run(7, story.collect());
}

#[test]
fn a_document_whose_fault_has_the_name_of_one_set_by_hand_is_refused() {
    run(
        7,
        vec![
            Step::Take(5, vec!["written"]),
            Step::Apply(1),
            Step::Pass(6000),
            Step::Apply(1),
        ],
    );
}
