//! The queries that the factories of a run wait for at the same time, run as one.
//!
//! | what is done | where |
//! |---|---|
//! | plans as trees, and which of them are equal | `tree` |
//! | what a query reads of something | `reads` |
//! | what several have in common, and whether it is worth to compute it once | `share` |
//! | which engine runs what | `engine` |
//! | running all of it | `execute` |

mod engine;
mod execute;
mod explained;
mod reads;
mod share;
#[cfg(test)]
mod tests;
mod tree;

use polars::prelude::{DataFrame, LazyFrame, OptFlags, PolarsError};

use super::Optimizer;
use crate::run::memory::Memory;
use crate::run::panic::Carried;
pub use explained::{Explained, SharedPart};
use share::share;
pub(crate) use tree::files;

/// A query that a factory waits for.
pub(crate) type Query = LazyFrame;

/// What comes of it.
pub(crate) type Answer = DataFrame;

/// Why nothing comes of it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The query failed.
    Query(PolarsError),
    /// It panicked.
    Panicked(Carried),
    /// Something failed that it shares with others.
    Shared,
    /// The run ended before.
    Ended,
}

/// Runs the queries of these factories together. The answers are in their order.
///
/// Under a limit of memory, they are run one by one and by the engine that streams, whatever the optimiser may do; what they
/// share stays in memory as far as it has room there, lies in temporary files otherwise, or is read by each.
pub(crate) fn run(
    optimizer: &Optimizer,
    queries: Vec<(&str, Query)>,
    memory: Option<&Memory>,
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> (Vec<Result<Answer, Fault>>, Explained) {
    let factories: Vec<String> = queries.iter().map(|(factory, _)| (*factory).to_owned()).collect();
    let mut explained = Explained::new(factories);
    if let [(_, query)] = &queries[..] {
        let answer = execute::alone(query.clone(), optimizer, memory);
        return (vec![answer], explained);
    }
    // Flags that a user has set hold for a query and not for what others share with it.
    let plans = queries.iter().map(|(_, query)| match has_own_flags(query) {
        true => LazyFrame::default().logical_plan,
        false => query.logical_plan.clone(),
    });
    let plans: Vec<_> = plans.collect();
    let shared = match share(plans, optimizer, memory.map(|memory| memory.free() / 2)) {
        Ok(shared) => shared,
        // Each says by itself what is wrong with it.
        Err(_) => return (each(optimizer, queries, memory), explained),
    };
    let (mut answers, pieces, costs) =
        execute::execute(&shared, queries.len(), optimizer, memory, is_stopped);
    explained.shared(&shared, pieces, costs);
    for ((_, query), answer) in queries.into_iter().zip(&mut answers) {
        let again = match answer {
            Ok(_) => has_own_flags(&query),
            // It has its own error, if it is to fail at all.
            Err(Fault::Shared) => true,
            Err(Fault::Query(_) | Fault::Panicked(_) | Fault::Ended) => false,
        };
        if again {
            *answer = execute::alone(query, optimizer, memory);
        }
    }
    (answers, explained)
}

fn has_own_flags(frame: &LazyFrame) -> bool {
    frame.get_current_optimizations().bits() != OptFlags::default().bits()
}

fn each(
    optimizer: &Optimizer,
    queries: Vec<(&str, Query)>,
    memory: Option<&Memory>,
) -> Vec<Result<Answer, Fault>> {
    queries.into_iter().map(|(_, query)| execute::alone(query, optimizer, memory)).collect()
}
