//! What is known of a panic: its message, and where it happened.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

use super::current::is_in_run;
use super::error::Cause;

thread_local! {
    /// Where the last panic on this thread happened.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Whether a panic on this thread is nobody's business.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Remembers from now on where factories panic. Only the hook of a panic is told; the one that is there goes on as it was.
pub(super) fn watch() {
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if QUIET.get() {
                return;
            }
            if is_in_run() {
                let place = panic.location().map(ToString::to_string);
                PLACE.with(|last| last.replace(place));
            }
            others(panic);
        }));
    });
}

/// What `work` gives, unless it panics, of which nobody is told: for what another crate can be asked in no other way.
pub(super) fn quietly<R>(work: impl FnOnce() -> R) -> Option<R> {
    watch();
    // Where a panic ends the process, its text is all that there is.
    let before = QUIET.replace(cfg!(panic = "unwind"));
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    done.ok()
}

/// Calls `work`; a panic becomes a cause.
#[inline]
pub(crate) fn caught<R>(work: impl FnOnce() -> R) -> Result<R, Cause> {
    catch_unwind(AssertUnwindSafe(work)).map_err(cause_of)
}

/// Calls what others wrote, where a panic is to end nothing else. The hook has told of it.
#[inline]
pub(super) fn contained(call: impl FnOnce()) {
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

/// An error of a factory as a cause. One whose text cannot be made is itself a panic of that factory.
pub(super) fn cause_of_error(error: crate::Error) -> Cause {
    match caught(|| format!("{error:#}").len()) {
        Ok(_) => Cause::Error(error),
        Err(panic) => {
            // What panics when it is shown may do so when it is dropped.
            contained(|| drop(error));
            panic
        }
    }
}

/// The text of a panic, if it has one. Anything else that it carries is left alone, since dropping it may panic again.
pub(super) fn cause_of(panic: Box<dyn Any + Send>) -> Cause {
    let location = PLACE.take();
    let message = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => match panic.downcast::<&str>() {
            Ok(text) => (*text).to_owned(),
            Err(other) => {
                std::mem::forget(other);
                "a panic without a message".to_owned()
            }
        },
    };
    Cause::Panic { message, location }
}
