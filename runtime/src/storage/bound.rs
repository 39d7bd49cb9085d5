//! Which factory of a run a repository belongs to: so what is saved by it belongs to the run wherever that happens, in a
//! task or a thread that the factory has started, too.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use crate::pipeline::AnyPayload;
use crate::run::Shared;
use crate::run::current::Current;
use setl_commit::Owner;

/// The attempt of a factory that was given a repository, or has made it.
#[derive(Clone)]
pub(super) struct Bound {
    run: Weak<Shared>,
    owner: Owner,
    factory: Arc<str>,
}

impl Bound {
    /// What this thread works for, if it does for a run.
    pub(super) fn here() -> Option<Self> {
        let Current { shared, owner } = Current::get()?;
        let factory = Arc::from(&*shared.plan.factories.get(owner.node)?.name);
        Some(Self { run: Arc::downgrade(&shared), owner, factory })
    }

    /// What to work for on a thread that works for no run; None where it does, or the run is over.
    pub(super) fn elsewhere(&self) -> Option<Current> {
        if Current::get().is_some() {
            return None;
        }
        Some(Current { shared: self.run.upgrade()?, owner: self.owner })
    }

    /// As [`Bound::elsewhere`], to save.
    ///
    /// # Errors
    /// When the run is over, and nothing can become part of it any more.
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

/// The types of repositories, and how one is bound that is delivered without being cloned.
static TYPES: RwLock<Option<HashMap<TypeId, Rebind>>> = RwLock::new(None);
/// Whether there are any.
static ANY: AtomicBool = AtomicBool::new(false);

/// Has payloads of this type bound to the factory that they are delivered to. A clone is a bound one.
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

/// The payload for the factory that this thread works for: itself, or one that is bound to it.
pub(crate) fn delivered(payload: AnyPayload) -> AnyPayload {
    if !ANY.load(Ordering::Acquire) {
        return payload;
    }
    let types = TYPES.read().unwrap_or_else(PoisonError::into_inner);
    let rebind = types.as_ref().and_then(|types| types.get(&(*payload).type_id())).copied();
    drop(types);
    rebind.and_then(|rebind| rebind(&*payload)).unwrap_or(payload)
}
