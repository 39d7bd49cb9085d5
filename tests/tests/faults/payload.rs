//! What factories deliver, what is delivered to them, and what they stage: all of it can go wrong.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use setl::commit::StagedWrite;
use setl::delivery::AutoLoad;
use setl::prelude::*;
use setl_tests::Parcel;

use super::script::{Fault, Happened, Point, Role, Staged, World, WriteId};

/// What factories deliver.
#[derive(Clone, Debug)]
pub struct Cargo(pub Parcel);

/// A delivery, however it is taken.
pub trait Value {
    fn value(&self) -> Option<u64>;
}

impl Value for Cargo {
    fn value(&self) -> Option<u64> {
        Some(self.0.value)
    }
}

impl<T: Value> Value for Arc<T> {
    fn value(&self) -> Option<u64> {
        (**self).value()
    }
}

impl<T: Value> Value for Option<T> {
    fn value(&self) -> Option<u64> {
        self.as_ref().and_then(Value::value)
    }
}

/// What the loading of a delivery goes wrong with: each factory has its own.
pub struct Ticket {
    pub node: usize,
    pub world: Arc<World>,
}

/// Begins a try.
pub struct Loaded<const STAND_IN: bool>;

impl<const STAND_IN: bool> AutoLoad for Loaded<STAND_IN> {
    type Source = Ticket;
    type Condition = ();

    fn auto_load(source: &Ticket, _condition: Option<()>) -> Result<Self> {
        let role = if STAND_IN { Role::StandIn } else { Role::Own };
        let Ticket { node, world } = source;
        world.begins(*node, role);
        world.fault_at(*node, role, Point::Load).map_or(Ok(()), |fault| fault.strike(world))?;
        Ok(Self)
    }
}

/// What the cloning of a delivery goes wrong with.
pub struct Stub {
    pub node: usize,
    pub world: Arc<World>,
}

impl Clone for Stub {
    fn clone(&self) -> Self {
        if let Some(fault) = self.world.fault_at(self.node, Role::Own, Point::Clone) {
            let _ = fault.strike(&self.world);
        }
        Self { node: self.node, world: Arc::clone(&self.world) }
    }
}

/// A write that notes what becomes of it.
pub struct Paper {
    id: WriteId,
    world: Arc<World>,
    ended: bool,
}

impl std::fmt::Debug for Paper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.id.fmt(f)
    }
}

impl Paper {
    pub fn new(id: WriteId, world: Arc<World>) -> Self {
        Self { id, world, ended: false }
    }

    fn play(&self, staged: Staged) -> Result<()> {
        match self.world.script.staged.get(&self.id.node) {
            Some((at, fault)) if *at == staged && !self.id.early => {
                if *fault == Fault::Drop {
                    self.world.drop_now.open();
                    self.world.dropped.block();
                }
                fault.strike(&self.world)
            }
            _ => Ok(()),
        }
    }
}

impl StagedWrite for Paper {
    fn target(&self) -> String {
        self.id.target()
    }

    fn prepare(&mut self) -> Result<()> {
        self.world.note(Happened::Prepared(self.id));
        self.play(Staged::Prepare)
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        self.ended = true;
        let played = catch_unwind(AssertUnwindSafe(|| self.play(Staged::Commit)));
        let end = if matches!(played, Ok(Ok(()))) { Happened::Committed } else { Happened::Refused };
        self.world.note(end(self.id));
        played.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn rollback(mut self: Box<Self>) -> Result<()> {
        self.ended = true;
        self.world.note(Happened::RolledBack(self.id));
        self.play(Staged::Rollback)
    }
}

impl Drop for Paper {
    fn drop(&mut self) {
        if !self.ended {
            self.world.note(Happened::Dropped(self.id));
        }
    }
}
