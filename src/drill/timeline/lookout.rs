//! What is seen to come true: which acts the proxy sees people do, and when more traffic is admitted than servers can take.
//!
//! Pure, as all of the timeline: what is observed goes in, with its moments.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    headers::{Headers, stands_for},
    restarts::{Manner, Restarts},
};
use crate::drill::{
    facts::{Observed, Stand},
    profile::{Admission, Sight},
    script::{Script, When},
};

/// Monitoring has fallen silent when it did not ask for so many times as long as it usually takes between two requests.
const SILENT: u32 = 10;

/// What is usual is known once so many requests have come.
const KNOWN_AFTER: u64 = 5;

/// An act that was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sighted {
    /// Which.
    pub(super) act: usize,
    /// Who saw it.
    pub(super) by: String,
    /// By what.
    pub(super) how: String,
    /// Whether it goes on, as an admission does and a restart does not.
    pub(super) stands: bool,
}

impl Sighted {
    fn by_the_proxy(act: usize, sight: &Sight, how: String) -> Self {
        Self {
            act,
            by: "the proxy".to_owned(),
            how,
            stands: stands(sight),
        }
    }
}

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Lookout {
    /// Sights that hold, by act and place: each is told when it begins to.
    holds: BTreeSet<(usize, usize)>,
    monitors: Silence,
    headers: Headers,
    restarts: BTreeMap<String, Restarts>,
    /// Acts that count once more if what they are seen by still stands.
    again: BTreeSet<usize>,
    /// Since when too much is admitted, by way out of the station.
    over: BTreeMap<usize, Duration>,
    station: usize,
}

impl Lookout {
    /// Looks for the first time: what holds already is no news.
    pub(super) fn new(script: &Script, now: Instant, seen: &Observed) -> Self {
        let mut lookout = Self {
            holds: BTreeSet::new(),
            monitors: Silence::new(now, seen.monitors.requests()),
            headers: Headers::default(),
            restarts: BTreeMap::new(),
            again: BTreeSet::new(),
            over: BTreeMap::new(),
            station: 0,
        };
        lookout.look(script, now, Duration::ZERO, seen);
        lookout
    }

    /// The acts that people were seen to try since the last look, and were refused.
    pub(super) fn rebuffed(&self, script: &Script, seen: &Observed) -> Vec<Sighted> {
        let refused = sights(script).filter(|(_, _, sight)| seen.rebuffs.contains(sight));
        let tried = "tried on this proxy";
        refused
            .map(|(act, _, sight)| Sighted::by_the_proxy(act, sight, tried.into()))
            .collect()
    }

    /// The acts that are seen to be done since the last look.
    pub(super) fn look(
        &mut self,
        script: &Script,
        now: Instant,
        story: Duration,
        seen: &Observed,
    ) -> Vec<Sighted> {
        let silent = self.monitors.look(now, seen.monitors.requests());
        let manners = self.restarted(script, story, seen);
        let told = |role: &String, manner| manners.get(role) == Some(&manner);
        let mut acts: Vec<Sighted> = Vec::new();
        for (act, place, sight) in sights(script) {
            let mut how = sight.words();
            let holds = match sight {
                Sight::Drained(_) | Sight::Restarted(_) | Sight::RolledBack => {
                    // Told by the proxy itself, each time.
                    if seen.sights.contains(sight) {
                        acts.push(Sighted::by_the_proxy(act, sight, how));
                    }
                    continue;
                }
                Sight::Signal(_) => continue,
                Sight::Header(header) => {
                    let said = self.headers.look(script, header, seen);
                    let news = said.is_some();
                    how = said.unwrap_or(how);
                    news
                }
                Sight::RestartedAtOnce(role) => told(role, Manner::AtOnce),
                Sight::RestartedInTurn(role) => told(role, Manner::InTurn),
                Sight::Admitted(admission) => admits(script, admission, seen),
                Sight::MonitorsFell => silent,
            };
            let is_news = match holds {
                true => self.holds.insert((act, place)),
                false => {
                    self.holds.remove(&(act, place));
                    false
                }
            };
            if is_news {
                acts.push(Sighted::by_the_proxy(act, sight, how));
            }
        }
        for again in std::mem::take(&mut self.again) {
            let mut sights = script.acts[again].seen_by.iter();
            let still = sights.find(|sight| still_stands(script, sight, silent, seen));
            let still = still.map(|sight| (sight, format!("still {}", sight.words())));
            acts.extend(still.map(|(sight, how)| Sighted::by_the_proxy(again, sight, how)));
        }
        acts.sort_by_key(|sighted| sighted.act);
        acts.dedup_by_key(|sighted| sighted.act);
        acts
    }

    /// Has the next look tell of an act once more, where what it is seen by still stands then.
    pub(super) fn look_again(&mut self, act: usize) {
        self.again.insert(act);
    }

    /// The ways out of a station that are open because too much was admitted for too long.
    pub(super) fn over(
        &mut self,
        script: &Script,
        station: usize,
        story: Duration,
        seen: &Observed,
    ) -> Vec<usize> {
        if self.station != station {
            self.station = station;
            self.over.clear();
        }
        let mut open = Vec::new();
        for (i, way) in script.stations[station].ways.iter().enumerate() {
            let When::Admitted(limit) = &way.when else {
                continue;
            };
            if admitted(script, &limit.role, seen) <= limit.above.get() {
                self.over.remove(&i);
                continue;
            }
            let since = *self.over.entry(i).or_insert(story);
            if story.saturating_sub(since) >= limit.lasts.0 {
                open.push(i);
            }
        }
        open
    }

