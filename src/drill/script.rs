//! A profile made ready for one run: roles bound, stand-ins chosen, names resolved to indices.

mod resolve;

use std::{collections::BTreeMap, fmt, num::NonZeroU32, sync::Arc, time::Duration};

use sha2::{Digest, Sha256};

use self::resolve::{act, form, replaced, station, unread};
use super::{
    clock::Mode,
    event::{Form, Started},
    profile::{self, Kind, Over, Profile, Sight, Steady, proof},
    vary::{Variation, vary},
};
use crate::{
    faults::Entry,
    units::{Probability, Span},
};

/// What the user's document binds to a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// The backend or cluster, as written: `app/app-a`, `orders-db`.
    pub target: String,
    /// How many backends that is.
    pub backends: usize,
    /// Whether it is what an application needs, such as its database: it is reached by listeners that do not speak HTTP,
    /// beside others that do.
    pub beneath: bool,
    /// Whether encrypted sessions pass unread on the way there, so that only faults of connections and of bytes meet them.
    pub unread: bool,
}

/// What each role is bound to.
pub type Bindings = BTreeMap<String, Binding>;

/// How a profile is to be run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Who drives.
    pub mode: Mode,
    /// Story time per time on the wall while the story is compressed; the profile's own where there is none.
    pub compression: Option<NonZeroU32>,
    /// The seed of the dice.
    pub seed: u64,
    /// A tighter limit on how long the drill may last.
    pub max_wall: Option<Span>,
    /// The seed of what is varied, where those who take part must not know what it is about.
    pub blind: Option<u64>,
}

/// Where a class of traffic must go while a drill runs, as it did in the incident's system.
#[derive(Clone, Debug, PartialEq)]
pub struct Steer {
    /// The class.
    pub class: String,
    /// The methods that belong to it.
    pub methods: Vec<String>,
    /// The roles that serve it, with their shares.
    pub to: Vec<(String, Probability)>,
}

/// Why a profile cannot be run here.
#[derive(Clone, Debug, PartialEq)]
pub enum Unfit {
    /// A required role is not bound.
    Unbound(String),
    /// A role stands for too few backends.
    TooFew {
        /// The role.
        role: String,
        /// What it is bound to.
        has: usize,
        /// What the profile needs.
        needs: usize,
    },
    /// A drill that may last longer than its profile allows.
    Wider {
        /// What was asked for.
        asked: Span,
        /// What the profile allows.
        limit: Span,
    },
    /// A drill that may last no time at all.
    NoTime,
    /// The profile itself is wrong.
    Broken(proof::Finding),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unbound(role) => write!(
                f,
                "role `{role}` is not bound: add `{role}: CLUSTER/BACKEND` to `roles` in the document"
            ),
            Self::TooFew { role, has, needs } => write!(
                f,
                "role `{role}` stands for {has} backends and the profile needs {needs}: bind it to a larger cluster"
            ),
            Self::Wider { asked, limit } => write!(
                f,
                "a drill may tighten its profile's limits and never widen them: {asked} is longer than the {limit} of \
                 `limits.max_wall`"
            ),
            Self::NoTime => f.write_str("a drill that may last `0s` on the wall never begins: say longer"),
            Self::Broken(finding) => write!(f, "{}: {}; {}", finding.path, finding.what, finding.mend),
        }
    }
}

/// A fault with its name, as a lease holds it.
pub type Named = (String, Entry);

/// A profile made ready for one run.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) profile: Arc<Profile>,
    pub(super) settings: Settings,
    pub(super) compression: NonZeroU32,
    pub(super) stations: Vec<Station>,
    pub(super) acts: Vec<Act>,
    pub(super) pilot: Pilot,
    roles: BTreeMap<String, String>,
    replaced: BTreeMap<String, String>,
    form: Form,
    unread: Vec<String>,
    /// Of the profile as it was before it was varied.
    hash: String,
    variation: Option<Variation>,
}

/// Who acts in the team's place.
#[derive(Clone, Debug)]
pub(super) enum Pilot {
    Nobody,
    Original,
    /// How long after the step before, and which act.
    Runbook {
        name: String,
        steps: Vec<(Duration, usize)>,
    },
}

/// A phase, resolved.
#[derive(Clone, Debug)]
pub(super) struct Station {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) pace: f64,
    pub(super) faults: Vec<Named>,
    pub(super) may_fail: BTreeMap<String, Probability>,
    pub(super) ways: Vec<Way>,
    pub(super) at_most: Option<Duration>,
    pub(super) injects: Vec<profile::Inject>,
}

/// A way out of a station.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) when: When,
    /// The next station; none is the end.
    pub(super) to: Option<usize>,
}

/// What opens a way out, resolved.
#[derive(Clone, Debug)]
pub(super) enum When {
    After(Duration),
    Done(usize),
    Ok(Steady),
    Admitted(Over),
}

/// An act, resolved.
#[derive(Clone, Debug)]
pub(super) struct Act {
    pub(super) name: String,
    pub(super) declare: bool,
    pub(super) seen_by: Vec<Sight>,
    pub(super) rolls_back: bool,
    pub(super) takes: Duration,
    /// How many people must declare it.
    pub(super) people: usize,
    /// The acts that open each gate, and what it says until then.
    pub(super) gates: Vec<(Vec<usize>, String)>,
}

