//! The composition root: binds, spawns and drains.
//!
//! The main thread carries the people's side (admin API, health checks, names, drill); every worker has a thread of its
//! own. Both meet in the snapshot, which `control` publishes, and in the counters, which traffic writes.

mod built_in;
mod director;
mod in_place;
mod incident;
mod keys;
mod plan;
mod signals;
mod steady;
mod vital;
mod watch;
mod wheel;
mod workers;
mod world;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, runtime, sync};
use tokio_util::sync::CancellationToken;

pub use self::{
    incident::NEEDS_TOKENS,
    plan::{InPlace, Incident, Plan, Written},
    wheel::turn_wheel,
};
use self::{signals::Order, vital::Vital, workers::Workers};
use crate::{
    admin::{self, Desk, Feed, Guard, Stage, Tokens},
    config::{self, Document},
    control::{Author, ChangeError, Control, History},
    demo::Demo,
    net::{Directory, listen::BindError},
    proxy::prober,
    snapshot::Compiler,
    telemetry::{
        Metrics,
        events::{Event, Events},
        screen::Screen,
    },
    units::{Dice, Span},
};

/// Why the proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The document is wrong, or something stands in its way.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A file that the document names is wrong.
    #[error("{0}")]
    Problems(#[from] config::Problems),
    /// The admin API cannot listen where it should.
    #[error(transparent)]
    Admin(#[from] BindError),
    /// The admin API may not listen where it should.
    #[error("{0}")]
    Unguarded(String),
    /// The incident does not fit the document.
    #[error("{0}")]
    Unfit(String),
    /// A part of the process panicked.
    #[error(
        "a part of the proxy failed, see the log; the process has ended so that it can be started afresh"
    )]
    Failed,
    /// The system refused something.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl StartError {
    fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}

/// Runs the proxy until it is told to end, or its incident has ended; gives the exit status.
///
/// # Errors
/// When it cannot start. Nothing stays bound then.
pub fn run(plan: Plan, screen: Screen) -> Result<u8, StartError> {
    crate::net::raise_descriptors();
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::system("no runtime"))?;
    let status = runtime.block_on(start(plan, &screen));
    // A lookup or a read that hangs must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_millis(500));
    status
}

/// Everything that runs, and how to end it.
struct App {
    control: Arc<Control>,
    /// The document's file, if it came from one.
    file: Option<PathBuf>,
    metrics: Arc<Metrics>,
    events: Events,
    workers: Workers,
    drain: config::Drain,
    /// Ends the admin API and everything else on the people's side.
    end: CancellationToken,
    admin: SocketAddr,
    /// Whether tokens tell apart who asks the admin API.
    tells_apart: bool,
    demo: Option<Demo>,
    /// Ends the built-in services.
    demo_stop: CancellationToken,
    vital: Vital,
    tasks: tokio::task::JoinSet<()>,
}

async fn start(mut plan: Plan, screen: &Screen) -> Result<u8, StartError> {
    let seed = plan.seed.unwrap_or_else(fresh_seed);
    let end = CancellationToken::new();
    let vital = Vital::new(end.clone());
    let mut orders = signals::listen(vital.failed().clone(), plan.toxiproxy.is_none())
        .map_err(StartError::system("signals cannot be heard"))?;
    let (mut app, admin, written) = open(&mut plan, seed, &vital, &end).await?;
    let (stage, feed) = (sync::watch::channel(None).0, Feed::default());
    let (starts, mut begins) = sync::mpsc::channel(1);
    let shown = Stage {
        drill: stage.subscribe(),
        feed: feed.clone(),
        starts,
    };
    app.serve_admin(admin, shown, &plan).await;
    app.watch(&written, &plan);
    let first = plan.incident.take();
    let setting = incident::Setting {
        app: &app,
        plan: &plan,
        screen,
        stage: &stage,
    };
    let directing = setting.direct(first, seed, feed, &mut orders, &mut begins);
    let status = Box::pin(directing).await;
    app.end(&mut orders).await;
    if vital.failed().is_cancelled() {
        return Err(StartError::Failed);
    }
    status
}

