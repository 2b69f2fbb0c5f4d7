//! A profile varied by a seed, for a blind drill: who has read it before cannot tell what comes when, and where. Pure: the same
//! seed and profile give the same variation.
//!
//! What is varied leaves the story what it is. Waits last longer or shorter on the wall, never in the story, so that every act,
//! curve and interval of the original stands where it stood; and of the rest only what the profile permits (`vary`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::profile::{Kind, Profile, Sight, When};
use crate::units::{Dice, Probability, stable_hash};

/// What was varied in one drill.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Variation {
    /// The seed that repeats it.
    pub seed: u64,
    /// How long each wait lasted on the wall, where 1 is as usual, by its phase.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waits: BTreeMap<String, f64>,
    /// The roles that changed places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swapped: Vec<(String, String)>,
    /// The odds of faults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub odds: BTreeMap<String, Probability>,
}

impl Variation {
    /// What was varied, in words, with names between backticks.
    pub fn words(&self) -> String {
        let waits = self.waits.iter();
        let waits = waits.map(|(phase, times)| {
            format!("the wait of `{phase}` lasted {times:.2} times as long on the wall")
        });
        let swapped = self.swapped.iter();
        let swapped = swapped.map(|(one, other)| format!("`{one}` and `{other}` changed places"));
        let odds = self
            .odds
            .iter()
            .map(|(fault, odds)| format!("`{fault}` had odds of {odds}"));
        let all: Vec<_> = waits.chain(swapped).chain(odds).collect();
        match all.is_empty() {
            true => format!("nothing could be varied by seed {}", self.seed),
            false => format!("varied by seed {}: {}", self.seed, all.join("; ")),
        }
    }
}

/// A wait is so much longer or shorter at most.
const WAITS: f64 = 0.3;

/// The questions that a variation asks the dice, apart from those of faults.
const WAIT: u64 = 0x7761;
const SWAP: u64 = 0x7377;
const ODDS: u64 = 0x6f64;

/// The profile, in its long form, as this seed varies it; `certain`: an optional role is bound to a certain server.
pub fn vary(profile: &Profile, seed: u64, certain: bool) -> (Profile, Variation) {
    let dice = Dice::new(seed);
    let roll = |question: u64, name: &str| dice.roll(question, stable_hash(name.as_bytes()));
    let mut varied = profile.clone();
    let mut variation = Variation {
        seed,
        ..Variation::default()
    };
    let waits = profile.phases.iter().filter(|phase| phase.kind == Kind::Wait);
    variation.waits = waits
        .map(|phase| {
            let factor = 1.0 - WAITS + 2.0 * WAITS * roll(WAIT, &phase.name);
            // In the report it reads as it was.
            (phase.name.clone(), (factor * 100.0).round() / 100.0)
        })
        .collect();
    let swaps = profile.vary.swap.iter().filter(|_| !certain);
    for (one, other) in swaps.filter(|(one, _)| roll(SWAP, one) < 0.5) {
        swap(&mut varied, one, other);
        variation.swapped.push((one.clone(), other.clone()));
    }
    for (name, (least, greatest)) in &profile.vary.odds {
        let (least, greatest) = (least.get(), greatest.get());
        let share = least + (greatest - least) * roll(ODDS, name);
        let odds = Probability::new((share * 1000.0).round() / 1000.0).unwrap_or_default();
        if let Some(fault) = varied.faults.get_mut(name) {
            fault.odds = odds;
            variation.odds.insert(name.clone(), odds);
        }
    }
    (varied, variation)
}

