//! The schedule and the slots under a model checker, which tries the interleavings of their threads: `RUSTFLAGS="--cfg setl_loom"
//! cargo test -p setl --no-default-features --lib loom`.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Counter, Ordering::SeqCst};

use ::loom::model::Builder;
use ::loom::sync::Condvar;
use ::loom::sync::atomic::AtomicUsize;
use ::loom::thread;

use super::schedule::{Next, Schedule};
use super::slot::Slot;
use crate::base::sync::{Mutex, Ordering, held};
use crate::plan::Plan;

/// The maximum number of preemptions in an execution, which limits the time. `LOOM_MAX_PREEMPTIONS` overrides it.
const PREEMPTIONS: usize = 2;

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.check(model);
}

/// A plan that only has an order. Each link is a pair of a node and a node that waits for it.
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

/// A case for the model.
#[derive(Clone, Copy)]
struct Case {
    nodes: usize,
    /// Each link is a pair of a node and a node that waits for it.
    links: &'static [(u32, u32)],
    max_concurrent: Option<usize>,
    /// The maximum number of drivers that are called at the same time.
    threads: usize,
    /// The node that stops the run when it starts.
    stops: Option<u32>,
    /// The number of first nodes that wait until all of them have started.
    meet: usize,
}

impl Case {
    const fn new(nodes: usize, links: &'static [(u32, u32)]) -> Self {
        Self { nodes, links, max_concurrent: None, threads: 2, stops: None, meet: 0 }
    }

    const fn max_concurrent(self, max_concurrent: usize) -> Self {
        Self { max_concurrent: Some(max_concurrent), ..self }
    }

    const fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    const fn stopped_by(self, node: u32) -> Self {
        Self { stops: Some(node), ..self }
    }

    const fn meeting(self, meet: usize) -> Self {
        Self { meet, ..self }
    }

    /// Checks that each node runs once, after all nodes for which it waits, and that exactly one driver sees the end, when
    /// nothing is left.
    fn check(self) {
        explore(move || {
            let plan = plan_of(self.nodes, self.links);
            let run = Arc::new(Run {
                case: self,
                schedule: Schedule::new(&plan, self.max_concurrent, self.threads),
                plan,
                runs: (0..self.nodes).map(|_| AtomicUsize::new(0)).collect(),
                running: AtomicUsize::new(0),
                overs: AtomicUsize::new(0),
                met: (Mutex::new(0), Condvar::new()),
                drivers: std::sync::Mutex::default(),
            });
            run.drive(run.schedule.start());
            loop {
                let driver = held(run.drivers.lock()).pop();
                let Some(driver) = driver else { break };
                driver.join().expect("no driver panics");
            }
            assert_eq!(run.overs.load(Ordering::Relaxed), 1, "exactly one driver sees the end");
        });
    }
}

