//! A backend that carries so much and no more, dies, comes back, and dies again: what `capacity` and `crash_loop` share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    chain::{Line, Piece, Shape},
    hook::Cut,
    ramp::Load,
};
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

    /// What resets a connection when the backend dies.
    pub(super) fn bond(self: &Arc<Self>, now: Instant) -> Option<Box<dyn Shape>> {
        if self.nature.up.is_none() && self.nature.dies_after.is_none() {
            return None;
        }
        let deaths = self.settled(now).deaths;
        let checked = if self.is_down(now) {
            now
        } else {
            now + self.notice(now)
        };
        Some(Box::new(Bond {
            server: Arc::clone(self),
            deaths,
            next: Some(checked),
        }))
    }

    fn is_down(&self, now: Instant) -> bool {
        self.settled(now).down_until.is_some()
    }

    /// When to look again whether it has died.
    fn notice(&self, now: Instant) -> Duration {
        let of_age = self
            .nature
            .up
            .map(|up| (self.lock().up_since + up).saturating_duration_since(now));
        let of_overload = self.nature.dies_after.map(|_| NOTICE);
        of_age
            .into_iter()
            .chain(of_overload)
            .min()
            .unwrap_or(NOTICE)
            .max(Duration::from_millis(1))
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

/// A connection that dies with its backend.
#[derive(Debug)]
struct Bond {
    server: Arc<Server>,
    deaths: u64,
    next: Option<Instant>,
}

impl Bond {
    fn is_broken(&self, now: Instant) -> bool {
        let state = self.server.settled(now);
        state.deaths > self.deaths || state.down_until.is_some()
    }
}

impl Shape for Bond {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        if self.is_broken(at) {
            line.pass(at, Piece::Cut(Cut::Reset));
        }
        line.pass(at, piece);
    }

    fn alarm(&self) -> Option<Instant> {
        self.next
    }

    fn ring(&mut self, at: Instant, line: &mut Line) {
        if self.is_broken(at) {
            self.next = None;
            line.pass(at, Piece::Cut(Cut::Reset));
        } else {
            self.next = Some(at + self.server.notice(at));
        }
    }
}
