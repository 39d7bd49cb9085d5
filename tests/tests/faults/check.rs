//! Runs a case, and compares what came of it with what the model says.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use setl::RunError;
use setl::prelude::*;
use setl::run::{Cause, FactoryError, Outcome, Phase, Status};
use setl_tests::until;
use tokio::runtime::Handle;

use super::case::{Asked, Case};
use super::factories::Kind;
use super::model::{Ends, Fail, Fate, Predicted, Why};
use super::payload::Cargo;
use super::script::{Fault, Happened, Role, World, WriteId};

/// How many faults were injected.
pub type Faults = usize;

/// Runs the case on the runtime of this thread.
pub async fn run_and_check(case: &Case, state: &Path) -> Faults {
    let world = Arc::new(World::new(case.script.clone()));
    let tasks = Handle::current().metrics().num_alive_tasks();
    let outcome = run(case, &world, state).await;
    let predicted = case.predict();
    let seen = Seen { case, predicted: &predicted, log: world.log() };
    let faults = match &outcome {
        Some(outcome) => seen.check(outcome),
        None => 0,
    };
    let told = outcome.is_some();
    drop(outcome);
    // What is left of a run that was dropped comes to its end by itself.
    world.dropped.open();
    until(|| Arc::strong_count(&world) == 1).await;
    until(|| Handle::current().metrics().num_alive_tasks() == tasks).await;
    assert_eq!(world.inside(), 0, "somebody is left inside");
    assert_eq!(world.ledger.live(), 0, "a payload is left");
    if case.nodes.iter().all(|node| node.kind == Kind::Bound) {
        assert!(world.most() <= 1, "{} were inside at once", world.most());
    }
    if told { faults } else { Seen { log: world.log(), ..seen }.check_dropped() }
}

/// Nothing if the run was dropped.
async fn run(case: &Case, world: &Arc<World>, state: &Path) -> Option<Outcome<Pipeline>> {
    let observer = Arc::downgrade(world);
    let mut run = case.pipeline(world).run().blocking_threads(4).cancel_on(world.token.clone());
    run = run.state_dir(state);
    run = run.observe(move |event| observer.upgrade().unwrap().observe(event));
    if case.keep_going {
        run = run.keep_going();
    }
    if case.commit_partial {
        run = run.commit_partial();
    }
    if case.no_write {
        run = run.no_write();
    }
    if case.deadline {
        run = run.deadline(Duration::from_secs(400));
    }
    if let Some(concurrency) = case.concurrency {
        run = run.concurrency(concurrency);
    }
    run = match &case.asked {
        Asked::ForAll => run,
        Asked::Only(only) => only.iter().fold(run, |run, node| run.only_named(&node.to_string())),
        Asked::UpTo(last) => run.up_to_named(&last.to_string()),
        Asked::From(first) => run.from_named(&first.to_string()),
        Asked::Between(first, last) => run.from_named(&first.to_string()).up_to_named(&last.to_string()),
    };
    let pushes = case.threads == 1;
    tokio::select! {
        biased;
        outcome = run.outcome() => Some(outcome),
        () = world.drop_now.opened() => None,
        () = push_time(world), if pushes => None,
    }
}

