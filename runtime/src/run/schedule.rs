//! The schedule: the state that all drivers of a run share.

use std::collections::VecDeque;

use crate::base::sync::{AtomicBool, AtomicU32, Mutex, Ordering, held};
use crate::plan::Plan;

/// Counts the nodes for which each node waits, and hands out ready nodes.
///
/// A driver runs one node after another: [`Schedule::finish`] returns its next node. Nodes that it cannot take itself are queued
/// for other drivers. As long as a node is in the queue, at least one called driver has not arrived yet. It arrives as soon as
/// the runtime has a thread for it, and calls another driver if there is still more to do. So every ready node starts as early as
/// if it had been spawned. If nodes end faster than threads wake up, a few drivers run all of them.
pub(crate) struct Schedule {
    waits: Box<[AtomicU32]>,
    stopped: AtomicBool,
    /// The maximum number of nodes that run at the same time, if there is a limit.
    max_concurrent: Option<usize>,
    /// The maximum number of drivers that are called together: there are no more threads to drive them.
    threads: usize,
    /// `true` if the order of starting follows priorities.
    prefers: bool,
    /// The memory that each factory needs. Empty if no factory declares any.
    needs: Box<[u64]>,
    /// The memory limit of all running factories together.
    budget: u64,
    /// The number of nodes that have not finished.
    left: AtomicU32,
    queue: Mutex<Queue>,
}

struct Queue {
    ready: VecDeque<u32>,
    /// The priority of each node. Empty if it is unknown.
    priorities: Box<[f64]>,
    /// The number of nodes that were handed out and have not finished.
    running: usize,
    /// The number of running nodes that wait for queries. These queries are run when no other node can proceed.
    waiting: usize,
    /// The memory that the running nodes need.
    used: u64,
    /// The number of drivers that were called and have not arrived.
    called: usize,
}

/// The next action of a driver.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Next {
    /// The node to run next, or `None` to end.
    pub(crate) node: Option<u32>,
    /// The number of drivers to call before that.
    pub(crate) call: usize,
    /// `true` if no node is left.
    pub(crate) over: bool,
    /// `true` if the run is stalled: all running nodes wait for queries, and no other node is ready.
    pub(crate) is_stalled: bool,
}

impl Schedule {
    pub(crate) fn new(plan: &Plan, max_concurrent: Option<usize>, threads: usize) -> Self {
        let ready = plan.waits.iter().enumerate().filter(|(_, waits)| **waits == 0);
        let ready = ready.map(|(node, _)| node as u32).collect();
        let queue = Queue { ready, priorities: Box::default(), running: 0, waiting: 0, used: 0, called: 0 };
        Self {
            waits: plan.waits.iter().map(|&waits| AtomicU32::new(waits)).collect(),
            stopped: AtomicBool::new(false),
            max_concurrent: max_concurrent.map(|max_concurrent| max_concurrent.max(1)),
            threads: threads.max(1),
            prefers: false,
            needs: Box::default(),
            budget: 0,
            left: AtomicU32::new(plan.waits.len() as u32),
            queue: Mutex::new(queue),
        }
    }

    /// Hands out the ready node with the highest priority first. Gates have no priority and come before all others.
    pub(crate) fn by(mut self, priorities: Vec<f64>) -> Self {
        self.prefers = !priorities.is_empty();
        held(self.queue.lock()).priorities = priorities.into();
        self
    }

    /// Replaces the priorities, if there are any. Returns the first pair of factories that have not been handed out and whose
    /// order has changed: the first of the pair now comes before the second.
    pub(crate) fn prefer(&self, priorities: Vec<f64>) -> Option<(u32, u32)> {
        if !self.prefers {
            return None;
        }
        let mut queue = held(self.queue.lock());
        let is_left =
            |node: &u32| self.waits[*node as usize].load(Ordering::Acquire) > 0 || queue.ready.contains(node);
        let left: Vec<u32> = (0..priorities.len() as u32).filter(is_left).collect();
        let in_order = |priorities: &[f64]| {
            let of = |node: u32| priorities.get(node as usize).copied().unwrap_or(f64::INFINITY);
            let mut nodes = left.clone();
            nodes.sort_by(|a, b| of(*b).total_cmp(&of(*a)));
            nodes
        };
        let (before, now) = (in_order(&queue.priorities), in_order(&priorities));
        queue.priorities = priorities.into();
        now.into_iter().zip(before).find(|(now, before)| now != before)
    }

    /// Hands out a node only if its memory fits into the rest of `budget`. A node that runs alone may exceed it.
    pub(crate) fn within(mut self, budget: u64, needs: Vec<u64>) -> Self {
        if needs.iter().any(|need| *need > 0) {
            self.budget = budget;
            self.needs = needs.into();
        }
        self
    }

