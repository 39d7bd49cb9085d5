//! The schedule and the slots under a model checker, which tries the interleavings of their threads:
//! `RUSTFLAGS="--cfg setl_loom" cargo test -p setl --no-default-features --lib loom`.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Counter, Ordering::SeqCst};

use ::loom::model::Builder;
use ::loom::sync::atomic::{AtomicBool, AtomicUsize};
use ::loom::thread;

use super::schedule::{Next, Schedule};
use super::slot::Slot;
use super::sync::Ordering;
use crate::plan::Plan;

/// Switches of threads where none is needed, per run of the model. More find nothing that three do not, and take long.
const PREEMPTIONS: usize = 3;

/// Drivers that are called at once, at most.
const THREADS: usize = 2;

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.check(model);
}

/// A plan with nothing but an order; each link is (node, one that waits for it).
fn plan_of(nodes: usize, links: &[(u32, u32)]) -> Plan {
    let mut plan = Plan { offsets: Cow::Owned(vec![0]), ..Plan::EMPTY };
    for node in 0..nodes as u32 {
        plan.successors.to_mut().extend(links.iter().filter(|link| link.0 == node).map(|link| link.1));
        let end = plan.successors.len() as u32;
        plan.offsets.to_mut().push(end);
        plan.waits.to_mut().push(links.iter().filter(|link| link.1 == node).count() as u32);
    }
    plan
}

/// A run whose drivers are threads of the model.
struct Model {
    plan: Plan,
    schedule: Schedule,
    /// How often each node ran.
    runs: Vec<AtomicUsize>,
    /// Set by a node without synchronisation of its own: the schedule must order it before what waits for it.
    done: Vec<AtomicBool>,
    running: AtomicUsize,
    at_once: usize,
    overs: AtomicUsize,
    /// Stops the run, when it is this node's turn.
    stops: Option<u32>,
    handles: std::sync::Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Model {
    /// What a driver does, from the first that it is told.
    fn drive(self: &Arc<Self>, mut next: Next) {
        loop {
            for _ in 0..next.call {
                self.call();
            }
            if next.over {
                self.overs.fetch_add(1, Ordering::Relaxed);
                assert!(self.runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1), "over too early");
            }
            let Some(node) = next.node else { return };
            self.run(node);
            next = self.schedule.finish(&self.plan, node);
        }
    }