/// Time does not pass by itself while a thread is blocked.
async fn push_time(world: &World) {
    loop {
        world.blocks.notified().await;
        while world.is_blocked() {
            // All limits are multiples of it.
            tokio::time::advance(Duration::from_secs(5)).await;
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// What was seen of a run.
pub struct Seen<'case> {
    pub case: &'case Case,
    pub predicted: &'case [Predicted],
    pub log: Vec<Happened>,
}

impl Seen<'_> {
    fn check(&self, outcome: &Outcome<Pipeline>) -> Faults {
        if self.case.missing() > 0 {
            let Some(RunError::CannotStart { mistakes, .. }) = outcome.error() else { panic!("{outcome:?}") };
            assert_eq!(mistakes.len(), self.case.missing());
            assert_eq!((outcome.code(), &*self.log), (2, &[][..]));
            return 0;
        }
        let statuses: Vec<_> = outcome.report().unwrap().entries().iter().map(|entry| entry.status).collect();
        if self.predicted.iter().all(|node| node.ends.is_none()) {
            self.check_undisturbed(outcome, &statuses);
        } else {
            self.check_ended(outcome, &statuses);
        }
        self.check_told(Some(&statuses));
        self.check_failures(outcome, &statuses);
        self.check_outputs(outcome, &statuses);
        self.check_deliveries(&statuses);
        let staged = self.check_writes(outcome, &statuses);
        self.check_undone(outcome, &statuses);
        let met = (0..statuses.len()).filter(|node| statuses[*node] != Status::NotRun);
        let undone =
            self.case.script.undo.keys().filter(|node| self.log.contains(&Happened::Undone(**node))).count();
        met.map(|node| self.predicted[node].faults).sum::<usize>() + staged + undone
    }

    /// Nothing ended the run early, so there is one thing only that can come of it.
    fn check_undisturbed(&self, outcome: &Outcome<Pipeline>, statuses: &[Status]) {
        let entries = outcome.report().unwrap().entries();
        for (node, predicted) in self.predicted.iter().enumerate() {
            let entry = &entries[node];
            let because = entry.failed_upstream.as_deref().map(|because| because.parse().unwrap());
            let (status, attempts, needs) = match &predicted.fate {
                Fate::Delivers { attempts, .. } => (Status::Succeeded, *attempts, None),
                Fate::Skips(failed) => {
                    (Status::Skipped, failed.as_ref().map_or(0, |failed| failed.attempts), None)
                }
                Fate::Fails(fail) => (Status::Failed, fail.attempts, None),
                Fate::Needs(root) => (Status::NotRun, 0, Some(*root)),
                Fate::LeftOut => (Status::NotSelected, 0, None),
                Fate::Hangs => unreachable!("that ends the run"),
            };
            assert_eq!((statuses[node], entry.attempts, because), (status, attempts, needs), "{node}");
            assert_eq!(self.count("retrying", node), predicted.retries, "{node} is tried again");
            assert_eq!(self.count("fell back", node), usize::from(predicted.fell_back), "{node}");
            let noted = match &predicted.fate {
                Fate::Delivers { by: Role::StandIn, .. } => Some("by `StandIn"),
                Fate::Skips(Some(_)) => Some("it failed: "),
                Fate::Skips(None) => Some("its condition does not hold"),
                _ => None,
            };
            assert_eq!(entry.note.is_some(), noted.is_some(), "{node}: {:?}", entry.note);
            assert!(entry.note.as_deref().unwrap_or_default().starts_with(noted.unwrap_or_default()));
        }
        let staged: BTreeSet<_> = self.predicted.iter().flat_map(|node| &node.staged).copied().collect();
        assert_eq!(self.staged().into_iter().collect::<BTreeSet<_>>(), staged);
    }

    /// Something ended the run early: what had begun may have come to its end or not.
    fn check_ended(&self, outcome: &Outcome<Pipeline>, statuses: &[Status]) {
        let ends: Vec<_> =
            (0..statuses.len()).filter_map(|node| Some((node, self.predicted[node].ends?))).collect();
        let done =
            |node: usize| matches!(statuses[node], Status::Succeeded | Status::Skipped | Status::NotSelected);
        for (node, status) in statuses.iter().copied().enumerate() {
            let of = &self.case.nodes[node];
            let predicted = &self.predicted[node];
            let sources_failed = !of.sources.iter().copied().all(done);
            if sources_failed || (!self.case.goes_on() && !self.case.waits(node).into_iter().all(done)) {
                let without = [Status::NotRun, Status::NotSelected].contains(&status);
                assert!(without, "{node} is {status} without what it waits for");
                continue;
            }
            let fits = match &predicted.fate {
                Fate::Delivers { .. } => status == Status::Succeeded,
                Fate::Skips(_) => status == Status::Skipped,
                Fate::Fails(_) => status == Status::Failed,
                // Blocking work fails when it is told to end.
                Fate::Hangs => of.blocking && [Status::Failed, Status::Skipped].contains(&status),
                Fate::Needs(_) => false,
                Fate::LeftOut => status == Status::NotSelected,
            };
            let fits = fits || (status == Status::Failed && self.may_be_told(node));
            let is_in_the_middle = [Status::Cancelled, Status::NotRun].contains(&status);
            assert!(fits || is_in_the_middle, "{node} is {status}, but {predicted:?}");
        }
        if let [(node, end)] = ends[..] {
            for before in self.case.before(node) {
                let left_out = self.predicted[before].fate == Fate::LeftOut;
                let ended = done(before) || (self.case.goes_on() && statuses[before] != Status::Cancelled);
                assert!(ended || left_out, "{before} is {}, and {node} ran", statuses[before]);
            }
            assert_ne!(statuses[node], Status::NotRun, "{node} {end:?}");
            if end == Ends::Fails {
                assert_eq!(statuses[node], Status::Failed, "{node} fails");
            }
        } else {
            assert!(ends.iter().any(|(node, _)| statuses[*node] != Status::NotRun), "{ends:?}");
        }
        let complete = (0..statuses.len()).all(done);
        let may = |end| ends.iter().any(|(_, other)| *other == end);
        match outcome.error() {
            None => assert!(complete && may(Ends::Cancels), "{ends:?}"),
            Some(RunError::Cancelled { .. }) => assert!(may(Ends::Cancels), "{ends:?}"),
            Some(RunError::DeadlineExceeded { .. }) => assert!(self.case.deadline && may(Ends::Hangs)),
            Some(RunError::Failed { .. } | RunError::CommitUnfinished { .. }) => {
                let only_at_the_end = complete && may(Ends::Cancels);
                let fails = may(Ends::Fails) || (self.case.goes_on() && !self.was_stopped(statuses));
                assert!(fails || only_at_the_end, "{ends:?}: {outcome:?}");
            }
            Some(other) => panic!("{other:?}"),
        }
    }

    /// Whether it may keep a thread while the run ends, and then fail since it is told to end.
    fn may_be_told(&self, node: usize) -> bool {
        let tries = self.case.script.tries.iter().filter(|((of, _), _)| *of == node);
        let mut faults = tries.flat_map(|(_, tries)| tries).flatten().map(|(_, fault)| fault);
        let ends = self.predicted.iter().any(|node| node.ends.is_some());
        ends && self.case.nodes[node].blocking
            && faults.any(|fault| [Fault::Hang, Fault::Drop].contains(fault))
    }

    /// Whether it may keep a thread while something else than its own failure ends the run.
    fn is_told(&self, node: usize) -> bool {
        let ends = |(other, predicted): (usize, &Predicted)| match predicted.ends {
            Some(Ends::Fails) => other != node,
            ends => ends.is_some(),
        };
        self.may_be_told(node) && self.predicted.iter().enumerate().any(ends)
    }

    /// Whether something did not come to its end that would have.
    fn was_stopped(&self, statuses: &[Status]) -> bool {
        let needs = |node: usize| matches!(self.predicted[node].fate, Fate::Needs(_));
        let stopped = |node: usize| match statuses[node] {
            Status::Cancelled => true,
            Status::NotRun => !needs(node),
            _ => false,
        };
        (0..statuses.len()).any(stopped)
    }

    /// Each is one that was injected, and all that were met are there.
    fn check_failures(&self, outcome: &Outcome<Pipeline>, statuses: &[Status]) {
        let failures = outcome.failures();
        let of_factories = failures.iter().filter(|failure| failure.phase <= Phase::Write);
        let mut failed: Vec<usize> = of_factories
            .map(|failure| {
                let node: usize = failure.factory.parse().unwrap();
                match &self.predicted[node].fate {
                    _ if is_told_to_end(failure) => assert!(self.is_told(node), "{failure:?}"),
                    Fate::Fails(fail) => check_failure(failure, fail),
                    other => panic!("{failure:?} for {other:?}"),
                }
                node
            })
            .collect();
        failed.sort_unstable();
        let expected: Vec<_> = (0..statuses.len()).filter(|node| statuses[*node] == Status::Failed).collect();
        assert_eq!(failed, expected);
        let kept_going = self.case.goes_on() && !failed.is_empty() && statuses.contains(&Status::Succeeded);
        let code = match outcome.error() {
            None => 0,
            Some(RunError::CommitUnfinished { .. }) => 4,
            Some(RunError::DeadlineExceeded { .. }) => 124,
            Some(RunError::Cancelled { .. }) => 130,
            Some(_) if kept_going => 3,
            Some(_) if failures.iter().all(|failure| failure.transient) => 75,
            Some(_) => 1,
        };
        assert_eq!(outcome.code(), code, "{outcome:?}");
        if outcome.error().is_none() {
            assert!(failures.is_empty());
        }
    }

    fn check_outputs(&self, outcome: &Outcome<Pipeline>, statuses: &[Status]) {
        for (node, status) in statuses.iter().enumerate() {
            let output = outcome.find_named::<Cargo>(&node.to_string()).map(|cargo| cargo.0.value);
            let expected = match &self.predicted[node].fate {
                Fate::Delivers { value, .. } if *status == Status::Succeeded => Some(*value),
                _ => None,
            };
            assert_eq!(output, expected.filter(|_| self.case.keeps(node)), "the output of {node}");
        }
    }

    /// Between the start and the end of the run, the end of each factory is told of once, and as in the report.
    fn check_told(&self, statuses: Option<&[Status]>) {
        let nodes = self.case.nodes.len();
        assert_eq!(self.log.first(), Some(&Happened::RunStarted(nodes)));
        assert!(matches!(self.log.last(), Some(Happened::RunEnded(_))), "{:?}", self.log);
        assert_eq!(
            self.all(
                |happened| matches!(happened, Happened::RunStarted(_) | Happened::RunEnded(_)).then_some(())
            ),
            [(); 2]
        );
        // All factories have ended when the run commits or undoes what they delivered.
        let mut delivered = BTreeSet::new();
        let mut ends = false;
        for happened in &self.log {
            match happened {
                Happened::Told("rolling back", node) => ends |= delivered.contains(node),
                Happened::Told(kind, node) => {
                    assert!(!ends, "{node} is {kind} late: {:?}", self.log);
                    if *kind == "finished" {
                        delivered.insert(node);
                    }
                }
                Happened::Committing(_) => ends = true,
                _ => {}
            }
        }
        for node in 0..nodes {
            let told = self.all(|happened| match happened {
                Happened::Told(kind, of) if *of == node => Some(*kind),
                _ => None,
            });
            let is_end = |kind: &&str| !["started", "retrying", "fell back", "rolling back"].contains(kind);
            let ends: Vec<_> = told.iter().copied().filter(is_end).collect();
            assert_eq!(ends.len(), 1, "{node}: {told:?}");
            let starts = told.iter().filter(|kind| **kind == "started").count();
            let expected = usize::from(!["not run", "not selected"].contains(&ends[0]));
            assert_eq!(
                (starts, told.first() == Some(&"started")),
                (expected, expected == 1),
                "{node}: {told:?}"
            );
            if let Some(statuses) = statuses {
                let kind = match statuses[node] {
                    Status::Succeeded => "finished",
                    Status::Skipped => "skipped",
                    Status::Failed => "failed",
                    Status::Cancelled => "cancelled",
                    Status::NotRun => "not run",
                    Status::NotSelected => "not selected",
                    other => panic!("{node} is {other}"),
                };
                assert_eq!(ends, [kind], "{node}");
            }
        }
    }

    /// Every attempt is given the same, and it is what others delivered.
    fn check_deliveries(&self, statuses: &[Status]) {
        for (node, predicted) in self.predicted.iter().enumerate() {
            let mut reads = [0; 2];
            for happened in &self.log {
                let Happened::Received(of, role, values) = happened else { continue };
                if *of != node {
                    continue;
                }
                reads[*role as usize] += 1;
                let expected = if *role == Role::Own { &*predicted.deliveries } else { &[] };
                assert_eq!(values, expected, "what {node} was given");
            }
            let told = matches!(statuses[node], Status::Succeeded | Status::Skipped | Status::Failed);
            if told && !self.may_be_told(node) {
                assert_eq!(reads, predicted.reads, "how often {node} has read");
            }
            assert!(
                reads[0] <= predicted.reads[0] && reads[1] <= predicted.reads[1],
                "{node} read {reads:?}"
            );
        }
    }

    /// The run was dropped: all that it did is undone, unless it was committed already.
    fn check_dropped(&self) -> Faults {
        self.check_told(None);
        let staged = self.staged();
        self.check_ends(&staged);
        let committed = self.all(|happened| match happened {
            Happened::Committed(id) => Some(*id),
            _ => None,
        });
        let undone = self.check_order_of_undone(committed.is_empty());
        let finished = self.all(|happened| match happened {
            Happened::Told("finished", node) => Some(*node),
            _ => None,
        });
        if committed.is_empty()
            && !self.log.iter().any(|happened| matches!(happened, Happened::Committing(_)))
        {
            let expected: BTreeSet<_> =
                finished.into_iter().filter(|node| self.is_to_undo(*node, Status::Succeeded)).collect();
            assert_eq!(undone.into_iter().collect::<BTreeSet<_>>(), expected);
        } else {
            assert_eq!(committed, staged.into_iter().filter(|id| self.delivers(*id)).collect::<Vec<_>>());
        }
        1
    }

    fn delivers(&self, id: WriteId) -> bool {
        self.case.writes(id.node)
            && matches!(&self.predicted[id.node].fate, Fate::Delivers { writes, .. } if writes.contains(&id))
    }

    pub fn staged(&self) -> Vec<WriteId> {
        self.all(|happened| match happened {
            Happened::Staged(id) => Some(*id),
            _ => None,
        })
    }

    pub fn all<T>(&self, pick: impl Fn(&Happened) -> Option<T>) -> Vec<T> {
        self.log.iter().filter_map(pick).collect()
    }

    fn count(&self, kind: &'static str, node: usize) -> usize {
        self.log.iter().filter(|happened| **happened == Happened::Told(kind, node)).count()
    }
}

/// What panics in a staged write may be told as its error.
pub fn has_panicked(failure: &FactoryError) -> bool {
    match &failure.cause {
        Cause::Panic { message, .. } => message == "injected",
        Cause::Error(error) => format!("{error:#}").ends_with("panic: injected"),
        _ => false,
    }
}

fn is_told_to_end(failure: &FactoryError) -> bool {
    matches!(&failure.cause, Cause::Error(error) if error.to_string() == "told to end")
}

fn check_failure(failure: &FactoryError, fail: &Fail) {
    assert_eq!((failure.phase, failure.attempts), (fail.phase, fail.attempts), "{failure:?}, not {fail:?}");
    check_cause(failure, fail.cause);
    match (&failure.fallback, &fail.stand_in) {
        (None, None) => {}
        (Some(failure), Some(fail)) => {
            assert!(failure.factory.starts_with("StandIn"));
            check_failure(failure, fail);
        }
        (failure, fail) => panic!("{failure:?}, not {fail:?}"),
    }
}

pub fn check_cause(failure: &FactoryError, why: Why) {
    let fits = match (&failure.cause, why) {
        (Cause::Panic { message, .. }, Why::Panic) => message == "injected",
        (Cause::TimedOut(timed_out), Why::TimedOut { total }) => timed_out.total == total,
        (Cause::Error(error), Why::Refused) => error.downcast_ref::<setl::policy::CircuitOpen>().is_some(),
        (Cause::Error(error), Why::Injected(fault)) => {
            let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            let expected = match fault {
                Fault::Reset => Some(std::io::ErrorKind::ConnectionReset),
                Fault::Full => Some(std::io::ErrorKind::StorageFull),
                _ => None,
            };
            format!("{error:#}").contains("injected") && kind == expected
        }
        _ => false,
    };
    assert!(fits, "{failure:?}, not {why:?}");
    assert_eq!(failure.transient, why.is_transient(), "{failure:?}");
}
