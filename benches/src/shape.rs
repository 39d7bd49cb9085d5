//! The graphs: which node takes from which. The build script uses this file too.

/// A graph whose nodes are numbered so that each takes only from earlier ones.
///
/// Node `n` delivers `n` plus the sum of what it takes, and a run comes to the sum of all that nobody takes. That makes
/// every result depend on every edge, and is next to no work.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its name in the tables.
    pub name: &'static str,
    /// What it is called in generated code.
    pub ident: &'static str,
    /// For each node, the nodes from which it takes: at most three.
    pub takes: Vec<Vec<usize>>,
}

impl Shape {
    /// Each node takes from the one before it.
    pub fn chain(name: &'static str, ident: &'static str, nodes: usize) -> Self {
        let takes = (0..nodes).map(|node| node.checked_sub(1).into_iter().collect()).collect();
        Self { name, ident, takes }
    }

    /// One, then two, then one.
    pub fn diamond() -> Self {
        Self { name: "diamond (4)", ident: "diamond", takes: vec![vec![], vec![0], vec![0], vec![1, 2]] }
    }

    /// One node from which all the others take.
    pub fn fan_out(name: &'static str, ident: &'static str, consumers: usize) -> Self {
        let takes = (0..=consumers).map(|node| if node == 0 { vec![] } else { vec![0] }).collect();
        Self { name, ident, takes }
    }

    /// Nodes that have nothing to do with each other.
    pub fn independent(name: &'static str, ident: &'static str, nodes: usize) -> Self {
        Self { name, ident, takes: vec![vec![]; nodes] }
    }

    /// Layers of `width` nodes, each of which takes one to three deliveries from the three layers before its own.
    pub fn layered(
        name: &'static str,
        ident: &'static str,
        nodes: usize,
        width: usize,
        mut random: Random,
    ) -> Self {
        let mut takes: Vec<Vec<usize>> = Vec::with_capacity(nodes);
        for node in 0..nodes {
            let end = node / width * width;
            let start = end.saturating_sub(3 * width);
            let mut from = Vec::new();
            if end > start {
                for _ in 0..=random.below(3) {
                    from.push(start + random.below(end - start));
                }
            }
            from.sort_unstable();
            from.dedup();
            takes.push(from);
        }
        Self { name, ident, takes }
    }

    /// The shapes for which the build script writes a `#[pipeline]`.
    pub fn with_pipelines() -> Vec<Self> {
        vec![
            Self::chain("chain of 5", "chain_5", 5),
            Self::chain("chain of 100", "chain_100", 100),
            Self::diamond(),
            Self::fan_out("fan-out 1 to 100", "fan_out_100", 100),
            Self::layered("layered random (1,000)", "layered_1000", 1_000, 25, Random::new(2026)),
        ]
    }

    /// How many nodes take from each node.
    pub fn consumers(&self) -> Vec<usize> {
        let mut consumers = vec![0; self.takes.len()];
        for &producer in self.takes.iter().flatten() {
            consumers[producer] += 1;
        }
        consumers
    }

    /// The nodes from which nobody takes.
    pub fn sinks(&self) -> Vec<usize> {
        let consumers = self.consumers();
        (0..self.takes.len()).filter(|&node| consumers[node] == 0).collect()
    }

    /// What a run comes to.
    pub fn expected(&self) -> u64 {
        let mut values: Vec<u64> = Vec::with_capacity(self.takes.len());
        for (node, takes) in self.takes.iter().enumerate() {
            let taken = takes.iter().fold(0u64, |sum, &from| sum.wrapping_add(values[from]));
            values.push(taken.wrapping_add(node as u64));
        }
        self.sinks().into_iter().fold(0, |sum, node| sum.wrapping_add(values[node]))
    }
}

/// The same numbers on every machine: SplitMix64.
pub struct Random(u64);

impl Random {
    /// Starts from this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to `end`, exclusive; next to uniform for the small numbers used here.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}
