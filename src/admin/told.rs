//! What each answer leaves out for those who may not know everything. A type that is missing here cannot be an answer.

use axum::Json;
use serde_json::Value;

use super::{
    ActStatus, Added, BackendStatus, Changed, ClusterStatus, Declared, DrillStatus, FaultStatus, Heard,
    InForce, Judged, Kinds, ListenerStatus, Panicked, Refusal, Renewed, Reset, RevisionStatus, Shown, Status,
    Tool,
    clearance::{Clearance, Tell},
    preflight::Readiness,
    refusal::Kind,
};
use crate::drill::plain::EXERCISE;

/// Answers that name nothing that is broken on purpose, and those that only a facilitator gets.
macro_rules! as_they_are {
    ($($answer:ty),+ $(,)?) => {
        $(impl Tell for $answer {
            fn told(self, _: Clearance) -> Self {
                self
            }
        })+
    };
}

as_they_are!(
    ActStatus,
    Added,
    BackendStatus,
    ClusterStatus,
    FaultStatus,
    Heard,
    InForce,
    Judged,
    Kinds,
    ListenerStatus,
    Panicked,
    Readiness,
    Renewed,
    Reset,
    RevisionStatus,
    Tool,
    Value,
);

impl<T: Tell> Tell for Json<T> {
    fn told(self, clearance: Clearance) -> Self {
        Self(self.0.told(clearance))
    }
}

impl<T: Tell> Tell for Vec<T> {
    fn told(self, clearance: Clearance) -> Self {
        self.into_iter().map(|one| one.told(clearance)).collect()
    }
}

impl Tell for Status {
    fn told(self, clearance: Clearance) -> Self {
        Self {
            // It repeats the choice of incident and what is varied of it.
            seed: None,
            faults: None,
            drill: self.drill.map(|drill| drill.told(clearance)),
            ..self
        }
    }
}

impl Tell for DrillStatus {
    fn told(self, clearance: Clearance) -> Self {
        if self.over {
            return self;
        }
        let blind = clearance.is_blind();
        let name = |name: String| if blind { EXERCISE.to_owned() } else { name };
        Self {
            drill: name(self.drill),
            profile: name(self.profile),
            view: self.view.map(|view| view.plain(blind)),
            sealed: true,
            hint: None,
            ..self
        }
    }
}

impl Tell for Shown {
    fn told(self, _: Clearance) -> Self {
        Self {
            text: Self::plain(&self.text),
            ..self
        }
    }
}

impl Tell for Changed {
    fn told(self, _: Clearance) -> Self {
        Self {
            diff: self.plain.clone(),
            ..self
        }
    }
}

impl Tell for Declared {
    /// When an act is decided is a moment of the story; and what the proxy does for it tells it from acts of other profiles,
    /// which are taken for done as well.
    fn told(self, clearance: Clearance) -> Self {
        if !clearance.is_blind() {
            return self;
        }
        let under_way = self.state.starts_with(Self::UNDER_WAY);
        Self {
            state: if under_way {
                Self::UNDER_WAY.to_owned()
            } else {
                self.state
            },
            by_proxy: None,
            ..self
        }
    }
}

impl Tell for Refusal {
    /// The words of a gate are meant for responders; other conflicts may name what the profile holds.
    fn told(self, clearance: Clearance) -> Self {
        match self.r#type {
            Kind::Conflict if clearance.is_blind() => {
                Self::new(Kind::Conflict, "this cannot be done now", "ask the facilitator")
            }
            _ => self,
        }
    }
}
