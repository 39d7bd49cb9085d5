//! What ends a run from outside: signals and the deadline.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::shared::{Shared, Why};
use crate::base::panic::quietly;

/// What shells report of a program that SIGINT ended.
pub(super) const EXIT_AT_SIGINT: u8 = 130;

/// A run that is to end at Ctrl-C, and at what supervisors send.
pub(super) struct Signals {
    streams: Streams,
    listener: process::Listener,
}

impl Signals {
    /// Listens from now on. None where the runtime has no driver for signals.
    pub(super) fn listen() -> Option<Box<Self>> {
        // Before tokio, which is told of a signal only if that does not end the process.
        let listener = process::Listener::new();
        let streams = quietly(Streams::new).and_then(Result::ok)?;
        Some(Box::new(Self { streams, listener }))
    }

    /// Stops the run at the first signal, in a task of its own: the run may not get to it while a factory computes.
    pub(super) fn attend(self, shared: &Arc<Shared>) -> Attended {
        let Self { mut streams, listener } = self;
        let shared = Arc::clone(shared);
        let taken = listener.taken();
        let task = tokio::spawn(async move {
            let Some(signal) = streams.next().await else { return };
            if !taken.take(signal) {
                return;
            }
            shared.cancel.cancel();
            // Who asks again does not want to wait for blocking work.
            if streams.next().await.is_some() {
                setl_commit::abandon_all();
                std::process::exit(i32::from(EXIT_AT_SIGINT));
            }
        });
        Attended { _task: AbortOnDrop(task), listener }
    }
}

/// A run that listens.
pub(super) struct Attended {
    _task: AbortOnDrop,
    listener: process::Listener,
}

impl Attended {
    /// The run is over. Unless it was cancelled, a signal has come too late for it, and is for the process.
    pub(super) fn end(self, was_cancelled: bool) {
        self.listener.end(was_cancelled);
    }
}

#[cfg(unix)]
struct Streams {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Streams {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Which signal comes next, by its position in [`process::SIGNALS`].
    async fn next(&mut self) -> Option<usize> {
        tokio::select! {
            interrupted = self.interrupt.recv() => interrupted.map(|()| 0),
            terminated = self.terminate.recv() => terminated.map(|()| 1),
        }
    }
}

#[cfg(not(unix))]
struct Streams;

#[cfg(not(unix))]
impl Streams {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Option<usize> {
        tokio::signal::ctrl_c().await.ok().map(|()| 0)
    }
}

/// What the process does at a signal while no run listens: what it did before the first run that listened.
///
/// A handler of tokio stays for good, and a signal that nobody waits for is lost there. So the default action is put in
/// place again by a handler of our own that comes first.
#[cfg(unix)]
mod process {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::{flag, low_level};

    use crate::base::sync::held;

    const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

    /// Of each signal, whether it ends the process, as no run listens.
    static UNATTENDED: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
    /// Of each signal, whether it came and no run has taken it.
    static CAME: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
    static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners { runs: 0, defaults: None });

    struct Listeners {
        runs: usize,
        /// Of each signal, whether nobody else had said what the process does; known since the first run that listened.
        defaults: Option<[bool; 2]>,
    }

    /// Counts as a run that listens until it is dropped.
    pub(super) struct Listener(Arc<Taken>);

    /// The signals that a run has taken; None when it is over.
    #[derive(Default)]
    pub(super) struct Taken(Mutex<Option<[bool; 2]>>);

    impl Taken {
        /// The run ends because of this signal, unless it has ended before.
        pub(super) fn take(&self, signal: usize) -> bool {
            let mut taken = held(self.0.lock());
            if let Some(taken) = &mut *taken {
                CAME[signal].store(false, Ordering::SeqCst);
                taken[signal] = true;
            }
            taken.is_some()
        }
    }

    impl Listener {
        pub(super) fn new() -> Self {
            let mut listeners = held(LISTENERS.lock());
            if listeners.defaults.is_none() {
                listeners.defaults = Some(std::array::from_fn(register));
            }
            if listeners.runs == 0 {
                CAME.iter().chain(&UNATTENDED).for_each(|flag| flag.store(false, Ordering::SeqCst));
            }
            listeners.runs += 1;
            Self(Arc::new(Taken(Mutex::new(Some([false; 2])))))
        }

        pub(super) fn taken(&self) -> Arc<Taken> {
            Arc::clone(&self.0)
        }

        pub(super) fn end(self, was_cancelled: bool) {
            let taken = held(self.0.0.lock()).take().unwrap_or_default();
            for (taken, came) in taken.iter().zip(&CAME) {
                if *taken && !was_cancelled {
                    came.store(true, Ordering::SeqCst);
                }
            }
        }
    }

    impl Drop for Listener {
        fn drop(&mut self) {
            // A run that is dropped before its end was ended by the program, which knows why.
            if held(self.0.0.lock()).take().is_some() {
                CAME.iter().for_each(|came| came.store(false, Ordering::SeqCst));
            }
            let mut listeners = held(LISTENERS.lock());
            listeners.runs -= 1;
            if listeners.runs > 0 {
                return;
            }
            let defaults = listeners.defaults.unwrap_or_default();
            for (index, signal) in SIGNALS.into_iter().enumerate().filter(|(index, _)| defaults[*index]) {
                // In this order, so that none comes between.
                UNATTENDED[index].store(true, Ordering::SeqCst);
                if CAME[index].swap(false, Ordering::SeqCst) {
                    let _ = low_level::emulate_default_handler(signal);
                }
            }
        }
    }

    /// Registers the handlers of a signal, and says whether it had the default action before.
    fn register(index: usize) -> bool {
        let signal = SIGNALS[index];
        let is_default =
            has_default(signal) && flag::register_conditional_default(signal, &UNATTENDED[index]).is_ok();
        is_default && flag::register(signal, &CAME[index]).is_ok()
    }

    /// Whether a signal is neither handled nor ignored. Where the system does not tell, that is assumed.
    fn has_default(signal: i32) -> bool {
        let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
        let is_in = |mask: &str| {
            let mask = status.lines().find_map(|line| line.strip_prefix(mask));
            let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
        };
        !is_in("SigCgt:") && !is_in("SigIgn:")
    }
}

/// Elsewhere, what tokio does stays.
#[cfg(not(unix))]
mod process {
    pub(super) struct Listener;
    pub(super) struct Taken;

    impl Taken {
        pub(super) fn take(&self, _: usize) -> bool {
            true
        }
    }

    impl Listener {
        pub(super) fn new() -> Self {
            Self
        }

        pub(super) fn taken(&self) -> Taken {
            Taken
        }

        pub(super) fn end(self, _: bool) {}
    }
}

/// Whether the runtime has a timer.
pub(super) fn has_timer() -> bool {
    quietly(|| drop(tokio::time::sleep(Duration::ZERO))).is_some()
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
