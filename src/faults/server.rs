//! A backend that carries so much and no more, dies, comes back, and dies again: what `capacity` and `crash_loop` share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::ramp::Load;
use crate::units::Stream;

/// How long a burst the backend swallows beyond what it carries: what it has in its accept queue.
const BURST: Duration = Duration::from_millis(250);

/// A second without a refusal ends an overload.
const CALM: Duration = Duration::from_secs(1);

/// How soon a standing connection notices that its backend has died of overload; design rule 4 gives 100 ms.
const NOTICE: Duration = Duration::from_millis(50);

/// What the backend can take, and how it lives.
#[derive(Clone, Debug)]
pub(super) struct Nature {
    /// What it carries; `None`: anything.
    pub(super) carries: Option<Load>,
    /// What it carries when all is well, in exchanges per second, if that was written.
    pub(super) baseline: Option<f64>,
    /// How long an overload it survives; `None`: any.
    pub(super) dies_after: Option<Duration>,
    /// How long it lives in any case; `None`: for ever.
    pub(super) up: Option<Duration>,
    /// How long it is down when it has died.
    pub(super) down: Duration,
}

/// What becomes of an exchange that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is carried.
    Carried,
    /// It is beyond what the backend carries.
    Beyond,
    /// The backend is down.
    Down,
}

/// The backend as the fault sees it.
#[derive(Debug)]
pub(super) struct Server {
    nature: Nature,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    begun: Instant,
    baseline: Option<f64>,
    up_since: Instant,
    down_until: Option<Instant>,
    deaths: u64,
    /// What may still come at once, in exchanges; `None` until the first came.
    tokens: Option<f64>,
    filled: Instant,
    /// The first and the last refusal of the overload that lasts.
    overload: Option<(Instant, Instant)>,
}

impl State {
    const fn new(now: Instant, baseline: Option<f64>) -> Self {
        Self {
            begun: now,
            baseline,
            up_since: now,
            down_until: None,
            deaths: 0,
            tokens: None,
            filled: now,
            overload: None,
        }
    }

    fn die(&mut self, at: Instant, down: Duration) {
        self.down_until = Some(at + down);
        self.deaths += 1;
        self.overload = None;
    }
}

impl Server {
    /// A backend that begins its life now.
    pub(super) fn new(nature: Nature, now: Instant) -> Arc<Self> {
        let state = Mutex::new(State::new(now, nature.baseline));
        Arc::new(Self { nature, state })
    }

    /// Takes an exchange that arrives now, or does not.
    pub(super) fn arrive(&self, now: Instant, dice: &mut Stream) -> Arrival {
        let mut state = self.settled(now);
        if state.down_until.is_some() {
            return Arrival::Down;
        }
        if self.carries(&mut state, now, dice) {
            return Arrival::Carried;
        }
        let first = match state.overload {
            Some((first, last)) if now.saturating_duration_since(last) < CALM => first,
            _ => now,
        };
        state.overload = Some((first, now));
        let lasted = now.saturating_duration_since(first);
        if self.nature.dies_after.is_some_and(|patience| lasted >= patience) {
            state.die(now, self.nature.down);
            return Arrival::Down;
        }
        Arrival::Beyond
    }

    /// Begins a new life, with curves and cycles from their start.
    pub(super) fn restart(&self, now: Instant) {
        let mut state = self.settled(now);
        let deaths = state.deaths + 1;
        *state = State {
            deaths,
            ..State::new(now, state.baseline)
        };
    }

    /// Is told what the backend carries when all is well, unless that was written.
    pub(super) fn learn_baseline(&self, per_second: f64) {
        let mut state = self.lock();
        state.baseline = self.nature.baseline.or(Some(per_second));
    }

    /// How often it has died.
    pub(super) fn deaths(&self, now: Instant) -> u64 {
        self.settled(now).deaths
    }

    /// Whether it is down.
    pub(super) fn is_down(&self, now: Instant) -> bool {
        self.settled(now).down_until.is_some()
    }

    /// When to look whether it has died: when its time is up, or soon if an overload may kill it. `None`: it does not die.
    pub(super) fn may_die(&self, now: Instant) -> Option<Instant> {
        let of_age = self.nature.up.map(|up| self.settled(now).up_since + up);
        let of_overload = self.nature.dies_after.map(|_| now + NOTICE);
        of_age
            .into_iter()
            .chain(of_overload)
            .min()
            .map(|at| at.max(now + Duration::from_millis(1)))
    }

    fn carries(&self, state: &mut State, now: Instant, dice: &mut Stream) -> bool {
        let per_second = match &self.nature.carries {
            None => return true,
            Some(Load::Rate(rate)) => 1.0 / rate.period().as_secs_f64().max(1e-9),
            Some(Load::Share(ramp)) => {
                let share = ramp.at(now.saturating_duration_since(state.begun));
                match state.baseline {
                    Some(baseline) => share * baseline,
                    // Nobody knows what all is: then it is a share of what comes.
                    None => return dice.unit() < share,
                }
            }
        };
        state.take_token(now, per_second)
    }

