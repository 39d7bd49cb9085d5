//! Simulates the makespan of a plan on a number of workers, from the time of each factory.
//!
//! The simulation uses list scheduling (Graham, 1966): a free worker takes the ready node with the highest priority. The executor
//! does the same. With the [upward rank](upward_rank) as the priority, this is the order of HEFT (Topcuoglu, Hariri and Wu, *IEEE
//! Transactions on Parallel and Distributed Systems* 13, 2002) on equal workers.

mod graph;
mod spread;
#[cfg(test)]
mod tests;

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

pub use graph::{FactoryGraph, Graph, Links};
pub use spread::DRAWS;
pub(crate) use spread::{Spread, spread};

/// The result of a [simulation](simulate).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Simulation {
    /// The seconds from the start of the first node to the end of the last.
    pub makespan: f64,
    /// The start time of each node, in seconds.
    pub start: Vec<f64>,
    /// The end time of each node, in seconds.
    pub finish: Vec<f64>,
    /// The share of the workers' time during which they work.
    pub utilisation: f64,
    /// The maximum size of the outputs in memory, in bytes. An output is in memory from the end of its factory to the end of its
    /// last consumer, or of the run if it is kept.
    pub peak_bytes: f64,
}

/// The costs of the nodes of a [`Graph`], for [`simulate`].
#[derive(Clone, Copy, Debug)]
pub struct Costs<'costs> {
    /// The time of each factory, then that of each batch, in seconds. A missing time is zero, and gates take no time.
    pub seconds: &'costs [f64],
    /// The priority of each node: the ready node with the highest priority goes first. Among equal priorities, the node that has
    /// been ready longest goes first.
    pub priorities: &'costs [f64],
    /// The size of each output in bytes. A missing size is zero.
    pub bytes: &'costs [f64],
}

impl Costs<'_> {
    fn of(values: &[f64], node: usize) -> f64 {
        // A value that is not a number has no order.
        values.get(node).copied().filter(|value| value.is_finite()).unwrap_or(0.0)
    }

    fn seconds(&self, graph: &Graph, node: usize) -> f64 {
        graph.place(node).map_or(0.0, |at| Self::of(self.seconds, at).max(0.0))
    }
}

/// Simulates a run of a plan. `workers` is the number of factories that can run at the same time: the number of threads, or the
/// limit of concurrency if that is less.
///
/// ```
/// use setl_learn::simulate::{Costs, Graph, simulate, upward_rank};
///
/// // Two of a second each, and a third that takes one of both.
/// let graph = Graph::new(3, &[(0, 2)]);
/// let seconds = [1.0, 1.0, 2.0];
/// let priorities = upward_rank(&graph, &seconds);
/// let costs = Costs { seconds: &seconds, priorities: &priorities, bytes: &[] };
/// assert_eq!(simulate(&graph, 2, costs).makespan, 3.0);
/// assert_eq!(simulate(&graph, 1, costs).makespan, 4.0);
/// ```
pub fn simulate(graph: &Graph, workers: usize, costs: Costs<'_>) -> Simulation {
    let mut bench = Bench::new(graph, workers);
    bench.run(graph, costs);
    bench.simulation(graph, costs)
}

/// The time from the start of each node to the end of the plan if no node ever waits for a worker: the weight of the heaviest
/// path from the node to the end, including the node itself. The ready node with the highest rank is the most urgent.
pub fn upward_rank(graph: &Graph, seconds: &[f64]) -> Vec<f64> {
    let mut ranks = vec![0.0_f64; graph.nodes()];
    for &node in graph.order().iter().rev() {
        let node = node as usize;
        let below = graph.successors(node).iter().map(|&next| ranks[next as usize]).fold(0.0, f64::max);
        ranks[node] = graph.weight(node, seconds) + below;
    }
    ranks
}

/// The factories on the heaviest path through the plan, in their order. The makespan is at least the weight of this path, with
/// any number of workers.
pub fn critical_path(graph: &Graph, seconds: &[f64]) -> Vec<usize> {
    let ranks = upward_rank(graph, seconds);
    let heaviest = |nodes: &mut dyn Iterator<Item = usize>| {
        nodes.max_by(|a, b| ranks[*a].total_cmp(&ranks[*b]).then(b.cmp(a)))
    };
    let mut path = Vec::new();
    let mut at = heaviest(&mut (0..graph.nodes()).filter(|&node| graph.waits(node) == 0));
    while let Some(node) = at {
        path.extend((node < graph.factories()).then_some(node));
        at = heaviest(&mut graph.successors(node).iter().map(|&next| next as usize));
    }
    path
}

/// A ready node that waits for a worker.
#[derive(PartialEq)]
struct Ready {
    priority: f64,
    /// The position in the order of becoming ready.
    turn: Reverse<u32>,
    node: u32,
}

