//! Whatever passes are on, a run has the same results.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use setl::optimize::plan::{PassDecision, PipelinePlan, PlanPass};
use setl::optimize::{Optimizer, Pass};
use setl::plan::dynamic::Wiring;
use setl::prelude::*;

/// Larger than a word, and without `Copy`: a mistake in sharing would show.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Value(Vec<u64>);

fn mixed(tag: u64, values: &[&Value]) -> Value {
    let mut all = vec![tag];
    for value in values {
        all.push(value.0.iter().fold(tag, |sum, part| sum.wrapping_mul(31).wrapping_add(*part)));
    }
    Value(all)
}

#[factory]
fn twice(a: Value) -> Value {
    mixed(1, &[&a])
}

#[factory]
async fn later(#[delivery(shared)] a: Arc<Value>) -> Value {
    tokio::task::yield_now().await;
    mixed(2, &[&a])
}

#[factory]
async fn both(a: Value, #[delivery(shared)] b: Arc<Value>) -> Value {
    mixed(3, &[&a, &b])
}

#[factory]
fn counted(#[delivery(shared)] runs: Arc<Runs>, a: Value) -> Value {
    runs.0.fetch_add(1, Ordering::SeqCst);
    mixed(4, &[&a])
}

#[factory(volatile)]
async fn fresh(#[delivery(shared)] runs: Arc<Runs>, a: Value) -> Value {
    runs.0.fetch_add(1, Ordering::SeqCst);
    mixed(5, &[&a])
}

#[factory]
async fn named(context: Context, a: Value) -> Value {
    let mut value = mixed(6, &[&a]);
    value.0.push(context.factory().len() as u64);
    value
}

struct Runs(AtomicUsize);

#[derive(Clone, Debug)]
struct Node {
    kind: usize,
    /// What comes before it: inputs first, then factories.
    sources: [prop::sample::Index; 2],
    /// Does as an earlier one does, and takes copies of what that takes where there are any.
    copies: Option<prop::sample::Index>,
    kept: bool,
}

#[derive(Clone, Debug)]
struct Case {
    nodes: Vec<Node>,
    /// For each stage, how many factories it has, and whether it is a barrier, sequential, and neither writes.
    stages: Vec<(usize, bool, bool, bool)>,
    passes: Vec<bool>,
    reversed: bool,
    /// Pairs that are put in order, and priorities.
    orders: Vec<(prop::sample::Index, prop::sample::Index)>,
    priorities: Vec<(prop::sample::Index, i8)>,
    up_to: Option<prop::sample::Index>,
    concurrency: Option<usize>,
}

fn case() -> impl Strategy<Value = Case> {
    let copies = prop::option::weighted(0.5, any::<prop::sample::Index>());
    let node = (0..6usize, any::<[prop::sample::Index; 2]>(), copies, prop::bool::weighted(0.1))
        .prop_map(|(kind, sources, copies, kept)| Node { kind, sources, copies, kept });
    let stage = (1..8usize, prop::bool::weighted(0.2), prop::bool::weighted(0.2), any::<bool>());
    (
        prop::collection::vec(node, 1..25),
        prop::collection::vec(stage, 1..5),
        prop::collection::vec(any::<bool>(), 5),
        any::<bool>(),
        prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..4),
        prop::collection::vec(any::<(prop::sample::Index, i8)>(), 0..4),
        prop::option::weighted(0.3, any::<prop::sample::Index>()),
        prop::option::of(1..4usize),
    )
        .prop_map(|(nodes, stages, passes, reversed, orders, priorities, up_to, concurrency)| Case {
            nodes,
            stages,
            passes,
            reversed,
            orders,
            priorities,
            up_to,
            concurrency,
        })
}

/// Puts factories in an order in which they are listed, so that there is no cycle.
struct Orders {
    orders: Vec<(usize, usize)>,
    priorities: Vec<(usize, f64)>,
}

impl PlanPass for Orders {
    fn name(&self) -> &str {
        "orders"
    }

    fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<PassDecision>> {
        for (before, after) in &self.orders {
            plan.order(&format!("f{before}"), &format!("f{after}"))?;
        }
        for (factory, priority) in &self.priorities {
            plan.prefer(&format!("f{factory}"), *priority)?;
        }
        Ok(Vec::new())
    }
}

const INPUTS: [&str; 2] = ["x", "y"];

impl Case {
    fn name(&self, source: usize) -> String {
        INPUTS.get(source).map_or_else(|| format!("f{}", source - INPUTS.len()), |name| (*name).to_owned())
    }

