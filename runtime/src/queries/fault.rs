//! The reason why a query has no result.

use polars::prelude::PolarsError;

use crate::base::panic::Carried;

/// The reason why a query has no result.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The query failed.
    Query(PolarsError),
    /// The query panicked.
    Panicked(Carried),
    /// A part that the query shares with others failed.
    Shared,
    /// The run ended before the query.
    Ended,
}