/// A run whose drivers are threads of the model.
///
/// Its counters are relaxed: the schedule has to order every access.
struct Run {
    case: Case,
    plan: Plan,
    schedule: Schedule,
    /// The number of runs of each node.
    runs: Vec<AtomicUsize>,
    running: AtomicUsize,
    overs: AtomicUsize,
    met: (Mutex<usize>, Condvar),
    drivers: std::sync::Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Run {
    fn drive(self: &Arc<Self>, mut next: Next) {
        loop {
            for _ in 0..next.call {
                let run = Arc::clone(self);
                let driver = thread::spawn(move || run.drive(run.schedule.arrive()));
                held(self.drivers.lock()).push(driver);
            }
            if next.over {
                self.overs.fetch_add(1, Ordering::Relaxed);
                assert_eq!(next.node, None);
                for runs in &self.runs {
                    assert_eq!(runs.load(Ordering::Relaxed), 1, "over too early");
                }
            }
            let Some(node) = next.node else { return };
            self.run(node);
            next = self.schedule.finish(&self.plan, node);
        }
    }

    fn run(&self, node: u32) {
        for (before, runs) in self.runs.iter().enumerate() {
            if self.plan.successors(before).contains(&node) {
                assert_eq!(runs.load(Ordering::Relaxed), 1, "{node} runs before {before} has finished");
            }
        }
        let others = self.running.fetch_add(1, Ordering::Relaxed);
        assert!(others < self.case.max_concurrent.unwrap_or(self.case.nodes), "{others} others run");
        if self.case.stops == Some(node) {
            self.schedule.stop();
            assert!(self.schedule.is_stopped());
        }
        if (node as usize) < self.case.meet {
            let (met, all) = &self.met;
            let mut met = held(met.lock());
            *met += 1;
            all.notify_all();
            while *met < self.case.meet {
                met = held(all.wait(met));
            }
        }
        assert_eq!(self.runs[node as usize].fetch_add(1, Ordering::Relaxed), 0, "{node} runs twice");
        self.running.fetch_sub(1, Ordering::Relaxed);
    }
}

const DIAMOND: Case = Case::new(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
const FAN_IN: Case = Case::new(4, &[(0, 3), (1, 3), (2, 3)]);
const FAN_OUT: Case = Case::new(4, &[(0, 1), (0, 2), (0, 3)]);
const INDEPENDENT: Case = Case::new(2, &[]);
const CHAINS: Case = Case::new(4, &[(0, 2), (1, 3)]);
/// A gate between two and two, as a barrier makes it: node 4.
const BARRIER: Case = Case::new(5, &[(0, 4), (1, 4), (4, 2), (4, 3)]);

#[test]
fn loom_diamond() {
    DIAMOND.check();
}

#[test]
fn loom_diamond_one_thread() {
    DIAMOND.threads(1).check();
}

#[test]
fn loom_diamond_one_at_once() {
    DIAMOND.max_concurrent(1).check();
}

#[test]
fn loom_diamond_two_at_once() {
    DIAMOND.max_concurrent(2).check();
}

#[test]
fn loom_fan_in() {
    FAN_IN.check();
}

#[test]
fn loom_fan_in_one_thread() {
    FAN_IN.threads(1).check();
}

#[test]
fn loom_fan_in_one_at_once() {
    FAN_IN.max_concurrent(1).check();
}

#[test]
fn loom_fan_in_two_at_once() {
    FAN_IN.max_concurrent(2).check();
}

#[test]
fn loom_fan_out() {
    FAN_OUT.check();
}

#[test]
fn loom_fan_out_one_thread() {
    FAN_OUT.threads(1).check();
}

#[test]
fn loom_fan_out_one_at_once() {
    FAN_OUT.max_concurrent(1).check();
}

#[test]
fn loom_fan_out_two_at_once() {
    FAN_OUT.max_concurrent(2).check();
}

#[test]
fn loom_independent() {
    INDEPENDENT.check();
}

#[test]
fn loom_independent_one_thread() {
    INDEPENDENT.threads(1).check();
}

#[test]
fn loom_independent_one_at_once() {
    INDEPENDENT.max_concurrent(1).check();
}

#[test]
fn loom_independent_two_at_once() {
    INDEPENDENT.max_concurrent(2).check();
}

#[test]
fn loom_chains() {
    CHAINS.check();
}

#[test]
fn loom_chains_one_thread() {
    CHAINS.threads(1).check();
}

#[test]
fn loom_chains_one_at_once() {
    CHAINS.max_concurrent(1).check();
}

#[test]
fn loom_chains_two_at_once() {
    CHAINS.max_concurrent(2).check();
}

#[test]
fn loom_barrier() {
    BARRIER.check();
}

#[test]
fn loom_barrier_one_thread() {
    BARRIER.threads(1).check();
}

#[test]
fn loom_barrier_one_at_once() {
    BARRIER.max_concurrent(1).check();
}

#[test]
fn loom_barrier_two_at_once() {
    BARRIER.max_concurrent(2).check();
}

/// Nodes still count down after a stop, each once, so that the end is seen.
#[test]
fn loom_stop() {
    DIAMOND.stopped_by(1).check();
}

#[test]
fn loom_stop_two_at_once() {
    DIAMOND.max_concurrent(2).stopped_by(1).check();
}

/// No driver keeps a ready node from another driver: otherwise the model ends in a deadlock.
#[test]
fn loom_two_ready_run_at_once() {
    INDEPENDENT.meeting(2).check();
    INDEPENDENT.threads(1).meeting(2).check();
    INDEPENDENT.max_concurrent(2).meeting(2).check();
}

#[test]
fn loom_three_ready_run_at_once() {
    FAN_IN.meeting(3).check();
    FAN_IN.threads(1).meeting(3).check();
    FAN_IN.threads(3).meeting(3).check();
}

#[test]
fn loom_three_that_became_ready_run_at_once() {
    Case::new(4, &[(3, 0), (3, 1), (3, 2)]).meeting(3).check();
    Case::new(4, &[(3, 0), (3, 1), (3, 2)]).threads(1).meeting(3).check();
    Case::new(4, &[(3, 0), (3, 1), (3, 2)]).max_concurrent(3).meeting(3).check();
}

/// The stop happens before every node that counts down after it.
#[test]
fn loom_stop_is_seen_downstream() {
    explore(|| {
        let plan = plan_of(3, &[(0, 2), (1, 2)]);
        let schedule = Arc::new((Schedule::new(&plan, None, 2), plan));
        assert_eq!(schedule.0.start(), Next { node: Some(0), call: 1, over: false, is_stalled: false });
        assert_eq!(schedule.0.arrive(), Next { node: Some(1), call: 0, over: false, is_stalled: false });
        let drivers = [0, 1].map(|root| {
            let schedule = Arc::clone(&schedule);
            thread::spawn(move || {
                if root == 0 {
                    schedule.0.stop();
                }
                if schedule.0.finish(&schedule.1, root).node == Some(2) {
                    assert!(schedule.0.is_stopped(), "the stop came before");
                    assert!(schedule.0.finish(&schedule.1, 2).node.is_none());
                }
            })
        });
        drivers.into_iter().for_each(|driver| driver.join().expect("no driver panics"));
    });
}

/// Counts its instances and its clones.
struct Token(Arc<(Counter, Counter)>);

impl Token {
    fn new(counters: &Arc<(Counter, Counter)>) -> Self {
        counters.0.fetch_add(1, SeqCst);
        Self(Arc::clone(counters))
    }
}

impl Clone for Token {
    fn clone(&self) -> Self {
        // Another thread may run in the middle of a clone.
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

/// Runs the consumers at the same time. `clones` is the permitted number of clones of the payload, in any order of the consumers.
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

/// The consumer that takes gets the original only if it comes last, after the other has dropped its share.
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

/// A consumer that comes before a release gets a clone.
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
