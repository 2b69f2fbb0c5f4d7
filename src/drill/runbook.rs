//! A runbook: what an autopilot does in the team's place, so that CI rehearses a team.

use std::{path::Path, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    profile::proof::Finding,
    script::{Pilot, Script, Unfit},
};
use crate::{
    config::{self, Problems},
    units::Span,
};

/// The acts of a team, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runbook {
    /// The grammar that this file is written in.
    pub schema: Grammar,
    /// What the journal calls whoever acts by it.
    pub name: String,
    /// What is done, in this order.
    pub steps: Vec<Step>,
}

/// The grammar that a runbook is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Grammar {
    /// The first, and so far the only one.
    #[serde(rename = "chaosproxy.runbook/v1")]
    V1,
}

/// One act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How long after the first damage, or after the step before has come to its end, in story time.
    pub after: Span,
    /// The act, by its name in the profile.
    pub act: String,
}

/// Who acts in the team's place.
#[derive(Clone, Debug, PartialEq)]
pub enum Autopilot {
    /// The original team, at its times.
    Original,
    /// A team that follows this runbook.
    Runbook(Runbook),
}

impl Autopilot {
    /// `original`, or the runbook in this file.
    ///
    /// # Errors
    /// Everything that is wrong with the file, and where.
    pub fn load(said: &str) -> Result<Self, Problems> {
        if said == "original" {
            return Ok(Self::Original);
        }
        let text = config::read_text(Path::new(said))?;
        config::read(said, &text).map(Self::Runbook)
    }
}

impl Script {
    /// Lets an autopilot act in this run.
    ///
    /// # Errors
    /// The acts of the runbook that the profile does not know.
    pub fn flown_by(mut self, autopilot: &Autopilot) -> Result<Self, Vec<Unfit>> {
        let book = match autopilot {
            Autopilot::Original => {
                self.pilot = Pilot::Original;
                return Ok(self);
            }
            Autopilot::Runbook(book) => book,
        };
        let (mut steps, mut unfit) = (Vec::new(), Vec::new());
        for (place, step) in book.steps.iter().enumerate() {
            match self.acts.iter().position(|act| act.name == step.act) {
                Some(act) => steps.push((step.after.0, act)),
                None => unfit.push(self.unknown(place, &step.act)),
            }
        }
        if !unfit.is_empty() {
            return Err(unfit);
        }
        self.pilot = Pilot::Runbook {
            name: book.name.clone(),
            steps,
        };
        Ok(self)
    }

    fn unknown(&self, place: usize, act: &str) -> Unfit {
        let known: Vec<_> = self.acts.iter().map(|act| act.name.as_str()).collect();
        Unfit::Broken(Finding {
            path: config::Path::of(["steps"]).item(place).key("act"),
            what: format!("the profile has no act `{act}`"),
            mend: format!("it has {}", known.join(", ")),
        })
    }

    /// How long an act is under way.
    pub(super) fn takes(&self, act: usize) -> Duration {
        self.acts[act].takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::{Mode, simulated::orm_break};

    const BOOK: &str = "schema: chaosproxy.runbook/v1
name: the nightly team
steps:
  - {after: 5m, act: find-server}
  - {after: 1m, act: reboot}
";

    #[test]
    fn an_act_that_the_profile_does_not_know_is_told_with_those_that_it_does() {
        let book = config::read("book.yaml", BOOK).unwrap();
        let unfit = orm_break(Mode::Replay, true)
            .flown_by(&Autopilot::Runbook(book))
            .unwrap_err();
        let told: Vec<_> = unfit.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains("`reboot`") && told[0].contains("restore-config"),
            "{told:?}"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        let problems = Autopilot::load("/nowhere/book.yaml").unwrap_err().to_string();
        assert!(problems.contains("/nowhere/book.yaml"), "{problems}");
        assert_eq!(Autopilot::load("original").unwrap(), Autopilot::Original);
    }
}
