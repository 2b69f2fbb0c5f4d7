//! The short form: one fault and a duration, turned into the long form.

use std::num::NonZeroU32;

use super::{Check, Kind, Leave, Phase, Profile, Target, When};
use crate::units::Span;

/// The phase of the short form in which the fault is active.
const FAULTY: &str = "fault";
/// The phase of the short form in which service must be whole again.
const CLEAR: &str = "clear";
/// How long the short form looks at a service without its fault.
const CLEAR_LASTS: Span = Span::secs(15);
/// How long a short form lasts that does not say: long enough to see it on a dashboard.
const USUAL: Span = Span::secs(60);

impl Profile {
    /// The long form of this profile: a profile that is already long is left as it is.
    ///
    /// A short form runs by the clock on the wall, also in a replay, and its one check is that the fault touched
    /// something: a drill that did nothing must not pass.
    #[must_use]
    pub fn expand(mut self) -> Self {
        let Some(fault) = self.fault.take() else {
            return self;
        };
        let lasts = self.lasts.take().unwrap_or(USUAL);
        self.faults.insert(self.name.clone(), fault);
        self.clock.replay = NonZeroU32::MIN;
        self.clock.wait = NonZeroU32::MIN;
        self.phases = vec![
            wait(FAULTY, vec![self.name.clone()], lasts, CLEAR),
            wait(CLEAR, Vec::new(), CLEAR_LASTS, super::END),
        ];
        self.checks.fidelity.push(Check {
            phase: FAULTY.into(),
            that: Target::Hits(self.name.clone()),
            if_entered: false,
            why: None,
        });
        self
    }
}

fn wait(name: &str, faults: Vec<String>, lasts: Span, to: &str) -> Phase {
    Phase {
        name: name.into(),
        kind: Kind::Wait,
        at: None,
        faults,
        may_fail: [].into(),
        leave: vec![Leave {
            when: When::After(lasts),
            to: to.into(),
        }],
        at_most: None,
    }
}
