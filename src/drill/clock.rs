//! Story time and the clock on the wall: who drives a drill, and how fast its story runs.

use std::{num::NonZeroU32, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::profile::{Clock, Kind, Phase, When};

/// Who drives a drill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nobody: an autopilot does what the original team did, when they did it, and the whole story is compressed.
    #[default]
    Replay,
    /// People, by what they do. Waiting is compressed, thinking never.
    Rehearse,
    /// The facilitator, who leads from phase to phase.
    Step,
}

impl Mode {
    /// Whether the autopilot performs the original's acts.
    pub const fn has_autopilot(self) -> bool {
        matches!(self, Self::Replay)
    }

    /// Whether phases are left as soon as a way out opens.
    pub const fn leaves_by_itself(self) -> bool {
        matches!(self, Self::Replay | Self::Rehearse)
    }

    /// Story time per time on the wall while the story is compressed, unless the user says otherwise.
    pub const fn compression(self, clock: &Clock) -> NonZeroU32 {
        match self {
            Self::Replay => clock.replay,
            Self::Rehearse | Self::Step => clock.wait,
        }
    }

    /// Story time per time on the wall during a phase, which lasts `stretch` times as long as usual where people wait.
    pub fn pace(self, clock: &Clock, compression: NonZeroU32, phase: &Phase, stretch: f64) -> f64 {
        let compression = f64::from(compression.get());
        match (self, phase.kind) {
            (Self::Replay, _) => compression / stretch,
            (_, Kind::Think) => f64::from(clock.think.get()),
            // A wait that is over before anybody has seen it teaches nothing.
            (_, Kind::Wait) => match planned(phase) {
                Some(lasts) if !clock.floor.0.is_zero() => {
                    let most = lasts.div_duration_f64(clock.floor.0);
                    (compression.min(most) / stretch).min(most).max(1.0)
                }
                _ => compression / stretch,
            },
        }
    }
}

/// How long a phase is to last, where it is left after a time.
fn planned(phase: &Phase) -> Option<Duration> {
    phase.leave.iter().find_map(|leave| match leave.when {
        When::After(span) => Some(span.0),
        When::Done(_) | When::Ok(_) | When::Admitted(_) => None,
    })
}

/// Turns moments on the wall into moments of the story and back.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoryClock {
    wall: Instant,
    story: Duration,
    pace: f64,
    held: bool,
}

impl StoryClock {
    /// A clock that shows T0 at this moment.
    pub(super) const fn new(now: Instant, pace: f64) -> Self {
        Self {
            wall: now,
            story: Duration::ZERO,
            pace,
            held: false,
        }
    }

    /// The moment of the story.
    pub(super) fn story(&self, now: Instant) -> Duration {
        if self.held {
            return self.story;
        }
        self.story + now.saturating_duration_since(self.wall).mul_f64(self.pace)
    }

    /// The moment on the wall at which the story reaches a point, if it goes on at this pace.
    pub(super) fn wall(&self, story: Duration) -> Instant {
        self.wall + self.on_wall(story.saturating_sub(self.story))
    }

    /// How long a stretch of the story lasts on the wall.
    pub(super) fn on_wall(&self, story: Duration) -> Duration {
        story.div_f64(self.pace)
    }

    /// Whether the story stands still.
    pub(super) const fn is_held(&self) -> bool {
        self.held
    }

    /// Lets the story stand still.
    pub(super) fn hold(&mut self, now: Instant) {
        (self.story, self.wall, self.held) = (self.story(now), now, true);
    }

    /// Lets the story go on from where it stood.
    pub(super) fn resume(&mut self, now: Instant) {
        (self.wall, self.held) = (now, false);
    }

    /// While the story stands still, its moment is now, whenever that is.
    pub(super) fn stand(&mut self, now: Instant) {
        if self.held {
            self.wall = now;
        }
    }

    /// Goes on at another pace from a moment of the story.
    pub(super) fn turn(&mut self, story: Duration, pace: f64) {
        *self = Self {
            wall: self.wall(story),
            story,
            pace,
            held: self.held,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        drill::profile::{END, Leave},
        units::Span,
    };

    fn phase(kind: Kind, minutes: u64) -> Phase {
        let after = When::After(Span::secs(60 * minutes));
        Phase {
            name: "p".into(),
            kind,
            at: None,
            faults: Vec::new(),
            may_fail: [].into(),
            leave: vec![Leave {
                when: after,
                to: END.into(),
            }],
            at_most: None,
        }
    }

    #[test]
    fn a_replay_compresses_everything_and_people_only_wait_faster() {
        let clock = Clock::default();
        let check = |mode: Mode, phase: &Phase, pace: f64| {
            let got = mode.pace(&clock, mode.compression(&clock), phase, 1.0);
            assert!((got - pace).abs() < 1e-9, "{mode:?}: {got}");
        };
        check(Mode::Replay, &phase(Kind::Think, 10), 60.0);
        check(Mode::Replay, &phase(Kind::Wait, 10), 60.0);
        check(Mode::Rehearse, &phase(Kind::Think, 10), 1.0);
        check(Mode::Rehearse, &phase(Kind::Wait, 10), 10.0);
        check(Mode::Step, &phase(Kind::Wait, 10), 10.0);
        // Two minutes at one to ten would be over in 12 s: the floor is 20 s.
        check(Mode::Rehearse, &phase(Kind::Wait, 2), 6.0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_keeps_its_place_when_the_pace_changes() {
        let start = Instant::now();
        let mut clock = StoryClock::new(start, 60.0);
        let four = Duration::from_secs(240);
        assert_eq!(clock.wall(four), start + Duration::from_secs(4));
        clock.turn(four, 1.0);
        assert_eq!(clock.story(start + Duration::from_secs(4)), four);
        assert_eq!(
            clock.story(start + Duration::from_secs(9)),
            four + Duration::from_secs(5)
        );
    }
}
