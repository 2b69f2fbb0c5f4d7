//! A world for tests: the incident's two servers and their visitors, as arithmetic on the clock of the test.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    facts::{Counts, Observed, Server, Stand, Traffic},
    profile::{Header, Sight},
    script::{Binding, Bindings, Named, Script, Settings, Steer},
    world::{Refusal, World},
};

/// What kind of world it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Nature {
    /// Faults do what they say.
    #[default]
    Honest,
    /// Faults do nothing.
    Inert,
    /// Nobody visits.
    Silent,
    /// Faults do what they say, and requests that no fault touches fail, too.
    Ill,
    /// It does not let faults be set.
    Refusing,
}

/// Visitors a second.
const READS: f64 = 40.0;
const WRITES: f64 = 10.0;
/// How long the cold start lasts on the wall in a replay of one to sixty.
const COLD: f64 = 46.0;
/// The server that breaks, and the other.
const SOURCE: &str = "app/app-a";
const REPLICA: &str = "app/app-b";

#[derive(Debug)]
pub(super) struct Simulated {
    nature: Nature,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    seen: Instant,
    held_since: Instant,
    held: Vec<String>,
    drained: bool,
    leases: u32,
    lease_lost: bool,
    sums: BTreeMap<&'static str, [f64; 3]>,
    /// What the two servers were asked, and what of it failed.
    servers: BTreeMap<&'static str, [f64; 2]>,
    sights: Vec<Sight>,
    admitted: f64,
    restarted: Vec<String>,
}

