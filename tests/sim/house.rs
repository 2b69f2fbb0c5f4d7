//! The real thing, with the model beside it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use chaosproxy::{
    config,
    control::{Author, Control, History, LeaseId, Owner},
    faults::{Entry, Fault},
    net::Directory,
    snapshot::{Compiler, Snapshot},
    telemetry::{Metrics, events::Events},
    units::{Dice, Stream},
    upstream::{Backend, Choice, Outcome},
};
use tokio::time::{Instant, advance};

use crate::{
    drill::Drill,
    model::{DOCUMENTS, Model, RIGHT, WRONG},
    step::{BAD, Step},
};

/// A tick of a drill.
const TICK: Duration = Duration::from_millis(250);

/// Control with its leases, clusters and a drill, and what should stand in it.
pub(crate) struct House {
    control: Arc<Control>,
    model: Model,
    drill: Option<Drill>,
    /// What traffic knew before this step.
    before: Arc<Snapshot>,
    /// Every fault that ever stood.
    seen: Vec<Arc<Fault>>,
    stream: Stream,
    turn: u64,
}

impl House {
    pub(crate) fn open(seed: u64) -> Self {
        let directory = Directory::system(tokio::runtime::Handle::current());
        let compiler = Compiler::new(directory, Metrics::new(1), 1, PathBuf::from("."), Dice::new(seed));
        let text = DOCUMENTS[0].text;
        let document = config::read_document("0.yaml", text).unwrap().document;
        let revision = (Author::new("sim", "start"), "0.yaml", text);
        let control = Control::start(
            document,
            revision,
            compiler,
            History::default(),
            Events::default(),
        )
        .unwrap();
        tokio::spawn(control.clone().expire_leases());
        let model = Model {
            history: vec![(1, 0)],
            ..Model::default()
        };
        let stream = Dice::new(seed).stream(1, 1);
        Self {
            before: control.snapshot(),
            control,
            model,
            drill: None,
            seen: Vec::new(),
            stream,
            turn: 0,
        }
    }

    /// Lets one thing happen, to the house and to the model.
    pub(crate) async fn play(&mut self, step: Step) {
        self.before = self.control.snapshot();
        match step {
            Step::Pass(millis) => self.pass(Duration::from_millis(millis)).await,
            Step::Take(ttl, names) => self.take(ttl, &names),
            Step::Renew(lease, ttl) => self.renew(lease, ttl),
            Step::Replace(lease, names) => self.replace(lease, &names),
            Step::Release(lease) => {
                if let Some(id) = self.held(lease) {
                    assert!(self.control.release(id));
                    assert!(!self.control.release(id), "given back twice");
                    self.model.leases.remove(&id);
                }
            }
            Step::Remove(name) => {
                assert_eq!(self.control.remove_fault(name), self.model.remove(name), "{name}");
            }
            Step::Panic => self.panic(),
            Step::Reset => assert_eq!(
                self.control.panic_reset(&author()),
                std::mem::take(&mut self.model.panic)
            ),
            Step::Apply(document) => self.apply(document),
            Step::ApplyBroken(which) => self.apply_broken(which),
            Step::Rollback(to) => self.rollback(to),
            Step::Drain(name) => self.balance(name, true),
            Step::Enable(name) => self.balance(name, false),
            Step::Health(name, condition) => {
                self.with_backend(name, |backend| backend.set_condition(Instant::now(), condition));
            }
            Step::Errors(name, errors) => self.fail(name, errors),
            Step::Drill(name, mode) if self.drill.is_none() => {
                self.drill = Drill::begin(name, mode, &self.control, &mut self.model);
            }
            Step::Drill(..) => {}
            Step::Lead(verb) => self.tick(|drill| drill.lead(verb)),
            Step::Act(name) => self.tick(|drill| drill.act(name)),
            Step::Interrupt => self.tick(Drill::interrupt),
            Step::Cut => self.drill = None,
        }
        self.rest().await;
    }

    /// Lets whatever is due be done.
    async fn rest(&mut self) {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        self.model.expire(Instant::now());
    }