impl Eq for Ready {}

impl Ord for Ready {
    fn cmp(&self, other: &Self) -> Ordering {
        self.priority.total_cmp(&other.priority).then(self.turn.cmp(&other.turn))
    }
}

impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A running node. The first one to end is the greatest.
#[derive(PartialEq)]
struct Running {
    until: f64,
    node: u32,
}

impl Eq for Running {}

impl Ord for Running {
    fn cmp(&self, other: &Self) -> Ordering {
        other.until.total_cmp(&self.until).then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Running {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The buffers of a simulation, so that a series of simulations allocates them once.
struct Bench {
    workers: usize,
    waits: Vec<u32>,
    ready: BinaryHeap<Ready>,
    running: BinaryHeap<Running>,
    start: Vec<f64>,
    finish: Vec<f64>,
    makespan: f64,
    /// The number of remaining consumers of each output.
    takers: Vec<u32>,
    held: f64,
    peak: f64,
    turns: u32,
}

impl Bench {
    fn new(graph: &Graph, workers: usize) -> Self {
        Self {
            workers: workers.max(1),
            waits: Vec::with_capacity(graph.nodes()),
            ready: BinaryHeap::new(),
            running: BinaryHeap::new(),
            start: vec![0.0; graph.nodes()],
            finish: vec![0.0; graph.nodes()],
            makespan: 0.0,
            takers: Vec::with_capacity(graph.factories()),
            held: 0.0,
            peak: 0.0,
            turns: 0,
        }
    }

    fn run(&mut self, graph: &Graph, costs: Costs<'_>) {
        self.waits.clear();
        self.waits.extend((0..graph.nodes()).map(|node| graph.waits(node)));
        self.takers.clear();
        self.takers.extend((0..graph.factories()).map(|node| graph.takers(node)));
        (self.makespan, self.held, self.peak, self.turns) = (0.0, 0.0, 0.0, 0);
        for node in 0..graph.nodes() {
            if self.waits[node] == 0 {
                self.make_ready(graph, costs, node, 0.0);
            }
        }
        let mut now = 0.0;
        loop {
            while self.running.len() < self.workers
                && let Some(Ready { node, .. }) = self.ready.pop()
            {
                let until = now + costs.seconds(graph, node as usize);
                self.start[node as usize] = now;
                self.running.push(Running { until, node });
            }
            let Some(Running { until, node }) = self.running.pop() else { break };
            now = until;
            self.end(graph, costs, node as usize, now);
            // All nodes that end at the same time free their workers before the next node starts.
            while self.running.peek().is_some_and(|next| next.until <= now)
                && let Some(Running { node, .. }) = self.running.pop()
            {
                self.end(graph, costs, node as usize, now);
            }
        }
    }

    fn make_ready(&mut self, graph: &Graph, costs: Costs<'_>, node: usize, now: f64) {
        if graph.place(node).is_none() {
            // A gate passes immediately and needs no worker.
            self.start[node] = now;
            self.end(graph, costs, node, now);
            return;
        }
        let turn = Reverse(self.turns);
        self.turns += 1;
        self.ready.push(Ready { priority: Costs::of(costs.priorities, node), turn, node: node as u32 });
    }

    fn end(&mut self, graph: &Graph, costs: Costs<'_>, node: usize, now: f64) {
        self.finish[node] = now;
        self.makespan = now;
        if node < graph.factories() {
            // The output exists before its inputs are dropped.
            self.held += Costs::of(costs.bytes, node);
            self.peak = self.peak.max(self.held);
            for &source in graph.sources(node) {
                self.takers[source as usize] -= 1;
                self.let_go(graph, costs, source as usize);
            }
            self.let_go(graph, costs, node);
        }
        for &next in graph.successors(node) {
            self.waits[next as usize] -= 1;
            if self.waits[next as usize] == 0 {
                self.make_ready(graph, costs, next as usize, now);
            }
        }
    }

    /// Drops an output that has no remaining consumer.
    fn let_go(&mut self, graph: &Graph, costs: Costs<'_>, node: usize) {
        if self.takers[node] == 0 && !graph.is_kept(node) {
            self.held -= Costs::of(costs.bytes, node);
        }
    }

    fn simulation(self, graph: &Graph, costs: Costs<'_>) -> Simulation {
        let work: f64 = (0..graph.nodes()).map(|node| costs.seconds(graph, node)).sum();
        let offered = self.makespan * self.workers as f64;
        Simulation {
            makespan: self.makespan,
            utilisation: if offered > 0.0 { (work / offered).min(1.0) } else { 0.0 },
            peak_bytes: self.peak,
            start: self.start,
            finish: self.finish,
        }
    }
}
