//! The dependencies between nodes, and the sources of each factory.

use std::borrow::Cow;

/// The nodes of a plan with their dependencies: the factories, by their index, then the gates of barriers, then
/// [batches](Graph::with_batches) of queries.
#[derive(Clone, Debug)]
pub struct Graph {
    factories: usize,
    offsets: Cow<'static, [u32]>,
    successors: Cow<'static, [u32]>,
    waits: Cow<'static, [u32]>,
    order: Cow<'static, [u32]>,
    /// The start of the list of sources of each factory.
    source_offsets: Vec<u32>,
    sources: Vec<u32>,
    takers: Vec<u32>,
    kept: Vec<bool>,
    batches: usize,
}

/// The links of a plan, in its own representation: the links of a constant plan are not copied.
#[derive(Clone, Debug)]
pub struct Links {
    /// The start of the range of each node in `successors`, and the end of the last range.
    pub offsets: Cow<'static, [u32]>,
    /// The nodes that wait for each node, one list after another.
    pub successors: Cow<'static, [u32]>,
    /// The number of nodes for which each node waits.
    pub waits: Cow<'static, [u32]>,
    /// All nodes, each after the nodes for which it waits.
    pub order: Cow<'static, [u32]>,
}

/// The factories of a pipeline by name, with the graph of their dependencies.
///
/// ```
/// use setl_learn::FactoryGraph;
///
/// let nightly = FactoryGraph::new(["read", "count"], &[(0, 1)]);
/// assert_eq!(nightly.graph.factories(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct FactoryGraph {
    /// The name of each factory.
    pub names: Vec<String>,
    /// The graph, with the factories in the same order.
    pub graph: Graph,
}

impl FactoryGraph {
    /// The graph of factories that take each other's outputs, as in [`Graph::new`].
    ///
    /// # Panics
    /// When [`Graph::new`] does.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>, links: &[(usize, usize)]) -> Self {
        let names: Vec<_> = names.into_iter().map(Into::into).collect();
        let graph = Graph::new(names.len(), links);
        Self { names, graph }
    }

    /// The factories, each after those for which it waits.
    pub(crate) fn factory_order(&self) -> impl Iterator<Item = usize> {
        let factories = self.names.len();
        self.graph.order().iter().map(|&node| node as usize).filter(move |&node| node < factories)
    }
}

impl Graph {
    /// The graph of a plan with known links and order. `sources` has the factories whose outputs each factory takes, and `kept`
    /// is `true` for each output that is kept.
    pub fn of_links(links: Links, sources: Vec<Vec<u32>>, kept: Vec<bool>) -> Self {
        let Links { offsets, successors, waits, order } = links;
        Self { offsets, successors, waits, order, kept, ..Self::without_links(sources) }
    }

    /// The graph of factories that take each other's outputs: `(0, 2)` means that 2 takes the output of 0. No output is kept.
    ///
    /// # Panics
    /// When a number is not less than `factories`, or when factories wait for each other in a cycle.
    pub fn new(factories: usize, links: &[(usize, usize)]) -> Self {
        let inside = links.iter().find(|(before, after)| *before >= factories || *after >= factories);
        assert!(inside.is_none(), "{inside:?} names one of {factories}");
        match Self::of_record(factories, links) {
            Some(graph) => graph,
            None => panic!("there is a cycle"),
        }
    }

    /// The graph of a record: gates come after the factories. No output is kept. `None` if there is a cycle.
    pub(crate) fn of_record(factories: usize, links: &[(usize, usize)]) -> Option<Self> {
        let nodes = links.iter().map(|(before, after)| before.max(after) + 1).fold(factories, usize::max);
        let mut sources = vec![Vec::new(); factories];
        let mut successors = vec![Vec::new(); nodes];
        let mut waits = vec![0_u32; nodes];
        for &(before, after) in links {
            if before < factories && after < factories {
                sources[after].push(before as u32);
            }
            waits[after] += 1;
            successors[before].push(after as u32);
        }
        let order = order(&successors, &waits);
        if order.len() < nodes {
            return None;
        }
        let (offsets, successors) = one_after_another(successors);
        Some(Self {
            offsets: offsets.into(),
            successors: successors.into(),
            waits: waits.into(),
            order: order.into(),
            ..Self::without_links(sources)
        })
    }

    fn without_links(mut sources: Vec<Vec<u32>>) -> Self {
        let factories = sources.len();
        let mut takers = vec![0; factories];
        for of_one in &mut sources {
            of_one.sort_unstable();
            // A factory that takes an output twice releases it once.
            of_one.dedup();
            of_one.iter().for_each(|&source| takers[source as usize] += 1);
        }
        let (source_offsets, sources) = one_after_another(sources);
        Self {
            factories,
            offsets: Cow::Borrowed(&[]),
            successors: Cow::Borrowed(&[]),
            waits: Cow::Borrowed(&[]),
            order: Cow::Borrowed(&[]),
            source_offsets,
            sources,
            takers,
            kept: vec![false; factories],
            batches: 0,
        }
    }

