//! What must run for as long as the process does.
//!
//! A part that ends sooner has panicked, and what it left behind is unknown. The process then finishes what runs and exits
//! with an error, so that its supervisor starts it afresh, and clean: no fault survives that. To go on without the part would
//! look well and be half dead, with leases that never end or a worker that accepts nothing; to begin the part again would trust
//! what a panic has left half done.

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The health of the process itself.
#[derive(Clone)]
pub(super) struct Vital {
    failed: CancellationToken,
    /// Cancelled when everything ends as it should.
    end: CancellationToken,
}

impl Vital {
    /// Nothing has failed yet.
    pub(super) fn new(end: CancellationToken) -> Self {
        Self {
            failed: CancellationToken::new(),
            end,
        }
    }

    /// Cancelled when a part has failed.
    pub(super) fn failed(&self) -> &CancellationToken {
        &self.failed
    }

    /// Notes if a part ends before it should: keep the watch for as long as the part runs.
    pub(super) fn watch(&self, part: impl Into<String>) -> Watch {
        Watch {
            part: part.into(),
            vital: self.clone(),
            ended: false,
        }
    }

    /// Runs a part as a task.
    pub(super) fn spawn(
        &self,
        tasks: &mut JoinSet<()>,
        part: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let watch = self.watch(part);
        tasks.spawn(async move {
            work.await;
            drop(watch);
        });
    }
}

/// A part that runs.
pub(super) struct Watch {
    part: String,
    vital: Vital,
    ended: bool,
}

impl Watch {
    /// The part has ended as it should.
    pub(super) fn ended(mut self) {
        self.ended = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended && !self.vital.end.is_cancelled() {
            tracing::error!(
                part = self.part,
                "a part that must not end has ended: the process finishes what runs and exits"
            );
            self.vital.failed.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_is_noticed() {
        let (end, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let vital = Vital::new(end);
        vital.spawn(&mut tasks, "leases", async { panic!("a bug") });
        vital.failed().cancelled().await;
    }

    #[tokio::test]
    async fn a_part_that_just_ends_is_noticed_too() {
        let mut tasks = JoinSet::new();
        let vital = Vital::new(CancellationToken::new());
        vital.spawn(&mut tasks, "leases", async {});
        vital.failed().cancelled().await;
    }

    #[tokio::test]
    async fn parts_that_end_with_the_process_have_not_failed() {
        let (end, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let vital = Vital::new(end.clone());
        vital.spawn(&mut tasks, "leases", std::future::pending());
        vital.watch("worker").ended();
        end.cancel();
        tasks.shutdown().await;
        assert!(!vital.failed().is_cancelled());
    }
}
