//! The demo's tasks: one owner that stops them all and waits until they have ended.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long to wait after a failed accept, which is mostly for want of file descriptors: time for some to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A handle on tasks that end when they are told to stop.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Tasks that end when `stop` is cancelled.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop,
        }
    }

    /// Runs a task until it ends, or drops it where it stands on stop.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        })
    }

    /// Serves a listener: each connection by a task of `serve`, which hears the stop by itself and ends in its own time;
    /// at most `limit` at a time, further ones wait in the kernel's queue.
    pub(super) fn serve<F: Future<Output = ()> + Send + 'static>(
        &self,
        listener: TcpListener,
        limit: usize,
        serve: impl Fn(TcpStream, CancellationToken) -> F + Send + 'static,
    ) {
        let tasks = self.clone();
        self.spawn(async move {
            let room = Arc::new(Semaphore::new(limit));
            loop {
                let permit = Arc::clone(&room)
                    .acquire_owned()
                    .await
                    .expect("room is never closed");
                match accept(&listener).await {
                    Ok(stream) => {
                        let connection = serve(stream, tasks.stop.clone());
                        tasks.tracker.spawn(async move {
                            connection.await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::debug!(%error, "the demo could not accept a connection");
                        time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        });
    }

    /// Waits until every task has ended, which they do once told to stop.
    pub(super) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    // Answers are small and waited for: they must not be held back for more to send.
    stream.set_nodelay(true)?;
    Ok(stream)
}
