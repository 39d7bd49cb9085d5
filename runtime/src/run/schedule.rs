//! Which node may start when: the state that all drivers of a run share.

use std::collections::VecDeque;

use super::sync::{AtomicBool, AtomicU32, AtomicUsize, Mutex, Ordering, held};
use crate::plan::Plan;

/// Counts down what each node waits for, and how many drivers there are.
///
/// A driver runs one node after another. It calls [`Schedule::finish`] after each, goes on with the node that it is
/// given, and spawns a driver for each of the others. There is no more driver when the run is over.
pub(crate) struct Schedule {
    waits: Box<[AtomicU32]>,
    stopped: AtomicBool,
    limits: Limits,
}

enum Limits {
    /// Every ready node starts at once: count drivers.
    None(AtomicUsize),
    /// So many nodes at once; the others queue.
    AtOnce(usize, Mutex<Queue>),
}

struct Queue {
    ready: VecDeque<u32>,
    running: usize,
}

/// What a driver does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Go on with this node.
    Run(u32),
    /// This driver ends, others are there.
    End,
    /// This driver ends and is the last: the run is over.
    Over,
}

impl Schedule {
    pub(crate) fn new(plan: &Plan, at_once: Option<usize>) -> Self {
        let limits = match at_once {
            None => Limits::None(AtomicUsize::new(0)),
            Some(limit) => {
                Limits::AtOnce(limit.max(1), Mutex::new(Queue { ready: VecDeque::new(), running: 0 }))
            }
        };
        Self {
            waits: plan.waits.iter().map(|&waits| AtomicU32::new(waits)).collect(),
            stopped: AtomicBool::new(false),
            limits,
        }
    }

    /// The nodes that wait for nothing and start now.
    pub(crate) fn start(&self, plan: &Plan) -> Vec<u32> {
        let roots = plan.waits.iter().enumerate().filter(|(_, waits)| **waits == 0);
        let mut roots: VecDeque<u32> = roots.map(|(node, _)| node as u32).collect();
        match &self.limits {
            Limits::None(drivers) => {
                drivers.store(roots.len(), Ordering::Release);
                roots.into()
            }
            Limits::AtOnce(limit, queue) => {
                let mut queue = held(queue.lock());
                let now = roots.drain(..roots.len().min(*limit)).collect::<Vec<_>>();
                queue.running = now.len();
                queue.ready = roots;
                now
            }
        }
    }

    /// No further factory is to start: nodes still count down, so that the run comes to its end.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Records that a node has finished. `spawn` is called for each node that needs a driver of its own.
    pub(crate) fn finish(&self, plan: &Plan, node: u32, mut spawn: impl FnMut(u32)) -> Next {
        let successors = plan.successors(node as usize).iter().copied();
        // The last to count down sees all that the others did before: hence acquire and release.
        let mut ready =
            successors.filter(|&next| self.waits[next as usize].fetch_sub(1, Ordering::AcqRel) == 1);
        match &self.limits {
            Limits::None(drivers) => {
                let Some(first) = ready.next() else {
                    let last = drivers.fetch_sub(1, Ordering::AcqRel) == 1;
                    return if last { Next::Over } else { Next::End };
                };
                for next in ready {
                    // Counted before it can finish, so that the count never falls to zero too early.
                    drivers.fetch_add(1, Ordering::Relaxed);
                    spawn(next);
                }
                Next::Run(first)
            }
            Limits::AtOnce(limit, queue) => {
                let mut queue = held(queue.lock());
                queue.ready.extend(ready);
                let next = queue.ready.pop_front();
                let mut more = Vec::new();
                while next.is_some() && queue.running < *limit {
                    let Some(other) = queue.ready.pop_front() else { break };
                    queue.running += 1;
                    more.push(other);
                }
                if next.is_none() {
                    queue.running -= 1;
                }
                let over = queue.running == 0;
                drop(queue);
                more.into_iter().for_each(spawn);
                match next {
                    Some(next) => Next::Run(next),
                    None if over => Next::Over,
                    None => Next::End,
                }
            }
        }
    }
}
