//! What ends a run from outside: signals and the deadline.

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::shared::{Shared, Why};

/// What shells report of a program that SIGINT ended.
pub(super) const EXIT_AT_SIGINT: u8 = 130;

/// Stops the run at Ctrl-C, in a task of its own: the run may not get to it while a factory computes.
pub(super) async fn stop_at_ctrl_c(shared: &Arc<Shared>) -> AbortOnDrop {
    let mut asked = Box::pin(asked_to_end());
    // The first poll registers the handler, before any factory starts.
    let first = std::future::poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx))).await;
    let shared = Arc::clone(shared);
    let task = tokio::spawn(async move {
        let signalled = match first {
            Poll::Ready(signalled) => signalled,
            Poll::Pending => asked.await,
        };
        if signalled {
            shared.cancel.cancel();
            // Who asks again does not want to wait for blocking work.
            if asked_to_end().await {
                crate::commit::abandon_all();
                std::process::exit(i32::from(EXIT_AT_SIGINT));
            }
        }
    });
    AbortOnDrop(task)
}

/// Ends at SIGINT, and at what supervisors send.
async fn asked_to_end() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return tokio::signal::ctrl_c().await.is_ok();
        };
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
            terminated = terminate.recv() => terminated.is_some(),
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await.is_ok()
    }
}

/// Stops the run when it has taken so long.
pub(super) fn stop_after(shared: &Arc<Shared>, deadline: Duration) -> AbortOnDrop {
    let shared = Arc::clone(shared);
    AbortOnDrop(tokio::spawn(async move {
        tokio::time::sleep(deadline).await;
        // A run that is about to end anyway ends because of what came first.
        if !shared.cancel.is_cancelled() {
            shared.set_why(Why::Deadline);
            shared.cancel.cancel();
        }
    }))
}

pub(super) struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
