//! Clients that keep asking while a test does something to the proxy, and count what they got.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::task::JoinSet;

use super::{
    H1,
    client::{a_get, a_post},
    eventually,
};

/// A load that runs.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    seen: Arc<Mutex<BTreeMap<String, usize>>>,
    clients: JoinSet<()>,
}

impl Load {
    /// So many clients, each on a connection of its own that it keeps while it can, reading and writing in turn.
    pub fn start(address: SocketAddr, clients: usize) -> Self {
        Self::of(address, clients, true)
    }

    /// The same, but reading only.
    pub fn reading(address: SocketAddr, clients: usize) -> Self {
        Self::of(address, clients, false)
    }

    fn of(address: SocketAddr, clients: usize, writes: bool) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            answered: Arc::default(),
            seen: Arc::default(),
            clients: JoinSet::new(),
        };
        for _ in 0..clients {
            let (stop, answered, seen) = (load.stop.clone(), load.answered.clone(), load.seen.clone());
            load.clients.spawn(async move {
                let mut connection = None;
                for turn in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let result = ask(address, &mut connection, writes && turn % 2 == 1).await;
                    answered.fetch_add(1, Ordering::SeqCst);
                    *seen.lock().unwrap().entry(result).or_default() += 1;
                }
            });
        }
        load
    }

    /// Waits until so many more requests have ended.
    pub async fn goes_on_for(&self, more: usize) {
        let before = self.answered.load(Ordering::SeqCst);
        let what = format!("{more} more requests");
        eventually(&what, async || {
            self.answered.load(Ordering::SeqCst) >= before + more
        })
        .await;
    }

    /// Ends it; how often each result was seen: a status, or what went wrong.
    pub async fn stop(mut self) -> BTreeMap<String, usize> {
        self.stop.store(true, Ordering::SeqCst);
        while self.clients.join_next().await.is_some() {}
        let seen = self.seen.lock().unwrap();
        seen.clone()
    }

    /// Ends it, where every request must have been answered with 200.
    #[track_caller]
    pub fn must_have_been_fine(self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let seen = self.stop().await;
            assert_eq!(
                seen.keys().map(String::as_str).collect::<Vec<_>>(),
                ["200"],
                "{caller}: {seen:?}"
            );
        }
    }
}

async fn ask(address: SocketAddr, connection: &mut Option<H1>, write: bool) -> String {
    let mut h1 = match connection.take() {
        Some(h1) => h1,
        None => H1::connect(address).await,
    };
    let request = match write {
        false => a_get("/stock"),
        true => a_post("/orders", "one more"),
    };
    match h1.send(request).await {
        Ok(answer) => {
            // A connection that the proxy announced to close is not used again, as any client does.
            if answer.header("connection") != "close" {
                *connection = Some(h1);
            }
            answer.status.to_string()
        }
        Err(error) => format!("{error:?}"),
    }
}
