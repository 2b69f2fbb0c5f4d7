//! Users who never stop: a closed loop of keep-alive connections, and a slow trickle of writes. Every request that fails is
//! kept, with what was being done to the proxy at that moment.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    eventually,
    http::{Connection, Response, Trouble, request},
};

/// How long a reader thinks between two requests: the load is bounded, and connections are caught idle too.
const THINKS: Duration = Duration::from_millis(4);

/// How long the writer thinks.
const WRITES: Duration = Duration::from_millis(20);

/// Users at work.
pub struct Load {
    shared: Arc<Shared>,
    users: JoinSet<()>,
}

struct Shared {
    address: SocketAddr,
    reads: AtomicU64,
    writes: AtomicU64,
    step: Mutex<String>,
    failures: Mutex<Vec<Failure>>,
    /// From here on nobody who is refused needs to worry.
    closing: AtomicBool,
}

/// A request that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was being done.
    pub step: String,
    /// The method.
    pub method: &'static str,
    /// What came instead of a good answer.
    pub told: String,
}

impl Load {
    /// So many readers, and one who writes.
    pub fn start(address: SocketAddr, readers: usize) -> Self {
        let shared = Arc::new(Shared {
            address,
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            step: Mutex::new("start".to_owned()),
            failures: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let mut users = JoinSet::new();
        for _ in 0..readers {
            users.spawn(shared.clone().work("GET", "", THINKS));
        }
        users.spawn(shared.clone().work("POST", "an order", WRITES));
        Self { shared, users }
    }

    /// Says what is done next, and lets so many requests pass before that.
    pub async fn step(&self, what: &str) {
        self.passes(300).await;
        eprintln!("{what}");
        what.clone_into(&mut self.shared.step.lock().unwrap());
    }

    /// Waits until so many more requests have been answered.
    pub async fn passes(&self, more: u64) {
        let reads = || self.shared.reads.load(Relaxed);
        let target = reads() + more;
        eventually("the load goes on", || async { (reads() >= target).then_some(()) }).await;
    }

    /// The proxy is about to stop accepting: a connection that is refused now is no failure, and its user goes home.
    pub fn closing(&self) {
        self.shared.closing.store(true, Relaxed);
    }

    /// Waits until everybody has gone home; gives the numbers of reads and writes, and what failed.
    pub async fn end(mut self) -> (u64, u64, Vec<Failure>) {
        while let Some(user) = self.users.join_next().await {
            user.unwrap();
        }
        let failures = self.shared.failures.lock().unwrap().clone();
        (
            self.shared.reads.load(Relaxed),
            self.shared.writes.load(Relaxed),
            failures,
        )
    }
}

impl Shared {
    async fn work(self: Arc<Self>, method: &'static str, body: &'static str, thinks: Duration) {
        let mut connection = None;
        loop {
            match self.once(&mut connection, method, body).await {
                Ok(answer) if answer.status() == 200 => self.count(method),
                Ok(answer) => self.note(method, format!("{} {:?}", answer.status(), answer.body())),
                Err(Trouble::Connect(_)) if self.closing.load(Relaxed) => return,
                Err(trouble) => self.note(method, format!("{trouble:?}")),
            }
            tokio::time::sleep(thinks).await;
        }
    }

    /// One request, on the connection that is kept, or on another if that one has been closed before it was used.
    async fn once(
        &self,
        kept: &mut Option<Connection>,
        method: &str,
        body: &'static str,
    ) -> Result<Response, Trouble> {
        loop {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => Connection::open(self.address).await?,
            };
            match connection.send(request(method, "/", &[], body)).await {
                Ok(answer) => {
                    *kept = Some(connection);
                    return Ok(answer);
                }
                Err(Trouble::Closed) => {}
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn count(&self, method: &str) {
        let counter = if method == "GET" {
            &self.reads
        } else {
            &self.writes
        };
        counter.fetch_add(1, Relaxed);
    }

    fn note(&self, method: &'static str, told: String) {
        let failure = Failure {
            step: self.step.lock().unwrap().clone(),
            method,
            told,
        };
        self.failures.lock().unwrap().push(failure);
    }
}
