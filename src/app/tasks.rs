//! The only place that spawns.
//!
//! **Invariant:** a task that ends by itself ends the process; half-alive is worse, and a supervisor starts us again.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The daemon's tasks.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    died: CancellationToken,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            died: CancellationToken::new(),
        }
    }

    /// What every task listens to.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Cancelled when a task has ended although nobody asked it to.
    pub(crate) fn died(&self) -> CancellationToken {
        self.died.clone()
    }

    /// Start a task that runs until `stop`.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        until: &CancellationToken,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let (until, died) = (until.clone(), self.died.clone());
        #[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
        self.tracker.spawn(async move {
            // Cancels when dropped, so a panic counts as an end too.
            let alive = died.clone().drop_guard();
            task.await;
            if until.is_cancelled() {
                alive.disarm();
            } else {
                tracing::error!(task = name, "a task ended by itself; the daemon stops");
            }
        });
    }

    /// Start a task that may end when it is done: one connection.
    pub(crate) fn spawn_call(&self, task: impl Future<Output = ()> + Send + 'static) {
        #[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
        self.tracker.spawn(task);
    }

    /// Ask all to end, and wait for them, but not for ever.
    pub(crate) async fn end(self, limit: Duration) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(limit, self.tracker.wait()).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
    }
}
