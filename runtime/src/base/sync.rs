//! The synchronization primitives of the executor's state, replaced by those of a model checker in its tests.

#[cfg(setl_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
#[cfg(setl_loom)]
pub(crate) use loom::sync::{Mutex, RwLock};
#[cfg(not(setl_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{LockResult, PoisonError};
#[cfg(not(setl_loom))]
pub(crate) use std::sync::{Mutex, RwLock};

/// Returns the guard, even if a holder of the lock has panicked: the states below are consistent at every instant.
pub(crate) fn held<G>(lock: LockResult<G>) -> G {
    lock.unwrap_or_else(PoisonError::into_inner)
}
