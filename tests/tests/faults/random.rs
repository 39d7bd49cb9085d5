//! Random pipelines with random faults under random policies, beyond the grid.

use proptest::prelude::*;

use super::case::{Asked, Case, NodeOf, StageOf};
use super::factories::Kind;
use super::grid::{is_timed, takes_time};
use super::script::{Fault, Point, Role, Script, Staged, Tries};
use super::watch::run_all;

fn point() -> impl Strategy<Value = Point> {
    prop::sample::select(vec![
        Point::Load,
        Point::Clone,
        Point::When,
        Point::Read,
        Point::Process,
        Point::Stage,
        Point::Write,
    ])
}

fn fault() -> impl Strategy<Value = Fault> {
    let errors = vec![Fault::Error, Fault::Transient, Fault::Reset, Fault::Full];
    prop_oneof![
        8 => prop::sample::select(errors),
        2 => Just(Fault::Panic),
        2 => Just(Fault::Slow),
        2 => Just(Fault::Hang),
        1 => Just(Fault::Cancel),
        1 => Just(Fault::Drop),
        1 => Just(Fault::NotDue),
    ]
}

fn tries() -> impl Strategy<Value = Tries> {
    prop_oneof![
        3 => Just(Vec::new()),
        2 => prop::collection::vec(prop::option::weighted(0.8, (point(), fault())), 1..4),
        1 => (point(), fault()).prop_map(|fault| vec![Some(fault); 6]),
    ]
}

/// Each takes up to two of those before it.
fn nodes() -> impl Strategy<Value = Vec<NodeOf>> {
    let picks = prop::collection::vec(any::<prop::sample::Index>(), 0..=2);
    let node = (
        prop::sample::select(Kind::ALL.to_vec()),
        prop::bool::weighted(0.3),
        picks,
        any::<bool>(),
        0..3usize,
    );
    prop::collection::vec(node, 1..9).prop_map(|drafts| {
        let (mut nodes, mut stage) = (Vec::<NodeOf>::new(), 0);
        for (index, (kind, blocking, picks, kept, step)) in drafts.into_iter().enumerate() {
            let mut sources: Vec<_> =
                picks.iter().filter(|_| index > 0).map(|pick| pick.index(index.max(1))).collect();
            sources.dedup();
            stage = (stage + usize::from(step == 0)).min(2);
            nodes.push(NodeOf { kind, blocking, sources, stage, kept });
        }
        nodes
    })
}

fn stages() -> impl Strategy<Value = Vec<StageOf>> {
    let stage = (prop::bool::weighted(0.3), prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    let stage = stage.prop_map(|(barrier, sequential, no_write)| StageOf { barrier, sequential, no_write });
    prop::collection::vec(stage, 3)
}

fn script() -> impl Strategy<Value = Script> {
    let role = prop_oneof![3 => Just(Role::Own), 1 => Just(Role::StandIn)];
    let at = prop::sample::select(vec![Staged::Prepare, Staged::Commit, Staged::Rollback]);
    (
        prop::collection::btree_map((0..8usize, role), tries(), 0..5),
        prop::collection::btree_map(0..8usize, (at, fault()), 0..2),
        prop::collection::btree_map(0..8usize, fault(), 0..3),
        any::<bool>(),
    )
        .prop_map(|(tries, staged, undo, early)| Script { tries, staged, undo, early })
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        8 => Just(Asked::ForAll),
        1 => prop::collection::vec(0..8usize, 1..4).prop_map(Asked::Only),
        1 => (0..8usize).prop_map(Asked::UpTo),
        1 => (0..8usize).prop_map(Asked::From),
        1 => (0..8usize, 0..8usize).prop_map(|(first, last)| Asked::Between(first, last)),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let flags = [0.2, 0.4, 0.2, 0.1, 0.2].map(prop::bool::weighted);
    (nodes(), stages(), script(), flags, prop::option::weighted(0.3, 1..4usize), asked(), 1..=2usize)
        .prop_map(|(nodes, stages, script, flags, concurrency, asked, threads)| {
            let [optional, keep_going, commit_partial, no_write, deadline] = flags;
            let mut case = Case {
                nodes,
                stages,
                script,
                optional,
                keep_going,
                commit_partial,
                no_write,
                deadline,
                concurrency,
                asked,
                threads,
            };
            case.make_sense();
            case
        })
}

impl Case {
    /// Leaves out what would depend on who comes first, or would never end.
    fn make_sense(&mut self) {
        let count = self.nodes.len();
        // Time passes by itself only on one thread.
        self.deadline &= self.threads == 1;
        for node in &mut self.nodes {
            if self.threads > 1 && takes_time(node.kind) {
                node.kind = Kind::Undone;
            }
        }
        let mut broken = self.nodes.iter_mut().filter(|node| node.kind == Kind::Broken).skip(1);
        broken.by_ref().for_each(|node| node.kind = Kind::FallsBack);
        // While a thread is blocked, time passes for all.
        let hangs = |case: &Case, node: usize| {
            let of = case.script.tries.iter().filter(|((of, _), _)| *of == node);
            of.flat_map(|(_, tries)| tries).flatten().any(|(_, fault)| *fault == Fault::Hang)
        };
        let blocked = (0..count).find(|node| self.nodes[*node].blocking && hangs(self, *node));
        if let Some(blocked) = blocked {
            for node in (0..count).filter(|node| *node != blocked) {
                // How long a breaker stays open is a time, too.
                if is_timed(self.nodes[node].kind) || self.nodes[node].kind == Kind::Broken {
                    self.nodes[node].kind = Kind::Skipped;
                }
            }
        }
        let single = self.threads == 1;
        for (&(node, role), tries) in &mut self.script.tries {
            let Some(of) = self.nodes.get(node) else { continue };
            let ends = self.deadline || (single && is_timed(of.kind) && role == Role::Own);
            let several = of.blocking && Some(node) != blocked;
            for (_, fault) in tries.iter_mut().flatten() {
                if *fault == Fault::Hang && (!ends || several) {
                    *fault = Fault::Slow;
                }
            }
        }
        let clamp = |node: &mut usize| *node = (*node).min(count - 1);
        match &mut self.asked {
            Asked::ForAll => {}
            Asked::Only(only) => only.iter_mut().for_each(clamp),
            Asked::UpTo(node) | Asked::From(node) => clamp(node),
            Asked::Between(first, last) => {
                clamp(first);
                clamp(last);
            }
        }
        self.script.tries.retain(|(node, _), _| *node < count);
        self.script.staged.retain(|node, _| *node < count);
        self.script.undo.retain(|node, _| *node < count);
        for (_, fault) in self.script.staged.values_mut() {
            if matches!(fault, Fault::Hang | Fault::Cancel | Fault::NotDue | Fault::Drop) {
                *fault = Fault::Full;
            }
        }
        for fault in self.script.undo.values_mut() {
            if matches!(fault, Fault::Hang | Fault::Cancel | Fault::NotDue | Fault::Drop) {
                *fault = Fault::Slow;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 5_000,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_run_does_what_the_model_does(case in case()) {
        run_all(vec![case]);
    }
}
