//! Panics of foreign code: their messages and locations.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

thread_local! {
    /// The location of the last panic on this thread.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    /// `true` if panics on this thread are not reported.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Records the locations of panics from now on. Only a panic hook receives the location. The previous hook still runs.
pub(crate) fn watch() {
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if QUIET.try_with(Cell::get).unwrap_or(false) {
                return;
            }
            let place = panic.location().map(ToString::to_string);
            // A panic hook must not panic, not even while its thread ends.
            let _ = PLACE.try_with(|last| last.replace(place));
            others(panic);
        }));
    });
}

/// Returns the result of `work`, or `None` if it panics, without reporting the panic. Some crates offer no other check.
pub(crate) fn quietly<R>(work: impl FnOnce() -> R) -> Option<R> {
    watch();
    // If a panic aborts the process, its message is the only report.
    let before = QUIET.replace(cfg!(panic = "unwind"));
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    done.ok()
}

/// Calls `work` and catches its panic.
#[inline]
pub(crate) fn caught<R>(work: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(Panicked::of)
}

/// Calls foreign code and ignores its panic, which the hook has already reported.
#[inline]
pub(crate) fn contained(call: impl FnOnce()) {
    let _ = caught(call);
}

/// A panic on its way from the thread that panicked to the one that waits for it.
pub(crate) struct Carried {
    payload: Box<dyn Any + Send>,
    place: Option<String>,
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carried").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Calls `work`, for which another thread waits.
pub(crate) fn carried<R>(work: impl FnOnce() -> R) -> Result<R, Carried> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Carried { payload, place: PLACE.take() })
}

impl Carried {
    /// Resumes the panic on this thread.
    pub(crate) fn resume(self) -> ! {
        PLACE.set(self.place);
        resume_unwind(self.payload)
    }
}

/// A caught panic.
#[derive(Clone, Debug)]
pub(crate) struct Panicked {
    pub(crate) message: String,
    /// The location, such as `src/rates.rs:12:5`, if known.
    pub(crate) location: Option<String>,
}

impl Panicked {
    /// Takes the text of the last panic on this thread, if it has one. Any other payload is leaked, since dropping it may panic
    /// again.
    pub(crate) fn of(payload: Box<dyn Any + Send>) -> Self {
        let location = PLACE.take();
        let message = match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => match payload.downcast::<&str>() {
                Ok(text) => (*text).to_owned(),
                Err(other) => {
                    std::mem::forget(other);
                    "a panic without a message".to_owned()
                }
            },
        };
        Self { message, location }
    }
}

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.location {
            Some(location) => write!(f, "panic at {location}: {}", self.message),
            None => write!(f, "panic: {}", self.message),
        }
    }
}