    fn settled(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        // Each turn is one death or one return; spans of whole cycles are skipped so that a long silence costs nothing.
        if let Some(up) = self.nature.up {
            state.skip_cycles(now, up, self.nature.down);
        }
        loop {
            let ends = match (state.down_until, self.nature.up) {
                (Some(back), _) => back,
                (None, Some(up)) => state.up_since + up,
                (None, None) => return state,
            };
            if ends > now {
                return state;
            }
            if state.down_until.take().is_some() {
                (state.up_since, state.tokens) = (ends, None);
            } else {
                state.die(ends, self.nature.down);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_token(&mut self, now: Instant, per_second: f64) -> bool {
        let most = if per_second > 0.0 {
            (per_second * BURST.as_secs_f64()).max(1.0)
        } else {
            0.0
        };
        let came = now.saturating_duration_since(self.filled).as_secs_f64() * per_second;
        let tokens = self.tokens.map_or(most, |tokens| (tokens + came).min(most));
        self.filled = self.filled.max(now);
        let carried = tokens >= 1.0;
        self.tokens = Some(if carried { tokens - 1.0 } else { tokens });
        carried
    }

    fn skip_cycles(&mut self, now: Instant, up: Duration, down: Duration) {
        let cycle = (up + down).max(Duration::from_millis(1));
        let passed = now.saturating_duration_since(self.up_since).as_nanos() / cycle.as_nanos();
        if passed > 1 && self.down_until.is_none() {
            let skipped = u64::try_from(passed - 1).unwrap_or(0);
            let nanos = u64::try_from(cycle.as_nanos() * u128::from(skipped)).unwrap_or(0);
            self.up_since += Duration::from_nanos(nanos);
            self.deaths += skipped;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{faults::trial::yaml, units::Dice};

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn load(text: &str) -> Option<Load> {
        Some(serde_json::from_value(yaml(text)).unwrap())
    }

    fn nature(carries: &str) -> Nature {
        Nature {
            carries: load(carries),
            baseline: None,
            dies_after: None,
            up: None,
            down: MS(2000),
        }
    }

    /// What becomes of exchanges that arrive evenly, so many a second from one time to another.
    fn arrivals(
        server: &Server,
        start: Instant,
        seconds: std::ops::Range<u64>,
        per_second: u64,
    ) -> [usize; 3] {
        let mut dice = Dice::new(5).stream(1, seconds.start);
        let mut counts = [0; 3];
        for i in seconds.start * per_second..seconds.end * per_second {
            let now = start + Duration::from_nanos(i * 1_000_000_000 / per_second);
            counts[server.arrive(now, &mut dice) as usize] += 1;
        }
        counts
    }

    #[test]
    fn beyond_what_it_carries_nothing_is_carried() {
        let start = Instant::now();
        let server = Server::new(nature("40/s"), start);
        assert_eq!(arrivals(&server, start, 0..10, 40), [400, 0, 0]);
        let [carried, beyond, down] = arrivals(&server, start, 10..20, 100);
        assert!((400..=410).contains(&carried), "{carried}");
        assert_eq!((carried + beyond, down), (1000, 0));
        let none = Server::new(
            Nature {
                baseline: Some(100.0),
                ..nature("0%")
            },
            start,
        );
        assert_eq!(arrivals(&none, start, 0..10, 100), [0, 1000, 0]);
    }

    #[test]
    fn a_share_is_of_the_baseline_and_else_of_what_comes() {
        let start = Instant::now();
        let server = Server::new(nature("40%"), start);
        let [carried, ..] = arrivals(&server, start, 0..100, 100);
        assert!((3839..=4161).contains(&carried), "{carried}");
        server.learn_baseline(50.0);
        let [carried, ..] = arrivals(&server, start, 100..200, 100);
        assert!((2000..=2010).contains(&carried), "{carried}");
    }

    #[test]
    fn a_curve_begins_anew_with_a_restart() {
        let start = Instant::now();
        let server = Server::new(
            Nature {
                baseline: Some(100.0),
                ..nature("[[0s, 0%], [100s, 100%]]")
            },
            start,
        );
        let first = arrivals(&server, start, 0..10, 100)[0];
        let later = arrivals(&server, start, 90..100, 100)[0];
        assert!(
            (45..=55).contains(&first) && (940..=980).contains(&later),
            "{first} {later}"
        );
        server.restart(start + MS(100_000));
        let again = arrivals(&server, start, 100..110, 100)[0];
        assert!((45..=55).contains(&again), "{again}");
    }

    #[test]
    fn an_overload_that_lasts_kills_it_and_it_comes_back() {
        let start = Instant::now();
        let server = Server::new(
            Nature {
                dies_after: Some(MS(5000)),
                ..nature("40/s")
            },
            start,
        );
        assert_eq!(arrivals(&server, start, 0..4, 100)[2], 0);
        // A calm second ends the overload, and its patience begins anew.
        assert_eq!(arrivals(&server, start, 6..10, 100)[2], 0);
        assert_eq!(arrivals(&server, start, 10..11, 100)[2], 0);
        let [_, _, down] = arrivals(&server, start, 11..13, 100);
        assert!((170..200).contains(&down), "{down}");
        assert_eq!(arrivals(&server, start, 14..16, 40), [80, 0, 0]);
    }

    #[test]
    fn in_a_crash_loop_it_lives_and_dies_in_turn() {
        let start = Instant::now();
        let cycle = Nature {
            carries: None,
            up: Some(MS(30_000)),
            down: MS(60_000),
            ..nature("1/s")
        };
        let server = Server::new(cycle, start);
        for round in [0, 1, 2, 100_000, 100_001] {
            let at = start + MS(90_000) * round;
            let mut dice = Dice::new(1).stream(1, 1);
            let check = |after: u64, arrival: Arrival, dice: &mut Stream| {
                assert_eq!(server.arrive(at + MS(after), dice), arrival, "{round} {after}");
            };
            check(1, Arrival::Carried, &mut dice);
            check(29_999, Arrival::Carried, &mut dice);
            check(30_000, Arrival::Down, &mut dice);
            check(89_999, Arrival::Down, &mut dice);
        }
    }
}