impl Script {
    /// Makes a profile ready, or says everything that is in the way.
    pub fn new(profile: Profile, bindings: &Bindings, settings: Settings) -> Result<Self, Vec<Unfit>> {
        let mut unfit: Vec<_> = proof::prove(&profile).into_iter().map(Unfit::Broken).collect();
        unfit.extend(unbound(&profile, bindings));
        let limit = profile.limits.max_wall;
        let wider = settings.max_wall.filter(|asked| *asked > limit);
        unfit.extend(wider.map(|asked| Unfit::Wider { asked, limit }));
        let never = settings.max_wall.is_some_and(|asked| asked.0.is_zero());
        unfit.extend(never.then_some(Unfit::NoTime));
        if !unfit.is_empty() {
            return Err(unfit);
        }
        let profile = profile.expand();
        let hash = hash(&profile);
        let (profile, variation) = varied(profile, bindings, settings.blind);
        let compression = settings
            .compression
            .unwrap_or_else(|| settings.mode.compression(&profile.clock));
        let replaced = replaced(&profile, bindings);
        let form = form(&profile, bindings, &replaced);
        let unread = unread(&profile, bindings);
        let pace = |phase: &profile::Phase| {
            let stretch = variation.as_ref().and_then(|it| it.waits.get(&phase.name));
            let stretch = stretch.copied().unwrap_or(1.0);
            settings.mode.pace(&profile.clock, compression, phase, stretch)
        };
        let stations = (profile.phases.iter())
            .map(|phase| station(&profile, phase, pace(phase), &replaced))
            .collect();
        let roles = bindings
            .iter()
            .filter(|(role, _)| profile.needs.contains_key(*role))
            .map(|(role, binding)| (role.clone(), binding.target.clone()))
            .collect();
        Ok(Self {
            acts: profile
                .acts
                .iter()
                .map(|(name, one)| act(&profile, name, one))
                .collect(),
            profile: Arc::new(profile),
            pilot: match settings.mode.has_autopilot() {
                true => Pilot::Original,
                false => Pilot::Nobody,
            },
            settings,
            compression,
            stations,
            roles,
            replaced,
            form,
            unread,
            hash,
            variation,
        })
    }

    /// The profile in its long form.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Who drives.
    pub const fn mode(&self) -> Mode {
        self.settings.mode
    }

    /// How many minutes of the story pass in a minute on the wall, while waiting is compressed.
    pub const fn compression(&self) -> u32 {
        self.compression.get()
    }

    /// Whether those who take part must not know what it is about.
    pub const fn is_blind(&self) -> bool {
        self.settings.blind.is_some()
    }

    /// The seed of the dice.
    pub const fn seed(&self) -> u64 {
        self.settings.seed
    }

    /// Whether the application really fails.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Where traffic must go while the drill runs.
    pub fn steering(&self) -> Vec<Steer> {
        let steer = |(name, class): (&str, &profile::Class)| {
            let pin = class.pin.iter().map(|role| (role.clone(), Probability::ALWAYS));
            let split = class.split.iter().map(|(role, share)| (role.clone(), *share));
            Steer {
                class: name.to_owned(),
                methods: class.methods.clone(),
                to: pin.chain(split).collect(),
            }
        };
        self.profile
            .traffic
            .iter()
            .map(steer)
            .filter(|steer| !steer.to.is_empty())
            .collect()
    }

    /// How long the drill may last on the wall: the profile's limit, or a tighter one.
    pub fn max_wall(&self) -> Duration {
        self.settings.max_wall.unwrap_or(self.profile.limits.max_wall).0
    }

    /// How long its faults live when nobody renews the lease.
    pub fn lease(&self) -> Duration {
        self.profile.limits.lease_wall.0
    }

    /// The clusters and backends that a role is bound to: `app`, `app/app-a`.
    pub(super) fn places(&self, role: &str) -> impl Iterator<Item = &str> {
        let bound = self.roles.get(role).map(String::as_str).unwrap_or_default();
        bound.split(", ").filter(|place| !place.is_empty())
    }

    pub(super) fn started(&self) -> Started {
        Started {
            hash: self.hash.clone(),
            profile: (*self.profile).clone(),
            mode: self.settings.mode,
            compression: self.compression.get(),
            seed: self.settings.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            form: self.form,
            unread: self.unread.clone(),
            blind: self.is_blind(),
            variation: self.variation.clone(),
            roles: self.roles.clone(),
            replaced: self.replaced.clone(),
        }
    }
}

/// The profile as a blind drill varies it.
fn varied(profile: Profile, bindings: &Bindings, blind: Option<u64>) -> (Profile, Option<Variation>) {
    let Some(seed) = blind else {
        return (profile, None);
    };
    let mut optional = profile.needs.iter().filter(|(_, need)| need.optional);
    let certain = optional.any(|(role, _)| bindings.contains_key(role));
    let (profile, variation) = vary(&profile, seed, certain);
    (profile, Some(variation))
}

/// SHA-256 of a profile's content: comments and layout do not count.
fn hash(profile: &Profile) -> String {
    let json = serde_json::to_vec(profile).unwrap_or_default();
    super::journal::hex(&Sha256::digest(json))
}

fn unbound(profile: &Profile, bindings: &Bindings) -> Vec<Unfit> {
    let needs = profile.needs.iter();
    needs
        .filter_map(|(role, need)| match bindings.get(role) {
            None if need.optional => None,
            None => Some(Unfit::Unbound(role.clone())),
            Some(binding) if binding.backends < need.min => Some(Unfit::TooFew {
                role: role.clone(),
                has: binding.backends,
                needs: need.min,
            }),
            Some(_) => None,
        })
        .collect()
}
