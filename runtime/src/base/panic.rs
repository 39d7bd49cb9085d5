//! Panics of code that others wrote: their message, and where they happened.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

thread_local! {
    /// Where the last panic on this thread happened.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Whether a panic on this thread is nobody's business.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Remembers from now on where factories panic. Only the hook of a panic is told; the one that is there goes on as it was.
pub(crate) fn watch() {
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if QUIET.try_with(Cell::get).unwrap_or(false) {
                return;
            }
            let place = panic.location().map(ToString::to_string);
            // A hook of a panic must not panic, not even while its thread ends.
            let _ = PLACE.try_with(|last| last.replace(place));
            others(panic);
        }));
    });
}

/// What `work` gives, unless it panics, of which nobody is told: for what another crate can be asked in no other way.
pub(crate) fn quietly<R>(work: impl FnOnce() -> R) -> Option<R> {
    watch();
    // Where a panic ends the process, its text is all that there is.
    let before = QUIET.replace(cfg!(panic = "unwind"));
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    done.ok()
}

/// Calls `work`, and catches its panic.
#[inline]
pub(crate) fn caught<R>(work: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(Panicked::of)
}

/// Calls what others wrote, where a panic is to end nothing else. The hook has told of it.
#[inline]
pub(crate) fn contained(call: impl FnOnce()) {
    let _ = caught(call);
}

/// What is brought from the thread on which work panicked to the one that waits for it.
pub(crate) struct Carried {
    payload: Box<dyn Any + Send>,
    place: Option<String>,
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carried").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Calls `work`, which another thread waits for.
pub(crate) fn carried<R>(work: impl FnOnce() -> R) -> Result<R, Carried> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Carried { payload, place: PLACE.take() })
}

impl Carried {
    /// Goes on panicking here.
    pub(crate) fn resume(self) -> ! {
        PLACE.set(self.place);
        resume_unwind(self.payload)
    }
}

/// A panic that was caught.
#[derive(Clone, Debug)]
pub(crate) struct Panicked {
    pub(crate) message: String,
    /// Where it happened, as `src/rates.rs:12:5`, if that is known.
    pub(crate) location: Option<String>,
}

impl Panicked {
    /// The text of the last panic on this thread, if it has one. Any other payload is leaked, since dropping it may panic again.
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
