//! Runs the queries together for which the factories of a run wait at the same time.
//!
//! | task | module |
//! |---|---|
//! | plans as trees, and their keys | `tree` |
//! | parts that occur in several places of them | `places` |
//! | which factory has delivered a part of a query | `origins` |
//! | the columns that a query reads of a placeholder | `reads` |
//! | common parts of several queries, and whether sharing them pays | `share` |
//! | evidence of earlier runs about sharing | `sharing` |
//! | the estimated engine of a query | `engine` |
//! | aggregates that are streamed before the rest of a query | `aggregates` |
//! | evidence of earlier runs about the engine | `chosen` |
//! | the files and frames that a query reads | `sources` |
//! | parts that may have another order or another engine | `dataset::order` |
//! | the execution | `execute` |

mod aggregates;
mod chosen;
mod engine;
#[cfg(test)]
mod equivalence;
mod execute;
mod explained;
mod fault;
pub(crate) mod gather;
mod origins;
mod places;
mod reads;
#[cfg(test)]
mod referee;
mod share;
mod sharing;
mod sources;
#[cfg(test)]
mod tests;
mod tree;

use std::sync::{Mutex, PoisonError};

use polars::prelude::{DataFrame, LazyFrame, OptFlags};

use crate::base::panic::carried;
use crate::memory::Memory;
use crate::memory::spill::is_temporary;
use crate::optimize::Optimizer;
use crate::optimize::together::Explained;
use crate::run::current::measure;
pub(crate) use fault::Fault;
pub(crate) use origins::Origins;
use setl_learn::advisor::Advisor;
use share::share;
use sources::sources;
use tree::files;

/// A query that a factory waits for.
pub(crate) type Query = LazyFrame;

/// The result of a query.
pub(crate) type Answer = DataFrame;

/// The settings and the evidence that decide how queries are run.
#[derive(Clone, Copy)]
struct By<'run> {
    optimizer: &'run Optimizer,
    /// The evidence of earlier runs, if it is used.
    advisor: Option<&'run Advisor>,
    /// The memory limit, if there is one.
    memory: Option<&'run Memory>,
}

/// The factories that wait for queries. A query is identified by its position.
pub(crate) trait Asker: Sync {
    /// `true` if no factory needs a result any more.
    fn is_stopped(&self) -> bool;

    /// Is called when a query starts.
    fn begins(&self, query: usize);

    /// The factory that made a part of a query, and `true` if the part is its whole output. The part is identified by its key.
    fn origin(&self, part: &[u8; 32]) -> Option<(String, bool)> {
        let _ = part;
        None
    }

    /// Receives the result of a query as soon as it is done.
    fn answers(&self, query: usize, answer: Result<Answer, Fault>);
}

/// Runs the queries of these factories together, and gives each factory its result.
///
/// Under a memory limit, queries run one by one with the streaming engine, whatever the optimiser settings say. A shared part
/// stays in memory if it fits, goes to a temporary file otherwise, or is read by each query.
pub(crate) fn run(
    optimizer: &Optimizer,
    advisor: Option<&Advisor>,
    queries: Vec<(&str, Query)>,
    memory: Option<&Memory>,
    asker: &dyn Asker,
) -> Explained {
    let factories: Vec<String> = queries.iter().map(|(factory, _)| (*factory).to_owned()).collect();
    let mut explained = Explained::new(factories);
    // Under a memory limit there is no choice.
    let by = By { optimizer, advisor: advisor.filter(|_| memory.is_none()), memory };
    if advisor.is_some() {
        // Polars may panic when it plans a query. Then nothing is known about it before it runs.
        let reads = queries.iter().flat_map(|(factory, query)| {
            carried(|| sources(&query.logical_plan, factory)).unwrap_or_default()
        });
        explained.reads = reads.collect();
    }
    if let [(factory, query)] = &queries[..] {
        asker.begins(0);
        let (answer, measured) = execute::alone(query.clone(), factory, by);
        explained.measured(vec![measured]);
        asker.answers(0, answer);
        return explained;
    }
    // Optimisation flags that a user has set apply to one query, and not to the parts that it shares with others.
    let plans = queries.iter().map(|(_, query)| match has_own_flags(query) {
        true => LazyFrame::default().logical_plan,
        false => query.logical_plan.clone(),
    });
    let plans: Vec<_> = plans.collect();
    let shared = match carried(|| share(plans, &explained.factories, by)) {
        Ok(Ok(shared)) => shared,
        // A query is not valid, or Polars panics when it plans it. Each query is run on its own, and reports its own error.
        Ok(Err(_)) | Err(_) => {
            let mut costs = Vec::with_capacity(queries.len());
            for (at, (factory, query)) in queries.into_iter().enumerate() {
                asker.begins(at);
                let (answer, cost) = execute::alone(query, factory, by);
                costs.push(cost);
                asker.answers(at, answer);
            }
            explained.measured(costs);
            return explained;
        }
    };
    let again = Mutex::new(Vec::new());
    let (pieces, costs) = execute::execute(&shared, &explained.factories, by, asker, &|at, answer| {
        let own = match &answer {
            Ok(_) => has_own_flags(&queries[at].1),
            // The query reports its own error if it fails on its own, too.
            Err(Fault::Shared) => true,
            Err(Fault::Query(_) | Fault::Panicked(_) | Fault::Ended) => false,
        };
        match own {
            true => again.lock().unwrap_or_else(PoisonError::into_inner).push(at),
            false => asker.answers(at, answer),
        }
    });
    if let Some(advisor) = by.advisor {
        sharing::measured(&shared.decided, advisor, &costs, &pieces);
    }
    explained.shared(&shared, pieces, costs, asker);
    for at in again.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let (factory, query) = &queries[at];
        asker.answers(at, execute::alone(query.clone(), factory, by).0);
    }
    explained
}

fn has_own_flags(frame: &LazyFrame) -> bool {
    frame.get_current_optimizations().bits() != OptFlags::default().bits()
}

/// Records the files that a query of the current factory is about to read.
pub(crate) fn scans(query: &LazyFrame) {
    measure(|hook, node| {
        let files = files(query);
        files.iter().filter(|path| !is_temporary(path)).for_each(|path| hook.reads(node, path));
    });
}