    async fn pass(&mut self, mut left: Duration) {
        while !left.is_zero() {
            let tick = left.min(TICK);
            left -= tick;
            advance(tick).await;
            self.rest().await;
            self.tick(|_| {});
        }
    }

    fn tick(&mut self, asks: impl FnOnce(&mut Drill)) {
        if let Some(drill) = &mut self.drill {
            asks(drill);
            if drill.tick(&self.control, &mut self.model) {
                self.drill = None;
            }
        }
    }

    /// The lease at this place among those that somebody holds by hand.
    fn held(&self, place: usize) -> Option<LeaseId> {
        let own = self.drill.as_ref().and_then(Drill::lease);
        let mut ids = self.model.leases.keys().copied().filter(|id| Some(*id) != own);
        ids.nth(place)
    }

    fn take(&mut self, ttl: u64, names: &[&str]) {
        let ttl = Duration::from_secs(ttl);
        let owner = Owner::Api { by: "sim".into() };
        let taken = self.control.take_lease(owner, ttl, entries(names));
        assert_eq!(taken.is_ok(), self.model.may_set(None, names), "{taken:?}");
        match taken {
            Ok(id) => drop(self.model.leases.insert(id, (Instant::now() + ttl, owned(names)))),
            Err(_) => self.is_untouched(),
        }
    }

    fn renew(&mut self, lease: usize, ttl: u64) {
        let Some(id) = self.held(lease) else { return };
        let ttl = Duration::from_secs(ttl);
        self.control.renew(id, ttl).unwrap();
        self.model
            .leases
            .entry(id)
            .and_modify(|(ends, _)| *ends = Instant::now() + ttl);
    }

    fn replace(&mut self, lease: usize, names: &[&str]) {
        let Some(id) = self.held(lease) else { return };
        let replaced = self.control.replace(id, entries(names));
        assert_eq!(
            replaced.is_ok(),
            self.model.may_set(Some(id), names),
            "{replaced:?}"
        );
        match replaced {
            Ok(()) => drop(
                self.model
                    .leases
                    .entry(id)
                    .and_modify(|(_, held)| *held = owned(names)),
            ),
            Err(_) => self.is_untouched(),
        }
    }

    fn panic(&mut self) {
        let standing = self.control.snapshot().faults.len();
        let leases = self.model.leases.len();
        let done = self.control.panic(&author());
        assert_eq!((done.lifted, done.leases), (standing, leases));
        self.model.panic = true;
        self.model.leases.clear();
    }

    fn apply(&mut self, document: usize) {
        let applied = self.control.apply(DOCUMENTS[document].text, "sim.yaml", author());
        assert_eq!(applied.is_ok(), self.model.may_apply(document), "{applied:?}");
        match applied {
            Ok(revision) => self.model.applied(document, revision),
            Err(_) => self.is_untouched(),
        }
    }

    /// Wrong in its grammar, wrong in its meaning, and right but with a port that is taken.
    fn apply_broken(&self, which: usize) {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = format!("127.0.0.1:{}", taken.local_addr().unwrap().port());
        let text = match which {
            0 => "listeners: [".to_owned(),
            1 => DOCUMENTS[0].text.replace("cluster: app}", "cluster: nowhere}"),
            _ => DOCUMENTS[0].text.replace("127.0.0.1:0", &port),
        };
        let revisions = self.control.history().len();
        let document = self.control.document();
        assert!(
            self.control.apply(&text, "broken.yaml", author()).is_err(),
            "{text}"
        );
        self.is_untouched();
        assert_eq!(self.control.history().len(), revisions);
        assert!(self.control.document() == document);
    }

