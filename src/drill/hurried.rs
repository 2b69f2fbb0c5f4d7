//! A script before it is run: how long its phases would last.

use std::time::Duration;

use super::{
    profile::Phase,
    script::{Script, When},
};

impl Script {
    /// The phases that break something while the story is compressed, and how long each would last on the wall if people were
    /// as fast as the original.
    pub fn hurried(&self) -> Vec<(String, Duration)> {
        let phases = &self.profile.phases;
        let stations = self.stations.iter().enumerate();
        let hurried = stations.filter(|(_, station)| station.pace > 1.0 && !station.faults.is_empty());
        let lasting = hurried.filter_map(|(place, station)| {
            let after = station.ways.iter().find_map(|way| match way.when {
                When::After(lasts) => Some(lasts),
                _ => None,
            });
            let story = as_original(&phases[place..]).or(after)?;
            Some((station.name.clone(), story.div_f64(station.pace)))
        });
        lasting.collect()
    }
}

/// How long the original was in the first of these phases, where it was in it at all.
fn as_original(phases: &[Phase]) -> Option<Duration> {
    let (phase, later) = phases.split_first()?;
    let entered = phase.at?.0;
    let left = later.iter().find_map(|phase| phase.at)?;
    Some(left.0.saturating_sub(entered))
}
