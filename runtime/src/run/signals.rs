//! Ends a run from outside: by signals and by the deadline.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::shared::{CancelReason, Shared};
use crate::base::panic::quietly;

/// The exit code that shells report for a program that SIGINT ended.
pub(crate) const EXIT_AT_SIGINT: u8 = 130;

/// A run that ends at Ctrl-C and at the signals of supervisors.
pub(crate) struct Signals {
    streams: Streams,
    listener: process::Listener,
}

impl Signals {
    /// Starts to listen. `None` if the runtime has no driver for signals.
    pub(crate) fn listen() -> Option<Box<Self>> {
        // The listener comes before tokio, because tokio receives a signal only if the signal does not end the process.
        let listener = process::Listener::new();
        let streams = quietly(Streams::new).and_then(Result::ok)?;
        Some(Box::new(Self { streams, listener }))
    }

    /// Stops the run at the first signal, in a separate task: the run itself may not be polled while a factory computes.
    pub(crate) fn attend(self, shared: &Arc<Shared>) -> Attended {
        let Self { mut streams, listener } = self;
        let shared = Arc::clone(shared);
        let taken = listener.taken();
        let task = tokio::spawn(async move {
            let Some(signal) = streams.next().await else { return };
            if !taken.take(signal) {
                return;
            }
            shared.cancel.cancel();
            // A second signal means that the user does not want to wait for blocking work.
            if streams.next().await.is_some() {
                setl_commit::abandon_all();
                std::process::exit(i32::from(EXIT_AT_SIGINT));
            }
        });
        Attended { _task: AbortOnDrop(task), listener }
    }
}

/// A run that listens for signals.
pub(crate) struct Attended {
    _task: AbortOnDrop,
    listener: process::Listener,
}

impl Attended {
    /// Ends the listening after the run. Unless the run was cancelled, a signal has come too late for it, and goes to the
    /// process.
    pub(crate) fn end(self, was_cancelled: bool) {
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

    /// Waits for the next signal, and returns its position in [`process::SIGNALS`].
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

/// The action of a signal while no run listens: the one from before the first run that listened.
///
/// A handler of tokio stays for the lifetime of the process, and discards a signal for which no task waits. So our own handler,
/// which comes first, restores the default action.
#[cfg(unix)]
mod process {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::{flag, low_level};

    use crate::base::sync::held;

    const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

    /// For each signal, `true` if it ends the process, because no run listens.
    static UNATTENDED: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
    /// For each signal, `true` if it came and no run has taken it.
    static CAME: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
    static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners { runs: 0, defaults: None });

    struct Listeners {
        runs: usize,
        /// For each signal, `true` if it had the default action before the first run that listened. `None` before that run.
        defaults: Option<[bool; 2]>,
    }

    /// Counts as a listening run until it is dropped.
    pub(crate) struct Listener(Arc<Taken>);

    /// The signals that a run has taken. `None` after the run.
    #[derive(Default)]
    pub(crate) struct Taken(Mutex<Option<[bool; 2]>>);

    impl Taken {
        /// Records that the run ends because of this signal. Returns `false` if the run has already ended.
        pub(crate) fn take(&self, signal: usize) -> bool {
            let mut taken = held(self.0.lock());
            if let Some(taken) = &mut *taken {
                CAME[signal].store(false, Ordering::SeqCst);
                taken[signal] = true;
            }
            taken.is_some()
        }
    }

    impl Listener {
        pub(crate) fn new() -> Self {
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

        pub(crate) fn taken(&self) -> Arc<Taken> {
            Arc::clone(&self.0)
        }

        pub(crate) fn end(self, was_cancelled: bool) {
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
            // A run that is dropped before its end was ended by the program, which knows the reason.
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
                // The flag is set before the check, so that no signal gets lost in between.
                UNATTENDED[index].store(true, Ordering::SeqCst);
                if CAME[index].swap(false, Ordering::SeqCst) {
                    let _ = low_level::emulate_default_handler(signal);
                }
            }
        }
    }

    /// Registers the handlers of a signal. Returns `true` if it had the default action before.
    fn register(index: usize) -> bool {
        let signal = SIGNALS[index];
        let is_default =
            has_default(signal) && flag::register_conditional_default(signal, &UNATTENDED[index]).is_ok();
        is_default && flag::register(signal, &CAME[index]).is_ok()
    }

    /// `true` if a signal is neither handled nor ignored, or if the system does not tell.
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

/// Other systems keep the behaviour of tokio.
#[cfg(not(unix))]
mod process {
    pub(crate) struct Listener;
    pub(crate) struct Taken;

    impl Taken {
        pub(crate) fn take(&self, _: usize) -> bool {
            true
        }
    }

    impl Listener {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn taken(&self) -> Taken {
            Taken
        }

        pub(crate) fn end(self, _: bool) {}
    }
}

/// `true` if the runtime has a timer.
pub(crate) fn has_timer() -> bool {
    quietly(|| drop(tokio::time::sleep(Duration::ZERO))).is_some()
}

/// Stops the run after the deadline.
pub(crate) fn stop_after(shared: &Arc<Shared>, deadline: Duration) -> AbortOnDrop {
    let shared = Arc::clone(shared);
    AbortOnDrop(tokio::spawn(async move {
        tokio::time::sleep(deadline).await;
        // The first reason for the end of a run counts.
        if !shared.cancel.is_cancelled() {
            shared.set_cancel_reason(CancelReason::Deadline);
            shared.cancel.cancel();
        }
    }))
}

pub(crate) struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