    /// Adds batches of queries, each as a node of its own. A batch waits for all nodes for which its factories wait, and these
    /// factories wait for the batch. The times of the batches follow those of the factories.
    ///
    /// If a factory would wait for itself in a batch, all batches are left out: they belong to another plan.
    ///
    /// ```
    /// use setl_learn::simulate::{Costs, Graph, simulate};
    ///
    /// // Two read, for a second and for three; two others wait for one batch of 2 s that takes of both.
    /// let graph = Graph::new(4, &[(0, 2), (1, 3)]).with_batches(&[vec![2, 3]]);
    /// let costs = Costs { seconds: &[1.0, 3.0, 0.1, 0.1, 2.0], priorities: &[], bytes: &[] };
    /// assert_eq!(simulate(&graph, 4, costs).makespan, 5.1);
    /// ```
    #[must_use]
    pub fn with_batches(self, batches: &[Vec<usize>]) -> Self {
        let before = self.nodes();
        let mut successors: Vec<Vec<u32>> = (0..before).map(|node| self.successors(node).to_vec()).collect();
        let mut waits = self.waits.to_vec();
        for members in batches {
            let batch = successors.len() as u32;
            let is_member = |node: &u32| members.contains(&(*node as usize));
            let mut of_batch = 0;
            for next in &mut successors {
                // A node that delivers to several factories of the batch counts once.
                if next.iter().any(is_member) {
                    next.push(batch);
                    of_batch += 1;
                }
            }
            waits.push(of_batch);
            let members: Vec<u32> = members
                .iter()
                .filter(|&&member| member < self.factories)
                .map(|&member| member as u32)
                .collect();
            members.iter().for_each(|&member| waits[member as usize] += 1);
            successors.push(members);
        }
        let order = order(&successors, &waits);
        if order.len() < successors.len() {
            return self;
        }
        let (offsets, successors) = one_after_another(successors);
        Self {
            offsets: offsets.into(),
            successors: successors.into(),
            waits: waits.into(),
            order: order.into(),
            batches: batches.len(),
            ..self
        }
    }

    /// The number of factories.
    pub fn factories(&self) -> usize {
        self.factories
    }

    /// The number of batches of queries.
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// The number of nodes: factories, gates and batches.
    pub fn nodes(&self) -> usize {
        self.waits.len()
    }

    pub(super) fn successors(&self, node: usize) -> &[u32] {
        &self.successors[self.offsets[node] as usize..self.offsets[node + 1] as usize]
    }

    pub(super) fn waits(&self, node: usize) -> u32 {
        self.waits[node]
    }

    /// All nodes, each after the nodes for which it waits.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// The factories whose outputs a factory takes.
    pub(crate) fn sources(&self, factory: usize) -> &[u32] {
        &self.sources[self.source_offsets[factory] as usize..self.source_offsets[factory + 1] as usize]
    }

    pub(super) fn takers(&self, factory: usize) -> u32 {
        self.takers[factory]
    }

    pub(super) fn is_kept(&self, factory: usize) -> bool {
        self.kept[factory]
    }

    pub(super) fn weight(&self, node: usize, seconds: &[f64]) -> f64 {
        self.place(node).and_then(|at| seconds.get(at)).copied().unwrap_or(0.0)
    }

    /// The index of a node in the list of times. `None` for gates, which take no time.
    pub(super) fn place(&self, node: usize) -> Option<usize> {
        match node.checked_sub(self.nodes() - self.batches) {
            Some(batch) => Some(self.factories + batch),
            None => (node < self.factories).then_some(node),
        }
    }

    /// The node of a batch.
    pub(crate) fn batch(&self, batch: usize) -> usize {
        self.nodes() - self.batches + batch
    }
}

/// All nodes, each after the nodes for which it waits. Nodes in a cycle, and all nodes that wait for them, are left out.
fn order(successors: &[Vec<u32>], waits: &[u32]) -> Vec<u32> {
    let mut left = waits.to_vec();
    let mut order: Vec<u32> = (0..waits.len() as u32).filter(|&node| left[node as usize] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for &after in &successors[order[next] as usize] {
            left[after as usize] -= 1;
            if left[after as usize] == 0 {
                order.push(after);
            }
        }
        next += 1;
    }
    order
}

/// Concatenates lists, and returns the start of each.
fn one_after_another(lists: Vec<Vec<u32>>) -> (Vec<u32>, Vec<u32>) {
    let mut offsets = vec![0];
    let mut all = Vec::new();
    for list in lists {
        all.extend(list);
        offsets.push(all.len() as u32);
    }
    (offsets, all)
}