    fn need(&self, node: u32) -> u64 {
        self.needs.get(node as usize).copied().unwrap_or(0)
    }

    /// `true` if a node may start while the running nodes use `used` bytes.
    fn fits(&self, node: u32, used: u64) -> bool {
        used == 0 || used.saturating_add(self.need(node)) <= self.budget
    }

    /// The next action of the first driver, which was not called.
    pub(crate) fn start(&self) -> Next {
        let mut queue = held(self.queue.lock());
        let node = self.take(&mut queue);
        let call = self.call(&mut queue, self.threads);
        Next { node, call, over: false, is_stalled: false }
    }

    /// The next action of a called driver.
    pub(crate) fn arrive(&self) -> Next {
        let mut queue = held(self.queue.lock());
        queue.called -= 1;
        let node = self.take(&mut queue);
        // The driver that filled the queue has called as many as can arrive.
        let call = self.call(&mut queue, 1);
        Next { node, call, over: false, is_stalled: false }
    }

    /// Prevents further factories from starting. Nodes still count down, so that the run comes to its end.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Records that a node has finished.
    pub(crate) fn finish(&self, plan: &Plan, node: u32) -> Next {
        let successors = plan.successors(node as usize).iter().copied();
        // The last node to count down must see all writes of the others: hence acquire and release.
        let mut ready =
            successors.filter(|&next| self.waits[next as usize].fetch_sub(1, Ordering::AcqRel) == 1);
        // An output is best taken while it is in the processor's cache. With a limit or priorities, each node waits for its turn.
        let in_turn = self.max_concurrent.is_some() || self.prefers || !self.needs.is_empty();
        let own = if in_turn { None } else { ready.next() };
        let another = ready.next();
        // The driver that counts the last node must see all writes before it: acquire and release again.
        let over = self.left.fetch_sub(1, Ordering::AcqRel) == 1;
        if own.is_some() && another.is_none() {
            // No node is queued, so no driver has to be called, and the number of running nodes stays the same.
            return Next { node: own, call: 0, over, is_stalled: false };
        }
        let mut queue = held(self.queue.lock());
        queue.ready.extend(another);
        queue.ready.extend(ready);
        queue.running -= 1;
        queue.used -= self.need(node);
        let node = match own {
            Some(own) => {
                queue.running += 1;
                Some(own)
            }
            None => self.take(&mut queue),
        };
        let call = self.call(&mut queue, self.threads);
        Next { node, call, over, is_stalled: self.is_quiet(&queue) }
    }

    /// Records that a node waits for queries. Returns `true` if the run is now stalled.
    pub(crate) fn wait(&self) -> bool {
        let mut queue = held(self.queue.lock());
        queue.waiting += 1;
        self.is_quiet(&queue)
    }

    /// Records that a node no longer waits for queries.
    pub(crate) fn go_on(&self) {
        held(self.queue.lock()).waiting -= 1;
    }

    fn is_quiet(&self, queue: &Queue) -> bool {
        queue.waiting > 0 && queue.waiting == queue.running && self.startable(queue) == 0
    }

    /// Hands out the ready node with the highest priority, or the one that has waited longest.
    fn take(&self, queue: &mut Queue) -> Option<u32> {
        if self.max_concurrent.is_some_and(|max_concurrent| queue.running >= max_concurrent) {
            return None;
        }
        let node = match !self.prefers && self.needs.is_empty() {
            true => queue.ready.pop_front()?,
            false => {
                let of = |node: u32| queue.priorities.get(node as usize).copied().unwrap_or(f64::INFINITY);
                // Among equal priorities, the node that has waited longest.
                let ready = queue.ready.iter().enumerate().rev();
                let fits = ready.filter(|(_, node)| self.fits(**node, queue.used));
                let (at, _) = fits.max_by(|(_, a), (_, b)| of(**a).total_cmp(&of(**b)))?;
                queue.ready.remove(at)?
            }
        };
        queue.running += 1;
        queue.used += self.need(node);
        Some(node)
    }

    /// The number of drivers to call for the nodes in the queue. Zero if called drivers are still on their way.
    fn call(&self, queue: &mut Queue, at_most: usize) -> usize {
        if queue.called > 0 {
            return 0;
        }
        queue.called = self.startable(queue).min(at_most);
        queue.called
    }

    /// The number of queued nodes that could start now.
    fn startable(&self, queue: &Queue) -> usize {
        let ready = match self.needs.is_empty() {
            true => queue.ready.len(),
            false => {
                let mut used = queue.used;
                let fits = queue.ready.iter().filter(|node| {
                    let fits = self.fits(**node, used);
                    used += if fits { self.need(**node) } else { 0 };
                    fits
                });
                fits.count()
            }
        };
        match self.max_concurrent {
            Some(max_concurrent) => ready.min(max_concurrent.saturating_sub(queue.running)),
            None => ready,
        }
    }
}
