//! Holds a payload until its consumers have taken it.

use std::any::Any;
use std::sync::Arc;

use crate::base::AnyPayload;
use crate::base::sync::{AtomicU32, Ordering, RwLock, held};

/// A payload of unknown type.
pub(crate) type Untyped = dyn Any + Send + Sync;

/// Returns the payload by value, from the result of `consume` or from a clone.
pub(crate) fn by_value<T: Any + Clone + Send + Sync>(
    consume: impl FnOnce(&mut dyn FnMut(&Untyped)) -> Option<AnyPayload>,
) -> Option<T> {
    let mut cloned = None;
    let last = consume(&mut |payload| cloned = payload.downcast_ref::<T>().cloned());
    // Consumers with `shared` may still hold the payload.
    let unwrap = |payload| Arc::try_unwrap(payload).unwrap_or_else(|shared| T::clone(&shared));
    last.map_or(cloned, |payload| payload.downcast::<T>().ok().map(unwrap))
}

/// Holds one payload until its last consumer has it.
///
/// Each consumer takes or releases exactly once. Every consumer but the last gets a clone; the last gets the payload.
pub(crate) struct Slot {
    /// Consumers that have neither taken nor released.
    left: AtomicU32,
    payload: RwLock<Option<AnyPayload>>,
}

impl Slot {
    pub(crate) fn new(consumers: u32) -> Self {
        Self { left: AtomicU32::new(consumers), payload: RwLock::new(None) }
    }

    /// Stores the payload, or drops it if it has no consumer.
    pub(crate) fn put(&self, payload: AnyPayload) {
        // Consumers only come after the producer has finished, so the count cannot change here.
        if self.left.load(Ordering::Acquire) > 0 {
            *held(self.payload.write()) = Some(payload);
        }
    }

    /// The payload by value.
    #[cfg(all(test, setl_loom))]
    pub(crate) fn take<T: Any + Clone + Send + Sync>(&self) -> Option<T> {
        by_value(|see| self.consume(see))
    }

    /// Returns the payload itself to the last consumer. Other consumers see it through `see`, to clone it. This function is not
    /// generic, because a generic copy would be compiled for each factory and run once.
    pub(crate) fn consume(&self, see: &mut dyn FnMut(&Untyped)) -> Option<AnyPayload> {
        if !self.is_last() {
            let waiting = held(self.payload.read());
            if self.left.fetch_sub(1, Ordering::AcqRel) > 1 {
                waiting.as_deref().map(see);
                return None;
            }
        }
        self.last()
    }

    /// Returns the payload itself, shared with other consumers.
    pub(crate) fn share(&self) -> Option<AnyPayload> {
        if !self.is_last() {
            let waiting = held(self.payload.read());
            if self.left.fetch_sub(1, Ordering::AcqRel) > 1 {
                return waiting.clone();
            }
        }
        self.last()
    }

    /// Shows the payload, to be cloned, to a consumer that takes or releases it later.
    pub(crate) fn peek(&self, see: &mut dyn FnMut(&Untyped)) {
        held(self.payload.read()).as_deref().map(see);
    }

    /// Returns the payload itself to a consumer that takes or releases it later.
    pub(crate) fn peek_shared(&self) -> Option<AnyPayload> {
        held(self.payload.read()).clone()
    }

    /// Gives up the claim to the payload.
    pub(crate) fn release(&self) {
        drop(self.share());
    }

    /// Drops a payload whose consumers will not come.
    pub(crate) fn clear(&self) {
        drop(self.last());
    }

    /// Counts the caller out if it is the only remaining consumer: then no other consumer changes the count.
    fn is_last(&self) -> bool {
        let last = self.left.load(Ordering::Acquire) == 1;
        if last {
            self.left.store(0, Ordering::Release);
        }
        last
    }

    /// Empties the slot for the last consumer. All other consumers have counted themselves out while holding the read lock. So
    /// the write lock waits for consumers that are still cloning, and no consumer comes afterwards.
    fn last(&self) -> Option<AnyPayload> {
        held(self.payload.write()).take()
    }
}
