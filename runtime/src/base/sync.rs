//! The primitives of the executor's state, so that a model checker can stand in for them.

#[cfg(setl_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
#[cfg(setl_loom)]
pub(crate) use loom::sync::{Mutex, RwLock};
#[cfg(not(setl_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{LockResult, PoisonError};
#[cfg(not(setl_loom))]
pub(crate) use std::sync::{Mutex, RwLock};

/// The guard, also of a lock whose holder panicked: the states below are consistent at every instant.
pub(crate) fn held<G>(lock: LockResult<G>) -> G {
    lock.unwrap_or_else(PoisonError::into_inner)
}
