//! The API: each change is tried on a copy, published whole, and only then remembered.
//!
//! Changes take turns. Whoever only looks waits for nobody, and no change waits for a connection: only for names, which have a
//! limit, and for workers to let go of sockets, which they do at once.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Method;

use super::{
    address,
    books::Books,
    fields::Fields,
    file::{File, Told},
    metrics,
    obstacle::{cannot_listen, not_found, refusal},
    populate::Asked,
    registry::Registry,
    reply::{Refusal, Reply},
    route::{self, Route},
    toxic::Wanted,
};
use crate::{
    control::{ChangeError, Control},
    snapshot::{Listener, Snapshot},
};

/// Workers let go of a listener's sockets as soon as they look; one that has not by then has died.
const RELEASE: Duration = Duration::from_secs(5);

/// What browsers call themselves; Toxiproxy answers none.
const BROWSER: &str = "Mozilla/";

/// Toxiproxy's API over the truth.
pub struct Toxiproxy {
    pub(super) control: Arc<Control>,
    registry: Mutex<Registry>,
    books: Mutex<Books>,
    turn: tokio::sync::Mutex<()>,
    metrics: AtomicBool,
}

impl Toxiproxy {
    /// One without proxies.
    pub fn new(control: Arc<Control>) -> Self {
        Self {
            control,
            registry: Mutex::default(),
            books: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            metrics: AtomicBool::new(false),
        }
    }

    /// Lets `/metrics` show Toxiproxy's numbers; call it before the API is served.
    pub fn show_metrics(&self) {
        self.metrics.store(true, Ordering::Relaxed);
    }

    /// Whether `/metrics` shows Toxiproxy's numbers.
    pub fn shows_metrics(&self) -> bool {
        self.metrics.load(Ordering::Relaxed)
    }