    fn run(&self, node: u32) {
        let node_index = node as usize;
        for before in 0..self.done.len() {
            if self.plan.successors(before).contains(&node) {
                assert!(self.done[before].load(Ordering::Relaxed), "{node} runs before {before} is done");
            }
        }
        let others = self.running.fetch_add(1, Ordering::Relaxed);
        assert!(others < self.at_once, "more than {} at once", self.at_once);
        assert_eq!(self.runs[node_index].fetch_add(1, Ordering::Relaxed), 0, "{node} runs twice");
        if self.stops == Some(node) {
            self.schedule.stop();
            assert!(self.schedule.is_stopped());
        }
        self.done[node_index].store(true, Ordering::Relaxed);
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// A driver that comes when it has a thread.
    fn call(self: &Arc<Self>) {
        let model = Arc::clone(self);
        let handle = thread::spawn(move || model.drive(model.schedule.arrive()));
        super::sync::held(self.handles.lock()).push(handle);
    }
}

/// Runs each node once, after all that it waits for, and exactly one driver sees the end, when nothing is left.
fn check(nodes: usize, links: &'static [(u32, u32)], at_once: Option<usize>, stops: Option<u32>) {
    explore(move || {
        let plan = plan_of(nodes, links);
        let model = Arc::new(Model {
            schedule: Schedule::new(&plan, at_once, THREADS),
            plan,
            runs: (0..nodes).map(|_| AtomicUsize::new(0)).collect(),
            done: (0..nodes).map(|_| AtomicBool::new(false)).collect(),
            running: AtomicUsize::new(0),
            at_once: at_once.unwrap_or(nodes),
            overs: AtomicUsize::new(0),
            stops,
            handles: std::sync::Mutex::default(),
        });
        model.drive(model.schedule.start());
        loop {
            let handle = super::sync::held(model.handles.lock()).pop();
            let Some(handle) = handle else { break };
            handle.join().expect("no driver panics");
        }
        assert_eq!(model.overs.load(Ordering::Relaxed), 1, "exactly one driver is the last");
    });
}

const DIAMOND: &[(u32, u32)] = &[(0, 1), (0, 2), (1, 3), (2, 3)];
const FAN_IN: &[(u32, u32)] = &[(0, 3), (1, 3), (2, 3)];
const FAN_OUT: &[(u32, u32)] = &[(0, 1), (0, 2), (0, 3)];

#[test]
fn loom_diamond() {
    check(4, DIAMOND, None, None);
}

#[test]
fn loom_diamond_one_at_once() {
    check(4, DIAMOND, Some(1), None);
}

#[test]
fn loom_diamond_two_at_once() {
    check(4, DIAMOND, Some(2), None);
}

#[test]
fn loom_fan_in() {
    check(4, FAN_IN, None, None);
}

#[test]
fn loom_fan_in_one_at_once() {
    check(4, FAN_IN, Some(1), None);
}

#[test]
fn loom_fan_in_two_at_once() {
    check(4, FAN_IN, Some(2), None);
}

#[test]
fn loom_fan_out() {
    check(4, FAN_OUT, None, None);
}

#[test]
fn loom_fan_out_one_at_once() {
    check(4, FAN_OUT, Some(1), None);
}

#[test]
fn loom_fan_out_two_at_once() {
    check(4, FAN_OUT, Some(2), None);
}

#[test]
fn loom_two_independent() {
    check(2, &[], None, None);
}

#[test]
fn loom_two_independent_one_at_once() {
    check(2, &[], Some(1), None);
}

#[test]
fn loom_two_chains() {
    check(4, &[(0, 2), (1, 3)], None, None);
}

#[test]
fn loom_two_chains_two_at_once() {
    check(4, &[(0, 2), (1, 3)], Some(2), None);
}

/// A gate between two and two, as a barrier makes it: node 4.
#[test]
fn loom_barrier() {
    check(5, &[(0, 4), (1, 4), (4, 2), (4, 3)], None, None);
}

#[test]
fn loom_barrier_two_at_once() {
    check(5, &[(0, 4), (1, 4), (4, 2), (4, 3)], Some(2), None);
}

/// Nodes still count down after a stop, each once, so that the end is seen.
#[test]
fn loom_stop() {
    check(4, DIAMOND, None, Some(1));
}

#[test]
fn loom_stop_two_at_once() {
    check(4, DIAMOND, Some(2), Some(1));
}

/// What a node sees of the stop: it happened before whatever counts down after it.
#[test]
fn loom_stop_is_seen_downstream() {
    explore(|| {
        let plan = plan_of(3, &[(0, 2), (1, 2)]);
        let schedule = Arc::new((Schedule::new(&plan, None, THREADS), plan));
        let first = schedule.0.start();
        assert_eq!((first.node, first.call), (Some(0), 1));
        let drivers = [Some(first), None].map(|first| {
            let schedule = Arc::clone(&schedule);
            thread::spawn(move || {
                let (schedule, plan) = &*schedule;
                let mut next = first.unwrap_or_else(|| schedule.arrive());
                while let Some(node) = next.node {
                    match node {
                        0 => schedule.stop(),
                        1 => {}
                        _ => assert!(schedule.is_stopped(), "the stop came before"),
                    }
                    next = schedule.finish(plan, node);
                }
            })
        });
        drivers.into_iter().for_each(|driver| driver.join().expect("no driver panics"));
    });
}

/// Counts itself: how many there are, and how often it was cloned.
struct Token(Arc<(Counter, Counter)>);

impl Token {
    fn new(counters: &Arc<(Counter, Counter)>) -> Self {
        counters.0.fetch_add(1, SeqCst);
        Self(Arc::clone(counters))
    }
}

impl Clone for Token {
    fn clone(&self) -> Self {
        // Another thread may come in the middle of a clone.
        thread::yield_now();
        self.0.1.fetch_add(1, SeqCst);
        Self::new(&self.0)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Consumer {
    Takes,
    Shares,
    Releases,
}
use Consumer::{Releases, Shares, Takes};

/// Lets the consumers come at once. `clones` is how often the payload may be cloned, whoever comes last.
fn check_slot(consumers: &'static [Consumer], clones: std::ops::RangeInclusive<usize>) {
    explore(move || {
        let counters = Arc::new((Counter::new(0), Counter::new(0)));
        let slot = Arc::new(Slot::new(consumers.len() as u32));
        slot.put(Arc::new(Token::new(&counters)));
        let threads: Vec<_> = consumers
            .iter()
            .map(|consumer| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || match consumer {
                    Takes => drop(slot.take::<Token>().expect("everyone gets one")),
                    Shares => {
                        drop(slot.share().expect("everyone gets one").downcast::<Token>().expect("a token"))
                    }
                    Releases => slot.release(),
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no consumer panics"));
        assert_eq!(counters.0.load(SeqCst), 0, "all are dropped, though the slot is still there");
        let cloned = counters.1.load(SeqCst);
        assert!(clones.contains(&cloned), "cloned {cloned} times");
    });
}

#[test]
fn loom_slot_two_take() {
    check_slot(&[Takes, Takes], 1..=1);
}

#[test]
fn loom_slot_three_take() {
    check_slot(&[Takes, Takes, Takes], 2..=2);
}

#[test]
fn loom_slot_three_share() {
    check_slot(&[Shares, Shares, Shares], 0..=0);
}

/// The one that takes gets the original only if it comes last, after the other has dropped its share.
#[test]
fn loom_slot_take_and_share() {
    check_slot(&[Takes, Shares], 0..=1);
}

#[test]
fn loom_slot_take_and_two_share() {
    check_slot(&[Takes, Shares, Shares], 0..=1);
}

#[test]
fn loom_slot_two_take_and_share() {
    check_slot(&[Takes, Takes, Shares], 1..=2);
}

/// Who comes before a release gets a clone.
#[test]
fn loom_slot_take_and_release() {
    check_slot(&[Takes, Releases], 0..=1);
}

#[test]
fn loom_slot_take_share_and_release() {
    check_slot(&[Takes, Shares, Releases], 0..=1);
}

#[test]
fn loom_slot_two_release() {
    check_slot(&[Releases, Releases], 0..=0);
}
