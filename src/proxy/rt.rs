//! hyper's tasks on a worker's own thread.

/// Spawns on the runtime of the thread it is called on, so that nothing has to be `Send`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