/// How often the demo is begun anew because another process took one of the ports that it had found free.
const DEMO_TRIES: u32 = 5;

/// Starts the proxy, and before it what it is to serve where no document is given.
async fn open(
    plan: &mut Plan,
    seed: u64,
    vital: &Vital,
    end: &CancellationToken,
) -> Result<(App, (TcpListener, Guard), Written), StartError> {
    if let Some(written) = plan.document.take() {
        let (app, admin) = App::start(plan, &written, seed, vital.clone(), end.clone()).await?;
        return Ok((app, admin, written));
    }
    let mut tries = DEMO_TRIES;
    loop {
        tries -= 1;
        let stop = end.child_token();
        let demo = Demo::start(seed, built_in::cast(plan), stop.clone())
            .await
            .map_err(StartError::system("the demo did not start"))?;
        let written = built_in::document(&demo)?;
        match App::start(plan, &written, seed, vital.clone(), end.clone()).await {
            Ok((mut app, admin)) => {
                (app.demo, app.demo_stop) = (Some(demo), stop);
                return Ok((app, admin, written));
            }
            Err(StartError::Change(_)) if tries > 0 => stop.cancel(),
            Err(error) => return Err(error),
        }
    }
}

/// A seed that nobody asked for.
pub fn fresh_seed() -> u64 {
    let clock = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    // Short enough to be typed again.
    crate::units::stable_hash(&clock.as_nanos().to_le_bytes()) % 1_000_000
}

impl App {
    async fn start(
        plan: &Plan,
        written: &Written,
        seed: u64,
        vital: Vital,
        end: CancellationToken,
    ) -> Result<(Self, (TcpListener, Guard)), StartError> {
        let document = &written.document;
        let count = plan.workers.map_or_else(default_workers, Into::into);
        let (metrics, events) = (Metrics::new(count), Events::default());
        let folder = written
            .file
            .as_deref()
            .map_or_else(|| PathBuf::from("."), config::folder);
        let admin = bind_admin(document, plan, &folder).await?;
        let state = plan
            .state
            .clone()
            .or_else(|| document.state_folder.as_ref().map(|state| folder.join(state)));
        let history = History::open(state.map(|state| state.join("history")))
            .map_err(StartError::system("the state folder cannot be used"))?;
        let directory = Directory::system(runtime::Handle::current());
        let address = admin
            .0
            .local_addr()
            .map_err(StartError::system("the admin API has no address"))?;
        let compiler = Compiler::new(directory, metrics.clone(), count, folder, Dice::new(seed));
        let compiler = compiler.beside_admin(address);
        let author = Author::new(whoami(), "start");
        let revision = (author, written.name.as_str(), written.text.as_str());
        let control = Control::start(document.clone(), revision, compiler, history, events.clone())?;
        let workers = Workers::start(count, &control, &metrics, &events, document, &vital)
            .map_err(StartError::system("a worker did not start"))?;
        let mut tasks = tokio::task::JoinSet::new();
        vital.spawn(&mut tasks, "leases", control.clone().expire_leases());
        let checks = prober::run(control.subscribe(), events.clone());
        vital.spawn(&mut tasks, "health checks", checks);
        let drain = document.drain;
        let demo_stop = end.child_token();
        let app = Self {
            control,
            file: written.file.clone(),
            metrics,
            events,
            workers,
            drain,
            end,
            admin: address,
            tells_apart: admin.1.has_tokens(),
            demo: None,
            demo_stop,
            vital,
            tasks,
        };
        Ok((app, admin))
    }

    async fn serve_admin(&mut self, (listener, guard): (TcpListener, Guard), stage: Stage, plan: &Plan) {
        let (control, metrics) = (self.control.clone(), self.metrics.clone());
        let desk = Desk::new(control, metrics, stage, plan.reports.clone(), self.end.clone());
        if let Some(place) = &plan.toxiproxy {
            place.populate(&desk.toxiproxy).await;
        }
        let serving = admin::serve(listener, desk, guard);
        self.vital.spawn(&mut self.tasks, "admin API", serving);
    }

