//! Runs each query on its own: the stand-in for gathered queries without the optimiser.

#[path = "fault.rs"]
mod fault;

use polars::prelude::LazyFrame;

pub(crate) use fault::Fault;

pub(crate) fn scans(_: &LazyFrame) {}

pub(crate) mod gather {
    use polars::prelude::{DataFrame, LazyFrame};

    use super::Fault;

    pub(crate) fn delivers(_: &LazyFrame) {}

    pub(crate) async fn gathered(query: LazyFrame) -> Result<Result<DataFrame, Fault>, Box<LazyFrame>> {
        Err(Box::new(query))
    }

    pub(crate) fn gathered_blocking(query: LazyFrame) -> Result<Result<DataFrame, Fault>, Box<LazyFrame>> {
        Err(Box::new(query))
    }
}