    /// In which manner the servers of each role were restarted, where the last of it was seen just now.
    fn restarted(&mut self, script: &Script, story: Duration, seen: &Observed) -> BTreeMap<String, Manner> {
        let mut manners = BTreeMap::new();
        for (_, _, sight) in sights(script) {
            let (Sight::RestartedAtOnce(role) | Sight::RestartedInTurn(role)) = sight else {
                continue;
            };
            if manners.contains_key(role) {
                continue;
            }
            let servers = servers(script, role, seen);
            let restarts = self.restarts.entry(role.clone()).or_default();
            let back = seen.restarted.iter().filter_map(|place| place.split_once('/'));
            for (_, server) in back.filter(|(_, server)| servers.contains(server)) {
                if let Some(manner) = restarts.add(story, server, servers.len()) {
                    manners.insert(role.clone(), manner);
                }
            }
        }
        manners
    }
}

/// Whether what is seen goes on until somebody ends it.
const fn stands(sight: &Sight) -> bool {
    matches!(
        sight,
        Sight::Drained(_) | Sight::Admitted(_) | Sight::MonitorsFell
    )
}

fn still_stands(script: &Script, sight: &Sight, silent: bool, seen: &Observed) -> bool {
    match sight {
        Sight::Admitted(admission) => admits(script, admission, seen),
        Sight::Drained(role) => {
            let mut backends = seen.backends.iter();
            backends.any(|(place, server)| stands_for(script, role, place) && server.stand == Stand::Drained)
        }
        Sight::MonitorsFell => silent,
        _ => false,
    }
}

/// Every sight of every act, with both places.
fn sights(script: &Script) -> impl Iterator<Item = (usize, usize, &Sight)> {
    let acts = script.acts.iter().enumerate();
    acts.flat_map(|(act, one)| {
        let sights = one.seen_by.iter().enumerate();
        sights.map(move |(place, sight)| (act, place, sight))
    })
}

/// The servers of a role, by name: one that stands in several clusters is still one.
fn servers<'a>(script: &Script, role: &str, seen: &'a Observed) -> BTreeSet<&'a str> {
    let backends = seen
        .backends
        .keys()
        .filter(|place| stands_for(script, role, place));
    backends
        .filter_map(|place| Some(place.split_once('/')?.1))
        .collect()
}

/// The share that is admitted of a role's traffic: the least of its clusters.
fn admitted(script: &Script, role: &str, seen: &Observed) -> f64 {
    shares(script, role, seen).fold(1.0, f64::min)
}

/// The share that is admitted by each of a role's clusters.
fn shares<'a>(script: &'a Script, role: &str, seen: &'a Observed) -> impl Iterator<Item = f64> {
    let clusters = script.places(role).filter_map(|place| place.split('/').next());
    clusters.map(|cluster| seen.admitted.get(cluster).copied().unwrap_or(1.0))
}

/// Whether people admit what they were to admit, at every cluster of the role: all is all, nothing is nothing, and else it is
/// something up to the share.
fn admits(script: &Script, admission: &Admission, seen: &Observed) -> bool {
    let wanted = admission.share.get();
    shares(script, &admission.role, seen).all(|is| {
        if wanted >= 1.0 {
            is >= 1.0
        } else {
            is <= wanted && (is > 0.0 || wanted <= 0.0)
        }
    })
}

/// Whether somebody who asks steadily has stopped.
#[derive(Debug)]
struct Silence {
    begun: Instant,
    first: u64,
    /// The last request, and how many there had been by then.
    last: (Instant, u64),
}

impl Silence {
    const fn new(now: Instant, requests: u64) -> Self {
        Self {
            begun: now,
            first: requests,
            last: (now, requests),
        }
    }

    fn look(&mut self, now: Instant, requests: u64) -> bool {
        if requests != self.last.1 {
            self.last = (now, requests);
            return false;
        }
        let came = self.last.1.saturating_sub(self.first);
        let usual = self.last.0.duration_since(self.begun) / u32::try_from(came).unwrap_or(u32::MAX).max(1);
        came >= KNOWN_AFTER && now.duration_since(self.last.0) >= usual * SILENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_times_the_usual_pause_is_silence() {
        let start = Instant::now();
        let mut silence = Silence::new(start, 100);
        let mut look = |secs: u64, requests: u64| silence.look(start + Duration::from_secs(secs), requests);
        assert!((1..=30).all(|second| !look(second, 100 + second)));
        assert!(!look(39, 130));
        assert!(look(40, 130));
        assert!(!look(41, 131), "it asks again");
    }

    #[test]
    fn who_never_asked_is_not_silent() {
        let start = Instant::now();
        let mut silence = Silence::new(start, 0);
        assert!(!silence.look(start + Duration::from_secs(3600), 0));
        assert!(!silence.look(start + Duration::from_secs(3601), 3));
        assert!(!silence.look(start + Duration::from_secs(99_999), 3));
    }
}