    fn rollback(&mut self, to: Option<u64>) {
        if to.is_none() && self.model.breaks().is_some() {
            // What is broken goes first, and nothing else does.
            let rolled_back = self.control.rollback(None, author());
            assert_eq!(
                rolled_back.is_err(),
                self.model.is_obstructed(),
                "{rolled_back:?}"
            );
            match rolled_back {
                Ok(revision) => self.model.mended(revision),
                Err(_) => self.is_untouched(),
            }
            return;
        }
        let history = &self.model.history;
        let found = match to {
            Some(number) => history.iter().find(|(known, _)| *known == number),
            None => history
                .iter()
                .rev()
                .find(|(_, document)| history.last().is_none_or(|(_, last)| last != document)),
        };
        let document = found
            .map(|(_, document)| *document)
            .filter(|document| self.model.may_apply(*document));
        match (self.control.rollback(to, author()), document) {
            (Ok(revision), Some(document)) => self.model.applied(document, revision),
            (Err(_), None) => self.is_untouched(),
            (got, expected) => panic!("{got:?}, but the model says {expected:?}"),
        }
    }

    fn balance(&mut self, name: &'static str, drain: bool) {
        let known = self.model.written().backends.contains(&name);
        let done = if drain {
            self.control.drain("app", name)
        } else {
            self.control.enable("app", name)
        };
        assert_eq!(done.is_ok(), known, "{done:?}");
        match (known, drain) {
            (true, true) => drop(self.model.drained.insert(name)),
            (true, false) => drop(self.model.drained.remove(name)),
            (false, _) => {}
        }
    }

    fn with_backend(&self, name: &str, act: impl FnOnce(&Arc<Backend>)) {
        let snapshot = self.control.snapshot();
        let backends = snapshot.cluster("app").unwrap().cluster.backends();
        if let Some(backend) = backends.iter().find(|backend| backend.name() == name) {
            act(backend);
        }
    }

    fn fail(&self, name: &str, errors: usize) {
        let snapshot = self.control.snapshot();
        let cluster = &snapshot.cluster("app").unwrap().cluster;
        self.with_backend(name, |backend| {
            for _ in 0..errors {
                cluster.record(Instant::now(), &backend.begin(), Outcome::Reset);
            }
        });
    }

    /// A change that was refused left not a trace.
    fn is_untouched(&self) {
        assert!(
            Arc::ptr_eq(&self.before, &self.control.snapshot()),
            "a refused change was published"
        );
    }

    /// What must always hold.
    pub(crate) fn holds(&mut self, when: &str) {
        let snapshot = self.control.snapshot();
        self.generation_only_grows(&snapshot, when);
        self.faults_have_somebody_who_holds_them(&snapshot, when);
        self.what_is_gone_is_lifted(&snapshot, when);
        self.drained_backends_are_left_alone(&snapshot, when);
        self.a_broken_document_lives_as_long_as_its_fault(&snapshot, when);
        self.a_document_that_comes_back_is_in_the_history(when);
    }

    /// What nobody applied or rolled back to, and is sound, came back with the end of a fault.
    fn a_document_that_comes_back_is_in_the_history(&mut self, when: &str) {
        for revision in self.control.history() {
            let history = &mut self.model.history;
            if revision.broken || history.iter().any(|(known, _)| *known == revision.number) {
                continue;
            }
            assert_eq!(revision.author.via, "restored", "{when}");
            let document = DOCUMENTS.iter().position(|written| written.text == revision.text);
            history.push((revision.number, document.unwrap()));
            history.sort_unstable();
        }
    }

    fn a_broken_document_lives_as_long_as_its_fault(&self, snapshot: &Snapshot, when: &str) {
        let Some(target) = snapshot.cluster("orders-db") else {
            return;
        };
        let expected = if self.model.breaks() == Some(BAD) {
            WRONG
        } else {
            RIGHT
        };
        assert_eq!(
            target.settings.backends[0].address.to_string(),
            expected,
            "{when}"
        );
    }

    fn generation_only_grows(&self, snapshot: &Arc<Snapshot>, when: &str) {
        let same = Arc::ptr_eq(&self.before, snapshot);
        let (before, after) = (self.before.generation, snapshot.generation);
        assert!(
            if same { after == before } else { after > before },
            "{when}: {before}, then {after}"
        );
    }

