//! What becomes of what was written: it is committed once, or rolled back once, and undone in reverse order.

use std::collections::{BTreeMap, BTreeSet};

use setl::RunError;
use setl::prelude::*;
use setl::run::{Cause, FactoryError, Outcome, Phase, Status};

use super::check::{Faults, Seen, check_cause, has_panicked};
use super::model::{Fate, Why, is_undone};
use super::script::{Fault, Happened, Role, Staged, WriteId};

impl Seen<'_> {
    /// Each staged write has one end; gives how many faults it met there.
    pub fn check_writes(&self, outcome: &Outcome<Pipeline>, statuses: &[Status]) -> Faults {
        let staged = self.staged();
        let ends = self.check_ends(&staged);
        let delivered: BTreeSet<WriteId> = (0..statuses.len())
            .filter(|node| statuses[*node] == Status::Succeeded)
            .flat_map(|node| match &self.predicted[node].fate {
                Fate::Delivers { writes, .. } => writes.clone(),
                other => panic!("{node} succeeded, but {other:?}"),
            })
            .collect();
        let due: Vec<_> = staged.iter().filter(|id| delivered.contains(id)).copied().collect();
        assert_eq!(due.len(), delivered.len(), "all that delivered have staged their writes");
        let committed = self.all(|happened| match happened {
            Happened::Committed(id) => Some(*id),
            _ => None,
        });
        let prepared = self.all(|happened| match happened {
            Happened::Prepared(id) => Some(*id),
            _ => None,
        });
        let failed_in_factories = statuses.contains(&Status::Failed);
        let of_commit: Vec<_> =
            outcome.failures().iter().filter(|failure| failure.phase == Phase::Commit).collect();
        let commits = match outcome.error() {
            None | Some(RunError::CommitUnfinished { .. }) => true,
            Some(RunError::Failed { .. }) => !failed_in_factories || self.case.commit_partial,
            Some(_) => false,
        };
        let rolled_back = self.rollback_faults(&ends);
        if !commits {
            assert_eq!((prepared, committed, of_commit.len()), (vec![], vec![], 0));
            return rolled_back;
        }
        let at = |wanted: Staged| {
            due.iter().enumerate().filter(|(_, id)| !id.early).find_map(|(at, id)| {
                let (staged, fault) = *self.case.script.staged.get(&id.node)?;
                let fails = fault.error().is_some() || fault == Fault::Panic;
                (fails && staged == wanted).then_some((at, *id, staged, fault))
            })
        };
        // The first that goes wrong; all are prepared before any is committed.
        let fault = at(Staged::Prepare).or_else(|| at(Staged::Commit));
        match fault {
            None => {
                assert_eq!(prepared, due, "all are prepared, in the order in which they were staged");
                assert_eq!(committed, due, "all are committed, in the order in which they were staged");
                let targets: Vec<_> = due.iter().map(WriteId::target).collect();
                assert_eq!(outcome.report().unwrap().committed(), targets);
                assert!(of_commit.is_empty());
            }
            Some((at, id, Staged::Prepare, fault)) => {
                assert_eq!(prepared, due[..=at], "nothing is prepared after one that cannot be");
                assert_eq!(committed, [], "all or nothing");
                assert!(matches!(outcome.error(), Some(RunError::Failed { .. })), "{outcome:?}");
                let [failure] = of_commit[..] else { panic!("{of_commit:?}") };
                self.check_commit_failure(failure, id, fault);
            }
            Some((at, id, _, fault)) => {
                assert_eq!(prepared, due, "all are prepared");
                assert!(committed.starts_with(&due[..at]), "those before are committed");
                let [failure] = of_commit[..] else { panic!("{of_commit:?}") };
                self.check_commit_failure(failure, id, fault);
                let unfinished = matches!(outcome.error(), Some(RunError::CommitUnfinished { .. }));
                assert!(unfinished || committed.is_empty(), "what is visible is told of: {outcome:?}");
            }
        }
        rolled_back + usize::from(fault.is_some())
    }

    /// Each write that was staged has exactly one end.
    pub fn check_ends(&self, staged: &[WriteId]) -> BTreeMap<WriteId, Happened> {
        let mut ends = BTreeMap::new();
        for happened in &self.log {
            let (Happened::Committed(id)
            | Happened::Refused(id)
            | Happened::RolledBack(id)
            | Happened::Dropped(id)) = happened
            else {
                continue;
            };
            assert!(ends.insert(*id, happened.clone()).is_none(), "{id:?} has two ends");
        }
        let of: Vec<_> = ends.keys().copied().collect();
        assert_eq!(of, staged.iter().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
        ends
    }

    pub fn rollback_faults(&self, ends: &BTreeMap<WriteId, Happened>) -> Faults {
        let meets = |id: &WriteId| {
            let staged = self.case.script.staged.get(&id.node);
            !id.early && staged.is_some_and(|(at, _)| *at == Staged::Rollback)
        };
        ends.iter().filter(|(id, end)| meets(id) && matches!(end, Happened::RolledBack(_))).count()
    }

    fn check_commit_failure(&self, failure: &FactoryError, id: WriteId, fault: Fault) {
        match fault {
            Fault::Panic => assert!(has_panicked(failure), "{failure:?}"),
            _ => check_cause(failure, Why::Injected(fault)),
        }
        assert_eq!(failure.factory, id.node.to_string());
    }

    /// What was written outside of the transaction is undone in reverse order, if the run has failed.
    pub fn check_undone(&self, outcome: &Outcome<Pipeline>, statuses: &[Status]) {
        let commits = match outcome.error() {
            None | Some(RunError::CommitUnfinished { .. }) => true,
            Some(RunError::Failed { failures, .. }) => {
                let at_commit = outcome.failures().iter().any(|failure| failure.phase == Phase::Commit);
                let _ = failures;
                self.case.commit_partial && !at_commit
            }
            Some(_) => false,
        };
        let undone = self.check_order_of_undone(!commits);
        if !commits {
            let expected: BTreeSet<_> =
                (0..statuses.len()).filter(|node| self.is_to_undo(*node, statuses[*node])).collect();
            assert_eq!(undone.iter().copied().collect::<BTreeSet<_>>(), expected);
        }
        let of_rollback: Vec<_> =
            outcome.failures().iter().filter(|failure| failure.phase == Phase::Rollback).collect();
        let faulty: Vec<_> = undone
            .iter()
            .filter_map(|node| Some((*node, *self.case.script.undo.get(node)?)))
            .filter(|(_, fault)| fault.error().is_some() || *fault == Fault::Panic)
            .collect();
        for (node, fault) in &faulty {
            let told =
                of_rollback.iter().filter(|failure| failure.factory == node.to_string()).find(|failure| {
                    match fault {
                        Fault::Panic => matches!(failure.cause, Cause::Panic { .. }),
                        _ => matches!(failure.cause, Cause::Error(_)),
                    }
                });
            assert!(told.is_some(), "{node} could not be undone: {of_rollback:?}");
        }
        let of_writes = self.rollback_faults(&self.check_ends(&self.staged()));
        assert!(of_rollback.len() <= faulty.len() + of_writes, "{of_rollback:?}");
    }

    pub fn is_to_undo(&self, node: usize, status: Status) -> bool {
        let by_itself = matches!(self.predicted[node].fate, Fate::Delivers { by: Role::Own, .. });
        status == Status::Succeeded
            && by_itself
            && is_undone(self.case.nodes[node].kind)
            && self.case.writes(node)
    }

    /// Gives who was undone.
    pub fn check_order_of_undone(&self, any: bool) -> Vec<usize> {
        let undone = self.all(|happened| match happened {
            Happened::Undone(node) => Some(*node),
            _ => None,
        });
        assert!(any || undone.is_empty(), "{undone:?} undone although the run is committed");
        let finished = self.all(|happened| match happened {
            Happened::Told("finished", node) => Some(*node),
            _ => None,
        });
        let rolling: Vec<_> = self.all(|happened| match happened {
            Happened::Told("rolling back", node) => Some(*node),
            _ => None,
        });
        assert_eq!(rolling, undone);
        let mut in_reverse: Vec<_> =
            finished.into_iter().rev().filter(|node| undone.contains(node)).collect();
        if self.case.threads == 1 {
            assert_eq!(undone, in_reverse, "in the reverse order of their writes");
        }
        in_reverse.sort_unstable();
        let mut sorted = undone.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, in_reverse, "each is undone once");
        for (at, node) in undone.iter().enumerate() {
            for later in &undone[at + 1..] {
                assert!(!self.case.before(*later).contains(node), "{node} is undone before {later}");
            }
        }
        undone
    }
}
