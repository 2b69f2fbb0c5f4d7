//! The workers' threads: started together, drained together.

use std::{io, sync::Arc, thread::JoinHandle};

use tokio::{runtime, sync::oneshot};
use tokio_util::sync::CancellationToken;

use super::vital::Vital;
use crate::{
    config::{AccessLog as Wanted, Document},
    control::Control,
    net::{Impostor, gather},
    proxy::{database::Cancels, thread, worker::Shared},
    telemetry::{
        Metrics,
        access::{AccessLog, Format, Target},
        events::Events,
    },
};

/// The threads that carry traffic.
pub(super) struct Workers {
    threads: Vec<(JoinHandle<()>, oneshot::Receiver<usize>)>,
    drain: CancellationToken,
    access: Option<Arc<AccessLog>>,
}

impl Workers {
    /// Starts so many workers; they serve what `control` has published by the time this returns.
    pub(super) fn start(
        count: usize,
        control: &Control,
        metrics: &Arc<Metrics>,
        events: &Events,
        document: &Document,
        vital: &Vital,
    ) -> io::Result<Self> {
        let drain = CancellationToken::new();
        let access = open_log(document, metrics)?;
        let impostor =
            Impostor::new().inspect_err(|error| tracing::warn!(%error, "no bad certificates for `tls`"));
        let shared = Shared {
            truth: control.subscribe(),
            events: events.clone(),
            metrics: metrics.clone(),
            impostor: impostor.ok(),
            under_faults: Arc::default(),
            cancels: Cancels::default(),
            drain: drain.clone(),
            failed: vital.failed().clone(),
        };
        let limit = document.drain.limit.0;
        let mut threads = Vec::with_capacity(count);
        for index in 0..count {
            let (shared, access) = (shared.clone(), access.clone());
            let (done, ended) = oneshot::channel();
            let name = format!("worker-{index}");
            let watch = vital.watch(&name);
            let thread = std::thread::Builder::new().name(name).spawn(move || {
                let local = runtime::Builder::new_current_thread()
                    .enable_all()
                    .on_thread_park(gather::before_sleep)
                    .build_local(Default::default());
                let local = match local {
                    Ok(local) => local,
                    Err(error) => return tracing::error!(%error, "a worker has no runtime"),
                };
                let pen = access.as_ref().map(|log| log.pen());
                let left = local.block_on(thread::run(index, shared, pen, limit));
                watch.ended();
                // The receiver is gone only when nobody waits any more.
                let _ = done.send(left);
            })?;
            threads.push((thread, ended));
        }
        Ok(Self {
            threads,
            drain,
            access,
        })
    }

    /// Takes no new connections, and waits until those that stand have ended or the limit is reached. Returns how many
    /// were still open then.
    pub(super) async fn drain(&mut self) -> usize {
        self.drain.cancel();
        let mut left = 0;
        for (thread, ended) in self.threads.drain(..) {
            left += ended.await.unwrap_or(0);
            // It has sent its number as its last act.
            let _ = thread.join();
        }
        if let Some(access) = self.access.take().and_then(Arc::into_inner) {
            access.close();
        }
        left
    }
}

fn open_log(document: &Document, metrics: &Arc<Metrics>) -> io::Result<Option<Arc<AccessLog>>> {
    let format = match document.access_log {
        Wanted::Off => return Ok(None),
        Wanted::Text => Format::Text,
        Wanted::Json => Format::Json,
    };
    AccessLog::open(Target::Stdout, format, metrics.clone()).map(|log| Some(Arc::new(log)))
}