    /// Follows the document's file and the panic file.
    fn watch(&mut self, written: &Written, plan: &Plan) {
        if let Some(file) = &written.file {
            self.tasks.spawn(watch::document(
                self.control.clone(),
                file.clone(),
                written.text.clone(),
            ));
        }
        let folder = written.file.as_deref().map(config::folder).unwrap_or_default();
        let state = written
            .document
            .state_folder
            .as_ref()
            .map(|state| folder.join(state));
        if let Some(state) = plan.state.clone().or(state) {
            self.tasks.spawn(watch::panic_file(self.control.clone(), state));
        }
    }

    /// Says where it listens, once it does.
    fn say_where(&self) {
        for listener in self.control.snapshot().listeners.values() {
            tracing::info!(listener = &*listener.name, address = %listener.sockets.bound(), "listening");
        }
        tracing::info!(address = %self.admin, "admin API listening");
    }

    /// Carries out an order that does not end the process.
    fn obey(&self, order: Order) {
        match order {
            Order::Panic => {
                self.control.panic(&Author::new("SIGUSR1", "signal"));
            }
            Order::Reload => {
                tracing::info!("SIGHUP: reading the document again");
                watch::reload(&self.control, self.file.as_deref(), "signal");
            }
            Order::End(_) => {}
        }
    }

    /// Ends gently: not ready, then nothing new, then what runs may end; a second order ends at once.
    async fn end(mut self, orders: &mut signals::Orders) {
        if let Some(demo) = &self.demo {
            // First the visitors leave, then the proxy closes behind them.
            self.demo_stop.cancel();
            let _ = tokio::time::timeout(LAST_TASKS, demo.ended()).await;
        }
        self.metrics
            .draining
            .store(true, std::sync::atomic::Ordering::Relaxed);
        self.events.tell(Event::DrainBegun {
            limit: Span(self.drain.limit.0),
        });
        let lifted = self.control.end();
        tracing::info!(lifted, "no fault stands");
        let drained = async {
            tokio::time::sleep(self.drain.delay.0).await;
            self.workers.drain().await
        };
        let again = async {
            loop {
                if let Order::End(_) = orders.next().await {
                    return;
                }
            }
        };
        tokio::select! {
            left = drained => match left {
                0 => tracing::info!("every connection has ended"),
                left => tracing::warn!(left, "the drain limit was reached with connections still open"),
            },
            () = again => tracing::warn!("told to end again: connections that are open are cut"),
        }
        self.end.cancel();
        self.tasks.abort_all();
    }
}

/// How long the built-in services may take to end.
const LAST_TASKS: Duration = Duration::from_secs(2);

/// One worker for each CPU that the process may use.
fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Who owns the process, as far as that is said; else what the admin API calls whoever says no name.
fn whoami() -> String {
    std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| "local".into())
}

async fn bind_admin(
    document: &Document,
    plan: &Plan,
    folder: &Path,
) -> Result<(TcpListener, Guard), StartError> {
    let (address, guard) = match &plan.toxiproxy {
        Some(place) => place
            .admin()
            .await
            .map_err(StartError::system("the API has no address"))?,
        None => (
            plan.admin.unwrap_or(document.admin.bind.0),
            match &plan.tokens {
                Some(file) => Guard::new(document.admin.names.clone(), Some(Tokens::load(file)?)),
                None => Guard::load(&document.admin, folder)?,
            },
        ),
    };
    guard.may_bind(address.ip()).map_err(StartError::Unguarded)?;
    let bound = crate::net::listen::bind_all(address, 1)?;
    let listener = bound.into_iter().next().map(TcpListener::from_std);
    match listener {
        Some(Ok(listener)) => Ok((listener, guard)),
        Some(Err(error)) => Err(StartError::System {
            what: "the admin API cannot listen",
            error,
        }),
        None => unreachable!("one socket was asked for"),
    }
}