impl Simulated {
    pub(super) fn new(nature: Nature) -> Self {
        let now = Instant::now();
        Self {
            nature,
            state: Mutex::new(State {
                seen: now,
                held_since: now,
                held: Vec::new(),
                drained: false,
                leases: 0,
                lease_lost: false,
                sums: BTreeMap::new(),
                servers: BTreeMap::new(),
                sights: Vec::new(),
                admitted: 1.0,
                restarted: Vec::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The names of the faults that are active.
    pub(super) fn held(&self) -> Vec<String> {
        self.state().held.clone()
    }

    /// Whether a lease is out.
    pub(super) fn is_leased(&self) -> bool {
        self.state().leases > 0
    }

    /// Somebody drains the broken server.
    pub(super) fn drain(&self) {
        let mut state = self.state();
        state.drained = true;
        state.sights.push(Sight::Drained("http.source".into()));
    }

    /// Somebody admits a share of the traffic. What is turned away is not counted: it is the sight that matters here.
    pub(super) fn admit(&self, share: f64) {
        self.state().admitted = share;
    }

    /// A server goes away and comes back.
    pub(super) fn restart(&self, server: &str) {
        self.state().restarted.push(server.to_owned());
    }

    /// The lease is lost, as when the control side was cut off.
    pub(super) fn lose_lease(&self) {
        self.state().lease_lost = true;
    }

    /// The share of each class that succeeds now.
    fn shares(&self, state: &State, now: Instant) -> (f64, f64) {
        let held = |name: &str| state.held.iter().any(|held| held == name);
        let source = match () {
            () if self.nature == Nature::Inert => 1.0,
            () if held("db-cut") || held("app-500") => 0.0,
            () if held("cold-start") => {
                let warm = (now - state.held_since).as_secs_f64() / COLD;
                (0.2 + 0.8 * warm).min(1.0)
            }
            () => 1.0,
        };
        let reads = if state.drained {
            1.0
        } else {
            f64::midpoint(source, 1.0)
        };
        (reads, source)
    }
}

impl State {
    /// Adds what visitors did since the last look: succeeded, injected, failed by the service.
    fn visit(&mut self, now: Instant, nature: Nature, (reads, writes): (f64, f64)) {
        let span = (now - self.seen).as_secs_f64();
        self.seen = now;
        let injected = self
            .held
            .iter()
            .any(|held| held == "app-500" || held == "cold-start");
        for (class, rate, ok) in [("read", READS, reads), ("write", WRITES, writes)] {
            let ok = if nature == Nature::Ill { ok * 0.6 } else { ok };
            let sum = self.sums.entry(class).or_default();
            let asked = if nature == Nature::Silent {
                0.0
            } else {
                rate * span
            };
            sum[0] += asked * ok;
            sum[if injected { 1 } else { 2 }] += asked * (1.0 - ok);
            // The source has all writes and half of the reads, unless it was taken out.
            let to_source = match class {
                "write" => 1.0,
                _ if self.drained => 0.0,
                _ => 0.5,
            };
            let (source, replica) = (asked * to_source, asked * (1.0 - to_source));
            for (server, asked, failed) in [(SOURCE, source, asked * (1.0 - ok)), (REPLICA, replica, 0.0)] {
                let sum = self.servers.entry(server).or_default();
                sum[0] += asked;
                sum[1] += failed;
            }
        }
    }

    fn servers(&self) -> BTreeMap<String, Server> {
        let server = |(name, [attempts, failed]): (&&str, &[f64; 2])| {
            let drained = self.drained && *name == SOURCE;
            let server = Server {
                stand: if drained { Stand::Drained } else { Stand::Up },
                attempts: whole(*attempts),
                failed: whole(*failed),
            };
            ((*name).to_owned(), server)
        };
        self.servers.iter().map(server).collect()
    }
}

impl World for Simulated {
    fn begin(&self, _: Duration, _: &[Steer]) -> Result<(), Refusal> {
        self.state().leases += 1;
        Ok(())
    }

    fn hold(&self, faults: &[Named]) -> Result<(), Refusal> {
        if self.nature == Nature::Refusing && !faults.is_empty() {
            return Err(Refusal("`app-a` has a public address".into()));
        }
        self.observe_traffic();
        let mut state = self.state();
        state.held = faults.iter().map(|(name, _)| name.clone()).collect();
        state.held_since = Instant::now();
        Ok(())
    }

    fn perform(&self, deed: &Sight) {
        match deed {
            Sight::Drained(_) => self.drain(),
            Sight::Admitted(admission) => self.admit(admission.share.get()),
            _ => {}
        }
    }

    fn obstruct(&self, _: Option<&str>) -> Result<(), Refusal> {
        Ok(())
    }

    fn watch(&self, _: &[Header]) -> Result<(), Refusal> {
        Ok(())
    }

    fn roll_back(&self) -> Result<(), Refusal> {
        Ok(())
    }

    fn renew(&self) -> bool {
        !self.state().lease_lost
    }

    fn observe(&self) -> Observed {
        let traffic = self.observe_traffic();
        let mut state = self.state();
        Observed {
            traffic,
            sights: std::mem::take(&mut state.sights),
            restarted: std::mem::take(&mut state.restarted),
            admitted: [("app".to_owned(), state.admitted)].into(),
            backends: state.servers(),
            lease_lost: state.lease_lost,
            ..Observed::default()
        }
    }

    fn end(&self) {
        let mut state = self.state();
        state.held.clear();
        state.leases = 0;
    }
}

impl Simulated {
    fn observe_traffic(&self) -> Traffic {
        let now = Instant::now();
        let mut state = self.state();
        let shares = self.shares(&state, now);
        state.visit(now, self.nature, shares);
        let counts = |(class, [ok, injected, upstream]): (&&str, &[f64; 3])| {
            // Half a request is none; the rounding is that of whole totals, so nothing is lost over time.
            let counts = Counts {
                attempts: whole(ok + upstream),
                ok: whole(ok + 1e-6 - 0.5),
                injected: whole(*injected),
                upstream: whole(*upstream),
                ..Counts::default()
            };
            ((*class).to_owned(), counts)
        };
        Traffic(state.sums.iter().map(counts).collect())
    }
}

/// The nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few thousand visitors"
)]
fn whole(visitors: f64) -> u64 {
    visitors.round() as u64
}

/// The shipped profile, bound as the built-in demo binds it.
pub(super) fn orm_break(mode: super::Mode, with_database: bool) -> Script {
    let profile = super::profiles::load("orm-break").unwrap_or_else(|problems| panic!("{problems}"));
    bound(profile, mode, with_database)
}

/// A profile with the roles of the shipped one, bound as the built-in demo binds it.
pub(super) fn bound(profile: super::profile::Profile, mode: super::Mode, with_database: bool) -> Script {
    let bind = |target: &str| Binding {
        target: target.into(),
        backends: 1,
        ..Binding::default()
    };
    let mut bindings = Bindings::from([
        ("http.source".to_owned(), bind("app/app-a")),
        ("http.replica".to_owned(), bind("app/app-b")),
    ]);
    if with_database {
        bindings.insert("db.source".into(), bind("db"));
    }
    Script::new(profile, &bindings, settings(mode)).unwrap()
}

/// A shipped incident about servers that share a role.
pub(super) fn hung_auth(name: &str, mode: super::Mode, with_auth: bool) -> Script {
    let profile = super::profiles::load(name).unwrap_or_else(|problems| panic!("{problems}"));
    let bind = |target: &str, backends| Binding {
        target: target.into(),
        backends,
        ..Binding::default()
    };
    let mut bindings = Bindings::from([
        ("http.primary".to_owned(), bind("app", 2)),
        ("http.standby".to_owned(), bind("standby", 1)),
    ]);
    if with_auth {
        bindings.insert("auth.service".into(), bind("auth", 1));
    }
    Script::new(profile, &bindings, settings(mode)).unwrap()
}

fn settings(mode: super::Mode) -> Settings {
    Settings {
        mode,
        seed: 7,
        ..Settings::default()
    }
}