    /// The kind of each factory and where it takes from. Few take from far away, so that many are the same.
    fn wired(&self) -> Vec<(usize, [usize; 2])> {
        let mut wired: Vec<(usize, [usize; 2])> = Vec::new();
        // Of each source, its last copy.
        let mut last: Vec<usize> = (0..INPUTS.len() + self.nodes.len()).collect();
        for (index, node) in self.nodes.iter().enumerate() {
            let before = index + INPUTS.len();
            let original = node.copies.filter(|_| index > 0).map(|copies| copies.index(index));
            wired.push(match original {
                Some(original) => {
                    let (kind, sources) = wired[original];
                    (kind, sources.map(|source| last[source]))
                }
                None => (node.kind, node.sources.map(|source| source.index(before))),
            });
            if let Some(original) = original {
                last[original + INPUTS.len()] = before;
            }
        }
        wired
    }

    fn pipeline(&self, runs: &Arc<Runs>) -> Pipeline {
        let mut builder = Pipeline::builder("random").input("runs", Arc::clone(runs));
        // A shared delivery takes the type itself.
        builder = builder.input("shared_runs", Runs(AtomicUsize::new(0)));
        for (at, name) in INPUTS.iter().enumerate() {
            builder = builder.named_input(*name, Value(vec![at as u64]));
        }
        let wired = self.wired();
        let mut stages = self.stages.iter().enumerate();
        let mut left = 0;
        for (index, node) in self.nodes.iter().enumerate() {
            if left == 0
                && let Some((at, (factories, barrier, sequential, no_write))) = stages.next()
            {
                left = *factories;
                builder = builder.stage(format!("s{at}"));
                builder = if *barrier { builder.barrier() } else { builder };
                builder = if *sequential { builder.sequential() } else { builder };
                builder = if *no_write { builder.no_write() } else { builder };
            }
            left = left.saturating_sub(1);
            let (kind, [a, b]) = wired[index];
            let (a, b) = (self.name(a), self.name(b));
            let one = |wiring: Wiring| wiring.take("a", a.clone());
            let name = format!("f{index}");
            builder = match kind {
                0 => builder.factory_named::<twice>(name, one),
                1 => builder.factory_named::<later>(name, one),
                2 => builder.factory_named::<both>(name, |wiring| one(wiring).take("b", b)),
                3 => builder.factory_named::<counted>(name, one),
                4 => builder.factory_named::<fresh>(name, one),
                _ => builder.factory_named::<named>(name, one),
            };
            if node.kept {
                builder = builder.keep(format!("f{index}"));
            }
        }
        builder.build().unwrap()
    }

    fn optimizer(&self) -> Optimizer {
        let factories = self.nodes.len();
        let pair = |(a, b): &(prop::sample::Index, prop::sample::Index)| {
            let (a, b) = (a.index(factories), b.index(factories));
            (a != b).then(|| (a.min(b), a.max(b)))
        };
        let orders = self.orders.iter().filter_map(pair).collect();
        let priorities = self.priorities.iter();
        let priorities = priorities.map(|(factory, by)| (factory.index(factories), f64::from(*by))).collect();
        let mut optimizer = Optimizer::new().pass(Orders { orders, priorities });
        let names = Pass::OF_PLANS.map(Pass::name).into_iter().chain(["orders"]);
        for (name, _) in names.clone().zip(&self.passes).filter(|(_, on)| !**on) {
            optimizer = optimizer.without(name);
        }
        if self.reversed { optimizer.first(names.collect::<Vec<_>>().into_iter().rev()) } else { optimizer }
    }

    /// The outputs by name, and how many factories ran.
    async fn outputs(&self, optimizer: Optimizer) -> (Vec<Option<Value>>, usize) {
        let runs = Arc::new(Runs(AtomicUsize::new(0)));
        let mut run = self.pipeline(&runs).run().optimizer(optimizer);
        if let Some(up_to) = self.up_to {
            run = run.up_to_named(&format!("f{}", up_to.index(self.nodes.len())));
        }
        if let Some(concurrency) = self.concurrency {
            run = run.concurrency(concurrency);
        }
        let run = run.await.unwrap();
        let outputs = (0..self.nodes.len()).map(|node| run.find_named::<Value>(&format!("f{node}")).cloned());
        let ran = run.entries().iter().filter(|entry| entry.status == setl::run::Status::Succeeded).count();
        (outputs.collect(), ran)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_subset_of_passes_has_the_same_results(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (expected, all) = runtime.block_on(case.outputs(Optimizer::off()));
        let (found, ran) = runtime.block_on(case.outputs(case.optimizer()));
        prop_assert_eq!(found, expected);
        prop_assert!(ran <= all);
    }
}
