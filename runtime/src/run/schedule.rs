//! Which node may start when: the state that all drivers of a run share.

use std::collections::VecDeque;

use crate::base::sync::{AtomicBool, AtomicU32, Mutex, Ordering, held};
use crate::plan::Plan;

/// Counts down what each node waits for, and hands out those that wait for nothing any more.
///
/// A driver runs one node after another, of which [`Schedule::finish`] gives it the next. What it cannot take itself is
/// queued for others: as long as something is in the queue, at least one driver has been called that has not come yet.
/// It comes as soon as the runtime has a thread for it, and calls another if there is still more to do. So everything
/// that is ready starts as early as if it had been spawned, but where nodes end faster than threads wake up, a few
/// drivers run all of them.
pub(crate) struct Schedule {
    waits: Box<[AtomicU32]>,
    stopped: AtomicBool,
    /// So many nodes at once, if there is a bound.
    at_once: Option<usize>,
    /// As many drivers are called at once, at most: there are no more threads to drive them.
    threads: usize,
    /// Whether it matters which node starts first.
    prefers: bool,
    /// Of each factory, how much memory it needs; empty if that does not matter.
    needs: Box<[u64]>,
    /// How much those may need together that are running.
    budget: u64,
    /// Nodes that have not finished.
    left: AtomicU32,
    queue: Mutex<Queue>,
}

struct Queue {
    ready: VecDeque<u32>,
    /// Of each node, how much it matters that it starts soon; empty if that is not known.
    priorities: Box<[f64]>,
    /// Nodes that were handed out and have not finished.
    running: usize,
    /// Those of them that wait for queries which are run when nothing else can go on.
    waiting: usize,
    /// The memory that the running ones need.
    used: u64,
    /// Drivers that were called and have not come.
    called: usize,
}

/// What a driver does next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Next {
    /// Go on with this node, or end.
    pub(crate) node: Option<u32>,
    /// Call so many drivers before.
    pub(crate) call: usize,
    /// Whether nothing is left to run.
    pub(crate) over: bool,
    /// Whether all that is in progress waits for queries, and nothing else is ready.
    pub(crate) quiet: bool,
}

impl Schedule {
    pub(crate) fn new(plan: &Plan, at_once: Option<usize>, threads: usize) -> Self {
        let ready = plan.waits.iter().enumerate().filter(|(_, waits)| **waits == 0);
        let ready = ready.map(|(node, _)| node as u32).collect();
        let queue = Queue { ready, priorities: Box::default(), running: 0, waiting: 0, used: 0, called: 0 };
        Self {
            waits: plan.waits.iter().map(|&waits| AtomicU32::new(waits)).collect(),
            stopped: AtomicBool::new(false),
            at_once: at_once.map(|at_once| at_once.max(1)),
            threads: threads.max(1),
            prefers: false,
            needs: Box::default(),
            budget: 0,
            left: AtomicU32::new(plan.waits.len() as u32),
            queue: Mutex::new(queue),
        }
    }

    /// Hands out first what has the highest priority; gates, which have none, come before.
    pub(crate) fn by(mut self, priorities: Vec<f64>) -> Self {
        self.prefers = !priorities.is_empty();
        held(self.queue.lock()).priorities = priorities.into();
        self
    }

    /// Hands out by other priorities from now on, if it does by any. Gives the first, of the factories that have not been
    /// handed out, which comes before another now and would have come after it.
    #[cfg(feature = "optimize")]
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

    /// Hands out only what needs no more memory than is left of this budget; alone, whatever it needs.
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

    /// Whether a node may start beside those that are running and need so much memory.
    fn fits(&self, node: u32, used: u64) -> bool {
        used == 0 || used.saturating_add(self.need(node)) <= self.budget
    }

    /// What the first driver does, which nobody called.
    pub(crate) fn start(&self) -> Next {
        let mut queue = held(self.queue.lock());
        let node = self.take(&mut queue);
        let call = self.call(&mut queue, self.threads);
        Next { node, call, over: false, quiet: false }
    }

    /// What a driver does that was called.
    pub(crate) fn arrive(&self) -> Next {
        let mut queue = held(self.queue.lock());
        queue.called -= 1;
        let node = self.take(&mut queue);
        // Whoever filled the queue has called as many as can come.
        let call = self.call(&mut queue, 1);
        Next { node, call, over: false, quiet: false }
    }

    /// No further factory is to start: nodes still count down, so that the run comes to its end.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Records that a node has finished.
    pub(crate) fn finish(&self, plan: &Plan, node: u32) -> Next {
        let successors = plan.successors(node as usize).iter().copied();
        // The last to count down sees all that the others did before: hence acquire and release.
        let mut ready =
            successors.filter(|&next| self.waits[next as usize].fetch_sub(1, Ordering::AcqRel) == 1);
        // What a node delivers is best taken where it is still in the cache; under a bound or priorities, all wait their turn.
        let in_turn = self.at_once.is_some() || self.prefers || !self.needs.is_empty();
        let own = if in_turn { None } else { ready.next() };
        let another = ready.next();
        // Whoever sees the last node counted sees all that was done before: acquire and release again.
        let over = self.left.fetch_sub(1, Ordering::AcqRel) == 1;
        if own.is_some() && another.is_none() {
            // Nothing is queued, so that nobody has to be called, and as many are running as before.
            return Next { node: own, call: 0, over, quiet: false };
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
        Next { node, call, over, quiet: self.is_quiet(&queue) }
    }

    /// Records that a node waits for queries. Whether all that is in progress does, and nothing else is ready.
    #[cfg(all(feature = "polars", feature = "optimize"))]
    pub(crate) fn wait(&self) -> bool {
        let mut queue = held(self.queue.lock());
        queue.waiting += 1;
        self.is_quiet(&queue)
    }

    /// Records that a node does not wait any more.
    #[cfg(all(feature = "polars", feature = "optimize"))]
    pub(crate) fn go_on(&self) {
        held(self.queue.lock()).waiting -= 1;
    }

    fn is_quiet(&self, queue: &Queue) -> bool {
        queue.waiting > 0 && queue.waiting == queue.running && self.startable(queue) == 0
    }

    /// Hands out the node that has waited longest.
    fn take(&self, queue: &mut Queue) -> Option<u32> {
        if self.at_once.is_some_and(|at_once| queue.running >= at_once) {
            return None;
        }
        let node = match !self.prefers && self.needs.is_empty() {
            true => queue.ready.pop_front()?,
            false => {
                let of = |node: u32| queue.priorities.get(node as usize).copied().unwrap_or(f64::INFINITY);
                // Of those that matter alike, the one that has waited longest.
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

    /// How many drivers to call for what is in the queue, unless some are on their way.
    fn call(&self, queue: &mut Queue, at_most: usize) -> usize {
        if queue.called > 0 {
            return 0;
        }
        queue.called = self.startable(queue).min(at_most);
        queue.called
    }

    /// How many of those in the queue could start now.
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
        match self.at_once {
            Some(at_once) => ready.min(at_once.saturating_sub(queue.running)),
            None => ready,
        }
    }
}
