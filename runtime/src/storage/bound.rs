//! The binding of repositories to the factories of a run. A bound repository saves for its run from anywhere, including
//! tasks and threads that the factory has started.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use crate::pipeline::AnyPayload;
use crate::run::Shared;
use crate::run::current::Current;
use setl_commit::Owner;

/// The attempt of a factory that received a repository, or has made it.
#[derive(Clone)]
pub(super) struct Bound {
    run: Weak<Shared>,
    owner: Owner,
    factory: Arc<str>,
}

impl Bound {
    /// Returns the attempt that this thread works for, if there is one.
    pub(super) fn here() -> Option<Self> {
        let Current { shared, owner } = Current::get()?;
        let factory = Arc::from(&*shared.plan.factories.get(owner.node)?.name);
        Some(Self { run: Arc::downgrade(&shared), owner, factory })
    }

    /// Returns the attempt to work for on a thread that works for no run. Returns `None` on a thread that works for a
    /// run, or when the run is over.
    pub(super) fn elsewhere(&self) -> Option<Current> {
        if Current::get().is_some() {
            return None;
        }
        Some(Current { shared: self.run.upgrade()?, owner: self.owner })
    }

    /// Does the same as [`Bound::elsewhere`], for saving.
    ///
    /// # Errors
    /// When the run is over, so that nothing can become part of it any more.
    pub(super) fn to_save(&self, place: &dyn std::fmt::Display) -> crate::Result<Option<Current>> {
        let current = self.elsewhere();
        if current.is_none() && Current::get().is_none() {
            anyhow::bail!(
                "{place} is saved to too late: factory `{}`, which it was given to, belongs to a run that is over; await what a \
                 factory spawns before the factory returns, or save with `save_now`",
                self.factory
            );
        }
        Ok(current)
    }
}

type Rebind = fn(&(dyn Any + Send + Sync)) -> Option<AnyPayload>;

/// The types of repositories, each with the function that binds a repository which is delivered without a clone.
static TYPES: RwLock<Option<HashMap<TypeId, Rebind>>> = RwLock::new(None);
/// Is set if there are registered types.
static ANY: AtomicBool = AtomicBool::new(false);

/// Registers a type whose payloads are bound to the factory that receives them. A clone is bound when it is made.
pub(super) fn register<R: Clone + Send + Sync + 'static>() {
    let known = |types: &Option<HashMap<TypeId, Rebind>>| {
        types.as_ref().is_some_and(|types| types.contains_key(&TypeId::of::<R>()))
    };
    if known(&TYPES.read().unwrap_or_else(PoisonError::into_inner)) {
        return;
    }
    let clone: Rebind = |payload| Some(Arc::new(payload.downcast_ref::<R>()?.clone()));
    let mut types = TYPES.write().unwrap_or_else(PoisonError::into_inner);
    types.get_or_insert_default().insert(TypeId::of::<R>(), clone);
    ANY.store(true, Ordering::Release);
}

/// Returns the payload for the factory that this thread works for: the payload itself, or a clone that is bound to the
/// factory.
pub(crate) fn delivered(payload: AnyPayload) -> AnyPayload {
    if !ANY.load(Ordering::Acquire) {
        return payload;
    }
    let types = TYPES.read().unwrap_or_else(PoisonError::into_inner);
    let rebind = types.as_ref().and_then(|types| types.get(&(*payload).type_id())).copied();
    drop(types);
    rebind.and_then(|rebind| rebind(&*payload)).unwrap_or(payload)
}
