//! What a repository has to do with the run that it is used in.

use std::sync::Arc;

use super::{Connector, StagedWrite};
use crate::Error;
use crate::commit::{Owner, Transaction};

/// The transaction of the run for which this thread works, and the factory that it works for; `None` outside of runs.
///
/// The one place that asks for it: `crate::run::current::transaction()` belongs here.
fn transaction() -> Option<(Arc<Transaction>, Owner)> {
    None
}

/// Makes `write` part of the run; outside of runs, gives it back.
pub(super) fn enlist(write: Box<dyn StagedWrite>) -> crate::Result<Option<Box<dyn StagedWrite>>> {
    match transaction() {
        Some((transaction, owner)) => transaction.enlist(owner, write).map(|()| None),
        None => Ok(Some(write)),
    }
}

/// Whether the run has staged a write to what `connector` reaches.
pub(super) fn is_staged(connector: &dyn Connector) -> bool {
    transaction().is_some_and(|(transaction, _)| transaction.has_staged(&connector.target()))
}

/// Refuses to load what the run has saved: it is not visible yet, so that the old data would be loaded.
pub(super) fn refuse_staged(connector: &dyn Connector) -> crate::Result<()> {
    if is_staged(connector) {
        return Err(Error::msg(format!(
            "{connector} has been saved to by this run, and holds its old data until the run has succeeded: take the \
             output of the factory that saves it as a delivery, or save it with `save_now`"
        )));
    }
    Ok(())
}

/// Has a connector finish or undo what it has prepared for runs that are no more.
pub(super) fn settle(connector: &dyn Connector) -> crate::Result<()> {
    let Some((transaction, _)) = transaction() else {
        return Ok(());
    };
    transaction.settle(&connector.target(), &|token, decision| connector.settle(token, decision))
}