    fn faults_have_somebody_who_holds_them(&self, snapshot: &Snapshot, when: &str) {
        let mut names: Vec<&str> = snapshot.faults.iter().map(|fault| fault.name()).collect();
        names.sort_unstable();
        let expected = self.model.faults();
        assert!(
            names.iter().copied().eq(expected.iter()),
            "{when}: {names:?} stand, expected {expected:?}"
        );
        for status in self.control.faults() {
            let name = status.fault.name();
            let written = self.model.written().faults.contains(&name);
            assert_eq!(status.lease.is_none(), written, "{when}: `{name}`");
        }
        assert_eq!(self.control.panicked().is_some(), self.model.panic, "{when}");
    }

    fn what_is_gone_is_lifted(&mut self, snapshot: &Snapshot, when: &str) {
        for fault in &snapshot.faults {
            assert!(
                !fault.is_lifted(),
                "{when}: `{}` stands, and is lifted",
                fault.name()
            );
            if !self.seen.iter().any(|known| Arc::ptr_eq(known, fault)) {
                self.seen.push(fault.clone());
            }
        }
        let gone = |fault: &Arc<Fault>| !snapshot.faults.iter().any(|stands| Arc::ptr_eq(stands, fault));
        for fault in self.seen.iter().filter(|fault| gone(fault)) {
            assert!(
                fault.is_lifted(),
                "{when}: `{}` is gone, and holds on",
                fault.name()
            );
        }
    }

    /// A drained backend is never chosen, and one that is ill only where nobody is well.
    fn drained_backends_are_left_alone(&mut self, snapshot: &Snapshot, when: &str) {
        let now = Instant::now();
        let cluster = &snapshot.cluster("app").unwrap().cluster;
        let names: Vec<&str> = cluster.backends().iter().map(|backend| backend.name()).collect();
        let in_service = names.iter().any(|name| !self.model.drained.contains(name));
        for hash in 0..8 {
            self.turn += 1;
            let mut choice = Choice {
                now,
                turn: self.turn,
                hash: Some(hash),
                tried: &[],
                stream: &mut self.stream,
            };
            match cluster.pick(&mut choice) {
                Ok(place) => {
                    let drained = self.model.drained.contains(names[place]);
                    assert!(!drained, "{when}: `{}` is drained, and was chosen", names[place]);
                    let ill = !cluster.backends()[place].is_usable(now);
                    assert!(
                        !ill || cluster.standing(now).panic,
                        "{when}: `{}` is ill",
                        names[place]
                    );
                }
                Err(error) => {
                    let usable = cluster.backends().iter().any(|backend| backend.is_usable(now));
                    assert!(
                        !usable,
                        "{when}: {error}, but somebody is well; in service: {in_service}"
                    );
                }
            }
        }
    }

    /// Everybody is gone, and so is everything that they set.
    pub(crate) fn is_clean(&self) {
        assert!(
            self.drill.is_none(),
            "a drill comes to its end, or its deadline closes it"
        );
        assert!(self.model.leases.is_empty());
        assert!(self.control.faults().iter().all(|status| status.lease.is_none()));
    }
}

fn author() -> Author {
    Author::new("sim", "test")
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn bad_reload() -> serde_json::Value {
    serde_json::json!({"do": {"bad_reload": {"find": RIGHT, "replace": WRONG}}})
}

/// Faults by these names; each name has a kind of its own.
fn entries(names: &[&str]) -> Vec<(String, Entry)> {
    let entry = |name: &str| {
        let does = match name {
            "a" => r#"{"abort": {"status": 503}}"#,
            "b" => r#"{"hang": {}}"#,
            "c" => r#"{"threads": {"size": 4}}"#,
            BAD => return serde_json::from_value(bad_reload()).unwrap(),
            _ => r#"{"latency": {"add": "30ms"}}"#,
        };
        serde_json::from_str(&format!(r#"{{"where": {{"cluster": "app"}}, "do": {does}}}"#)).unwrap()
    };
    names
        .iter()
        .map(|name| ((*name).to_owned(), entry(name)))
        .collect()
}