/// Lets two roles change places, wherever the profile names them.
fn swap(profile: &mut Profile, one: &str, other: &str) {
    let other_of = |role: &mut String| {
        if role == one {
            other.clone_into(role);
        } else if role == other {
            one.clone_into(role);
        }
    };
    profile.needs = std::mem::take(&mut profile.needs)
        .into_iter()
        .map(|(mut role, need)| {
            other_of(&mut role);
            (role, need)
        })
        .collect();
    for fault in profile.faults.values_mut() {
        fault.r#where.role.iter_mut().for_each(other_of);
    }
    for class in profile.traffic.values_mut() {
        class.pin.iter_mut().for_each(other_of);
        class.split = std::mem::take(&mut class.split)
            .into_iter()
            .map(|(mut role, share)| {
                other_of(&mut role);
                (role, share)
            })
            .collect();
    }
    for act in profile.acts.values_mut() {
        act.seen_by.iter_mut().filter_map(role_of).for_each(other_of);
    }
    for leave in profile.phases.iter_mut().flat_map(|phase| &mut phase.leave) {
        if let When::Admitted(over) = &mut leave.when {
            other_of(&mut over.role);
        }
    }
}

/// The role whose servers are looked at.
fn role_of(sight: &mut Sight) -> Option<&mut String> {
    match sight {
        Sight::Drained(role)
        | Sight::Restarted(role)
        | Sight::RestartedAtOnce(role)
        | Sight::RestartedInTurn(role) => Some(role),
        Sight::Admitted(admission) => Some(&mut admission.role),
        Sight::Header(header) => Some(&mut header.role),
        Sight::RolledBack | Sight::MonitorsFell | Sight::Signal(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::drill::{
        profile::proof,
        profiles::{self, SHIPPED},
    };

    fn all() -> Vec<Profile> {
        let load = |shipped: &profiles::Shipped| profiles::load(shipped.name).unwrap().expand();
        SHIPPED.iter().map(load).collect()
    }

    proptest! {
        #[test]
        fn what_is_varied_can_still_be_run_and_is_the_same_for_the_same_seed(seed: u64, certain: bool) {
            for profile in all() {
                let (varied, variation) = vary(&profile, seed, certain);
                prop_assert_eq!(proof::prove(&varied), vec![]);
                prop_assert_eq!(vary(&profile, seed, certain), (varied.clone(), variation.clone()));
                // Only what stands in the report differs: what the story is, and what it is measured by, stands as it stood.
                let mut back = varied;
                for (one, other) in &variation.swapped {
                    swap(&mut back, one, other);
                }
                for name in variation.odds.keys() {
                    back.faults.get_mut(name).unwrap().odds = profile.faults.get(name).unwrap().odds;
                }
                prop_assert_eq!(&back, &profile);
                for factor in variation.waits.values() {
                    prop_assert!((0.7..=1.3).contains(factor), "{}", factor);
                }
                for (name, odds) in &variation.odds {
                    let (least, greatest) = profile.vary.odds[name];
                    prop_assert!(*odds >= least && *odds <= greatest, "{} {}", name, odds);
                }
                prop_assert!(!certain || variation.swapped.is_empty());
            }
        }
    }

    #[test]
    fn seeds_differ_and_either_server_may_be_the_one() {
        let profile = profiles::load("orm-break").unwrap();
        let varied: Vec<_> = (0..32).map(|seed| vary(&profile, seed, false).1).collect();
        assert!(varied.iter().any(|one| one.swapped.is_empty()));
        assert!(varied.iter().any(|one| !one.swapped.is_empty()));
        let mut latent: Vec<_> = varied.iter().map(|one| one.waits["latent"].to_string()).collect();
        latent.sort();
        latent.dedup();
        assert!(latent.len() > 16, "{latent:?}");
    }

    #[test]
    fn roles_change_places_wherever_they_are_named() {
        let profile = profiles::load("orm-break").unwrap();
        let seed = (0..)
            .find(|seed| !vary(&profile, *seed, false).1.swapped.is_empty())
            .unwrap();
        let (varied, _) = vary(&profile, seed, false);
        let write = varied.traffic.get("write").unwrap();
        assert_eq!(write.pin.as_deref(), Some("http.replica"));
        let fault = varied.faults.get("app-500").unwrap();
        assert_eq!(fault.r#where.role.as_deref(), Some("http.replica"));
        let drained = Sight::Drained("http.replica".to_owned());
        assert_eq!(varied.acts.get("drain-source").unwrap().seen_by, [drained]);
    }
}
