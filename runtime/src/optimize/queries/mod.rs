//! The queries that the factories of a run wait for at the same time, run as one.
//!
//! | what is done | where |
//! |---|---|
//! | plans as trees, and their keys | `tree` |
//! | what stands in several places of them | `places` |
//! | which factory has delivered a part of a query | `origins` |
//! | what a query reads of something | `reads` |
//! | what several have in common, and whether it is worth to compute it once | `share` |
//! | and whether it was, in earlier runs | `sharing` |
//! | which engine runs what, as is guessed | `engine` |
//! | and as earlier runs advise | `chosen` |
//! | which files and frames a query reads | `sources` |
//! | what may be in another order, or run by another engine | `dataset::order` |
//! | running all of it | `execute` |

mod chosen;
mod engine;
#[cfg(test)]
mod equivalence;
mod execute;
mod explained;
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

use polars::prelude::{DataFrame, LazyFrame, OptFlags, PolarsError};

use super::Optimizer;
use crate::base::panic::{Carried, carried};
use crate::run::memory::Memory;
pub use explained::{Explained, SharedPart};
pub(crate) use origins::Origins;
use setl_learn::advisor::Advisor;
use share::share;
use sources::sources;
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

/// By what is decided how queries are run.
#[derive(Clone, Copy)]
struct By<'run> {
    optimizer: &'run Optimizer,
    /// What earlier runs say, if they are asked.
    advisor: Option<&'run Advisor>,
    /// The limit, if there is one.
    memory: Option<&'run Memory>,
}

/// Those who wait for queries, which are known by their places.
pub(crate) trait Asker: Sync {
    /// Whether nobody needs an answer any more.
    fn is_stopped(&self) -> bool;

    /// A query is run from now on.
    fn begins(&self, query: usize);

    /// The factory that has made a part of a query, known by its key, and whether the part is all of its output.
    fn origin(&self, part: &[u8; 32]) -> Option<(String, bool)> {
        let _ = part;
        None
    }

    /// What came of a query, as soon as it is done.
    fn answers(&self, query: usize, answer: Result<Answer, Fault>);
}

/// Runs the queries of these factories together, and gives each its answer.
///
/// Under a limit of memory, they are run one by one and by the engine that streams, whatever the optimiser may do; what they
/// share stays in memory as far as it has room there, lies in temporary files otherwise, or is read by each.
pub(crate) fn run(
    optimizer: &Optimizer,
    advisor: Option<&Advisor>,
    queries: Vec<(&str, Query)>,
    memory: Option<&Memory>,
    asker: &dyn Asker,
) -> Explained {
    let factories: Vec<String> = queries.iter().map(|(factory, _)| (*factory).to_owned()).collect();
    let mut explained = Explained::new(factories);
    // Under a limit of memory, there is one way to do it.
    let by = By { optimizer, advisor: advisor.filter(|_| memory.is_none()), memory };
    if advisor.is_some() {
        // Polars may panic where it plans a query: then nothing is known of it before it is run.
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
    // Flags that a user has set hold for a query and not for what others share with it.
    let plans = queries.iter().map(|(_, query)| match has_own_flags(query) {
        true => LazyFrame::default().logical_plan,
        false => query.logical_plan.clone(),
    });
    let plans: Vec<_> = plans.collect();
    let shared = match carried(|| share(plans, &explained.factories, by)) {
        Ok(Ok(shared)) => shared,
        // One of them is not valid, or Polars panics where it plans it: each is run by itself, and says what is wrong with it.
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
            // It has its own error, if it is to fail at all.
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