    /// Toxiproxy's numbers, in its format.
    pub fn metrics(&self) -> String {
        let mut books = self.books();
        books.write();
        metrics::text(&books)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // At worst the last bytes are not put down yet.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request. `agent` is what the client calls itself.
    pub async fn answer(&self, method: &Method, path: &str, agent: &str, body: &[u8]) -> Reply {
        let route = match route::find(method, path) {
            Ok(_) if agent.starts_with(BROWSER) => return Reply::browser(),
            Ok(route) => route,
            Err(reply) => return reply,
        };
        let done = if *method == Method::GET {
            self.show(&route)
        } else {
            let _turn = self.turn.lock().await;
            self.change(method, route, body).await
        };
        done.unwrap_or_else(Reply::from)
    }

    /// Takes in a file's list of proxies, as `/populate` does: none if anything is wrong with it, else one after the other until
    /// one cannot be there. Gives what there is to say about the file.
    pub async fn populate_from(&self, name: &str, text: &[u8]) -> Told {
        let _turn = self.turn.lock().await;
        let (mut file, asked) = File::read(name, text);
        let Some(asked) = asked else {
            return file.told(None);
        };
        let names: Vec<String> = asked.iter().map(|asked| asked.name.clone()).collect();
        let (done, refusal) = match self.check_panic(asked.iter().any(|asked| !asked.toxics.is_empty())) {
            Ok(()) => self.populate(asked).await,
            Err(refusal) => (Vec::new(), Some(refusal)),
        };
        if let (Some(refusal), Some(name)) = (refusal, names.get(done.len())) {
            file.refused(done.len(), name, &refusal);
        }
        file.told(Some(done.len()))
    }

    fn show(&self, route: &Route) -> Result<Reply, Refusal> {
        let registry = self.lock();
        Ok(match route {
            Route::Proxies => Reply::json(200, &*registry),
            Route::Proxy(name) => Reply::json(200, registry.get(name)?),
            Route::Toxics(name) => Reply::json(200, &registry.get(name)?.toxics),
            Route::Toxic(name, toxic) => {
                let proxy = registry.get(name)?;
                Reply::json(200, &proxy.toxics[proxy.place_of(toxic)?])
            }
            _ => Reply::version(),
        })
    }

    async fn change(&self, method: &Method, route: Route, body: &[u8]) -> Result<Reply, Refusal> {
        let deletes = *method == Method::DELETE;
        match route {
            Route::Populate => Ok(self.answer_populate(body).await),
            Route::Reset => self.reset().await,
            Route::Proxy(name) if deletes => self.delete(&name).await,
            Route::Proxy(name) => self.update(&name, body).await,
            Route::Toxics(name) => self.add_toxic(&name, body),
            Route::Toxic(name, toxic) if deletes => self.remove_toxic(&name, &toxic),
            Route::Toxic(name, toxic) => self.update_toxic(&name, &toxic, body),
            _ => self.create(body).await,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Registry> {
        // Only whole registries are put into it.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy to try a change on.
    pub(super) fn copy(&self) -> Registry {
        self.lock().clone()
    }

    /// Publishes a changed copy, and remembers it once it is in force.
    pub(super) fn publish(&self, next: Registry) -> Result<(), ChangeError> {
        // What has passed came in where proxies listened until now.
        self.books().write();
        self.control.set_annex(next.annex())?;
        *self.lock() = next;
        self.books().follow(metrics::listening(&self.control.snapshot()));
        Ok(())
    }

    /// Shows where proxies that have been published listen, which the system may have chosen.
    pub(super) fn show_bound<'n>(&self, names: impl IntoIterator<Item = &'n str>) {
        let snapshot = self.control.snapshot();
        let mut registry = self.lock();
        for name in names {
            if let (Some(listener), Ok(proxy)) = (snapshot.listeners.get(name), registry.get_mut(name)) {
                proxy.listen = listener.sockets.bound().to_string();
            }
        }
    }

    /// Publishes a change of toxics alone.
    pub(super) fn publish_toxics(&self, next: Registry) -> Result<(), Refusal> {
        self.publish(next).map_err(|error| refusal(&error))
    }

    /// During a panic no fault is let in.
    pub(super) fn check_panic(&self, injects: bool) -> Result<(), Refusal> {
        match injects && self.control.panicked().is_some() {
            true => Err(Refusal::new(503, ChangeError::Panicked.to_string())),
            false => Ok(()),
        }
    }

    async fn create(&self, body: &[u8]) -> Result<Reply, Refusal> {
        let asked = Asked::read(&Fields::read(body)?)?;
        asked.complete()?;
        if self.lock().has(&asked.name) || self.is_of_the_document(&asked.name) {
            return Err(Refusal::new(409, "proxy already exists"));
        }
        self.add(&asked).await?;
        Ok(Reply::json(201, self.lock().get(&asked.name)?))
    }

    pub(super) fn is_of_the_document(&self, name: &str) -> bool {
        self.control.is_named(name)
    }

    /// Adds a proxy; if it cannot listen, there is none.
    async fn add(&self, asked: &Asked) -> Result<(), Refusal> {
        let mut next = self.copy();
        next.has_room_for(asked.toxics.len())?;
        next.put(asked.proxy())?;
        if asked.enabled {
            return self.start(next, &asked.name).await;
        }
        self.publish_toxics(next)
    }

    /// Lets a proxy of a copy listen, and publishes both. If it cannot, nothing is published.
    async fn start(&self, mut next: Registry, name: &str) -> Result<(), Refusal> {
        let listen = next.get(name)?.listen.clone();
        let bind = address::find(&listen).await.map_err(|what| not_found(&what))?;
        next.begin(name, bind)?;
        self.publish(next)
            .map_err(|error| cannot_listen(name, bind, &error))?;
        self.show_bound([name]);
        Ok(())
    }

    /// Lets a proxy of a copy listen no more, and publishes that; when this returns, its port is free.
    pub(super) async fn stop(&self, mut next: Registry, name: &str) -> Result<(), Refusal> {
        let before = self.control.snapshot();
        next.get_mut(name)?.up = None;
        self.publish_toxics(next)?;
        self.released(&before).await;
        Ok(())
    }

    /// Waits until the ports are free that proxies listened on before and do not any more.
    pub(super) async fn released(&self, before: &Snapshot) {
        let now = self.control.snapshot();
        let is_kept = |listener: &Listener| {
            let now = now.listeners.get(&listener.name);
            now.is_some_and(|now| Arc::ptr_eq(&now.sockets, &listener.sockets))
        };
        let ours = before
            .listeners
            .values()
            .filter(|listener| listener.settings.life.is_some());
        let gone = ours.filter(|listener| !is_kept(listener));
        let all = async {
            for listener in gone {
                listener.sockets.released().await;
            }
        };
        if tokio::time::timeout(RELEASE, all).await.is_err() {
            tracing::warn!("a worker has not let go of its socket");
        }
    }

    async fn delete(&self, name: &str) -> Result<Reply, Refusal> {
        let mut next = self.copy();
        next.get(name)?;
        let before = self.control.snapshot();
        next.remove(name);
        self.publish_toxics(next)?;
        self.released(&before).await;
        Ok(Reply::done())
    }

    async fn update(&self, name: &str, body: &[u8]) -> Result<Reply, Refusal> {
        let before = self.lock().get(name)?.clone();
        let fields = Fields::read(body)?;
        let listen = fields.text("listen")?;
        let upstream = fields
            .text("upstream")?
            .unwrap_or_else(|| before.upstream.clone());
        let enabled = fields.truth("enabled")?.unwrap_or(before.up.is_some());
        let encryption = before.encryption.read(&fields)?;
        let asked = listen.clone().unwrap_or_else(|| before.listen.clone());
        let found = address::find(&asked)
            .await
            .map_err(|what| Refusal::new(500, what))?;
        if enabled {
            let registry = self.lock();
            registry.check_circle(&registry.ports(), name, &upstream, (&asked, found))?;
        }
        // A free port is asked for anew each time that it is asked for.
        let moves = found.to_string() != before.listen && (before.up.is_none() || listen.is_some());
        if moves && before.up.is_some() {
            self.stop(self.copy(), name).await?;
        }
        let mut next = self.copy();
        let proxy = next.get_mut(name)?;
        let changes = moves || upstream != proxy.upstream || encryption != proxy.encryption;
        if moves {
            proxy.listen.clone_from(&asked);
            proxy.asked = asked;
        }
        (proxy.upstream, proxy.encryption) = (upstream, encryption);
        match (enabled, proxy.up.is_some()) {
            (false, true) => self.stop(next, name).await?,
            (true, true) if !changes => {}
            (true, true) => {
                // The sockets stay; connections that came before the change end.
                next.rebegin(name)?;
                self.publish_toxics(next)?;
            }
            (true, false) => {
                // The new address stays, whether or not it can be listened on.
                self.publish_toxics(next.clone())?;
                self.start(next, name).await?;
            }
            (false, false) => self.publish_toxics(next)?,
        }
        Ok(Reply::json(200, self.lock().get(name)?))
    }

    fn add_toxic(&self, name: &str, body: &[u8]) -> Result<Reply, Refusal> {
        self.lock().get(name)?;
        let wanted = Wanted::read(&Fields::read(body)?)?;
        let mut next = self.copy();
        if next.get(name)?.place_of(&wanted.name).is_ok() {
            return Err(Refusal::new(409, "toxic already exists"));
        }
        let toxic = wanted.make()?;
        self.check_panic(true)?;
        next.has_room_for(1)?;
        next.get_mut(name)?.add(toxic.clone());
        self.publish_toxics(next)?;
        Ok(Reply::json(200, &toxic))
    }

    fn update_toxic(&self, name: &str, toxic: &str, body: &[u8]) -> Result<Reply, Refusal> {
        let mut next = self.copy();
        let proxy = next.get_mut(name)?;
        let place = proxy.place_of(toxic)?;
        let updated = proxy.toxics[place].updated(&Fields::read(body)?)?;
        self.check_panic(true)?;
        proxy.toxics[place] = updated.clone();
        self.publish_toxics(next)?;
        Ok(Reply::json(200, &updated))
    }

    fn remove_toxic(&self, name: &str, toxic: &str) -> Result<Reply, Refusal> {
        let mut next = self.copy();
        let proxy = next.get_mut(name)?;
        let place = proxy.place_of(toxic)?;
        proxy.toxics.remove(place);
        self.publish_toxics(next)?;
        Ok(Reply::done())
    }
}
