//! Every fault at every point, under every policy.

use std::time::Instant;

use super::case::{Asked, Case, NodeOf, StageOf};
use super::factories::Kind;
use super::script::{Fault, Point, Role, Script, Staged};
use super::watch::run_all;

/// A pipeline: of each factory its sources and its stage.
struct Shape {
    nodes: &'static [(&'static [usize], usize)],
    stages: &'static [StageOf],
}

const PLAIN: StageOf = StageOf { barrier: false, sequential: false, no_write: false };

const SHAPES: [Shape; 8] = [
    // single
    Shape { nodes: &[(&[], 0)], stages: &[PLAIN] },
    // chain
    Shape { nodes: &[(&[], 0), (&[0], 0), (&[1], 0)], stages: &[PLAIN] },
    // diamond
    Shape { nodes: &[(&[], 0), (&[0], 0), (&[0], 0), (&[1, 2], 0)], stages: &[PLAIN] },
    // fan-out
    Shape { nodes: &[(&[], 0), (&[0], 0), (&[0], 0), (&[0], 0)], stages: &[PLAIN] },
    // fan-in
    Shape { nodes: &[(&[], 0), (&[], 0), (&[0, 1], 0)], stages: &[PLAIN] },
    // branches
    Shape { nodes: &[(&[], 0), (&[0], 0), (&[], 0), (&[2], 0)], stages: &[PLAIN] },
    // barrier
    Shape {
        nodes: &[(&[], 0), (&[], 0), (&[], 1), (&[0], 1)],
        stages: &[StageOf { barrier: true, ..PLAIN }, PLAIN],
    },
    // sequential
    Shape { nodes: &[(&[], 0), (&[], 0), (&[0], 0)], stages: &[StageOf { sequential: true, ..PLAIN }] },
];

impl Shape {
    fn case(&self, kind: Kind, blocking: bool) -> Case {
        let node = |&(sources, stage): &(&[usize], usize)| NodeOf {
            kind,
            blocking,
            sources: sources.to_vec(),
            stage,
            kept: false,
        };
        Case {
            nodes: self.nodes.iter().map(node).collect(),
            stages: self.stages.to_vec(),
            script: Script::default(),
            optional: false,
            keep_going: false,
            commit_partial: false,
            no_write: false,
            deadline: false,
            concurrency: None,
            asked: Asked::ForAll,
            threads: 1,
        }
    }
}

const POINTS: [Point; 7] =
    [Point::Load, Point::Clone, Point::When, Point::Read, Point::Process, Point::Stage, Point::Write];
const FAULTS: [Fault; 6] =
    [Fault::Error, Fault::Transient, Fault::Reset, Fault::Full, Fault::Panic, Fault::Slow];

/// The case as it is, and in one of the other ways to run it, which take turns.
fn ways(case: Case, turn: usize) -> [Case; 2] {
    let mut other = case.clone();
    match turn % 4 {
        0 => other.keep_going = true,
        1 => (other.commit_partial, other.optional) = (true, true),
        2 => other.threads = 2,
        _ => (other.script.early, other.concurrency) = (true, Some(1)),
    }
    [case, other]
}

pub fn is_timed(kind: Kind) -> bool {
    matches!(kind, Kind::Timed | Kind::TimedRetried | Kind::Total)
}

/// Whether it may wait for another try.
pub fn takes_time(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Plain
            | Kind::Undone
            | Kind::Timed
            | Kind::Skipped
            | Kind::FallsBack
            | Kind::Conditional
            | Kind::Bound
    )
}

/// The case with all of this kind, or of which only one is, where several would depend on who comes first.
fn of_kind(shape: &Shape, kind: Kind, node: usize, blocking: bool) -> Case {
    let alone = kind == Kind::Broken || (blocking && is_timed(kind));
    let mut case = shape.case(if alone { Kind::Undone } else { kind }, blocking);
    case.nodes[node].kind = kind;
    case
}

fn with(case: &Case, node: usize, tries: Vec<Option<(Point, Fault)>>) -> Case {
    let mut case = case.clone();
    case.script.tries.insert((node, Role::Own), tries);
    case
}

/// Whether a factory of this kind can meet this fault at this point.
fn meets(kind: Kind, point: Point, fault: Fault) -> bool {
    match point {
        Point::When => kind == Kind::Conditional,
        Point::Clone => takes_time(kind) && [Fault::Panic, Fault::Slow].contains(&fault),
        _ => fault != Fault::NotDue,
    }
}

/// Every fault in the first tries of every factory.
fn in_tries(blocking: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, node, kind) in every_factory() {
        let case = of_kind(shape, kind, node, blocking);
        for (point, fault) in POINTS.into_iter().flat_map(|point| FAULTS.map(|fault| (point, fault))) {
            if !meets(kind, point, fault) {
                continue;
            }
            let turn = cases.len();
            if !takes_time(kind) {
                let [plain, other] = ways(with(&case, node, vec![Some((point, fault))]), turn);
                if !blocking && turn.is_multiple_of(2) {
                    cases.push(plain);
                }
                cases.push(other);
                continue;
            }
            // Fewer than there are tries, and more.
            for (times, keep_going) in [(1, true), (2, false), (6, turn.is_multiple_of(2))] {
                let case = with(&case, node, vec![Some((point, fault)); times]);
                cases.push(Case { keep_going, commit_partial: times == 1, ..case });
            }
        }
    }
    cases
}

fn every_factory() -> impl Iterator<Item = (&'static Shape, usize, Kind)> {
    let nodes = SHAPES.iter().flat_map(|shape| (0..shape.nodes.len()).map(move |node| (shape, node)));
    nodes.flat_map(|(shape, node)| Kind::ALL.map(|kind| (shape, node, kind)))
}

/// Runs them, and asserts that at least so many faults were met.
fn check(cases: Vec<Case>, at_least: usize) {
    let (begun, count) = (Instant::now(), cases.len());
    let faults = run_all(cases);
    println!("{faults} faults in {count} runs, {:.1} s", begun.elapsed().as_secs_f64());
    assert!(faults >= at_least, "only {faults} faults were met");
}

/// Every fault in the tries of what stands in for others.
fn in_stand_ins() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, node, kind) in every_factory() {
        if !matches!(kind, Kind::FallsBack | Kind::FallsBackRetried) {
            continue;
        }
        for own in [Fault::Reset, Fault::Panic] {
            let case = with(&of_kind(shape, kind, node, false), node, vec![Some((Point::Process, own)); 2]);
            for (point, fault) in POINTS.into_iter().flat_map(|point| FAULTS.map(|fault| (point, fault))) {
                for times in [1, 2] {
                    let mut case = case.clone();
                    case.script.tries.insert((node, Role::StandIn), vec![Some((point, fault)); times]);
                    let commit_partial = times == 2;
                    cases.push(Case { commit_partial, keep_going: own == Fault::Reset, ..case });
                }
            }
        }
    }
    cases
}

const WAITING: [Point; 4] = [Point::Read, Point::Process, Point::Stage, Point::Write];

/// What never ends by itself: until a timeout, or the deadline.
fn hanging() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, node, kind) in every_factory() {
        for (point, blocking) in WAITING.into_iter().flat_map(|point| [(point, false), (point, true)]) {
            let case = of_kind(shape, kind, node, blocking);
            for times in [1, 2, 3, 6] {
                let case = with(&case, node, vec![Some((point, Fault::Hang)); times]);
                if is_timed(kind) {
                    cases.push(Case { keep_going: times == 2, ..case });
                } else if times == 1 {
                    cases.push(Case { deadline: true, keep_going: blocking, ..case });
                }
            }
        }
    }
    cases
}

/// A factory hangs, and would fail later by itself, but another one ends the run before.
fn hanging_beside() -> Vec<Case> {
    let mut cases = Vec::new();
    for (hangs, fails) in [(0, 1), (1, 0)] {
        for (point, blocking) in WAITING.into_iter().flat_map(|point| [(point, false), (point, true)]) {
            for (kind, times) in [(Kind::Timed, 0), (Kind::TimedRetried, 2), (Kind::Total, 5)] {
                let mut case = of_kind(&SHAPES[4], kind, hangs, blocking);
                case.nodes[fails].kind = Kind::Retried;
                for before in 0..=times.min(2) {
                    let mut tries = vec![Some((Point::Read, Fault::Transient)); 6];
                    tries[before] = Some((point, Fault::Hang));
                    for failures in [3, 6] {
                        let case = with(&case, hangs, tries.clone());
                        let case = with(&case, fails, vec![Some((Point::Read, Fault::Reset)); failures]);
                        cases.push(Case { deadline: before == 1, ..case });
                    }
                }
            }
        }
    }
    cases
}

/// The run is cancelled, or dropped, at every point.
fn ending() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, node, kind) in every_factory() {
        for blocking in [false, true] {
            let case = of_kind(shape, kind, node, blocking);
            for point in POINTS {
                let case = with(&case, node, vec![Some((point, Fault::Cancel))]);
                cases.push(case.clone());
                cases.push(Case { threads: 2, ..case.clone() });
                cases.push(Case { commit_partial: true, keep_going: true, ..case });
            }
            for point in WAITING {
                let case = with(&case, node, vec![Some((point, Fault::Drop))]);
                cases.push(case.clone());
                cases.push(Case { threads: 2, ..case });
            }
        }
    }
    cases
}

/// Every fault of staged writes, in runs that succeed and in those that fail.
fn staged() -> Vec<Case> {
    let mut cases = Vec::new();
    let at = [Staged::Prepare, Staged::Commit, Staged::Rollback];
    for (shape, node, kind) in every_factory() {
        let case = of_kind(shape, kind, node, kind == Kind::Undone);
        for (staged, fault) in at.into_iter().flat_map(|at| FAULTS.map(|fault| (at, fault))) {
            let mut case = case.clone();
            case.script.staged.insert(node, (staged, fault));
            if staged == Staged::Rollback {
                // Its own try fails, or that of the last.
                cases.push(with(&case, node, vec![Some((Point::Write, Fault::Reset))]));
                cases.push(with(&case, shape.nodes.len() - 1, vec![Some((Point::Write, Fault::Panic)); 6]));
            } else {
                cases.push(case.clone());
                cases.push(Case { keep_going: true, ..case.clone() });
                case.script.early = true;
                cases.push(Case { threads: 2, ..case });
            }
        }
        if kind != Kind::Conditional {
            for staged in [Staged::Prepare, Staged::Commit] {
                let mut case = case.clone();
                case.script.staged.insert(node, (staged, Fault::Drop));
                cases.push(case);
            }
        }
    }
    cases
}

/// Every fault while writes are undone.
fn undoing() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, node, kind) in every_factory() {
        for blocking in [false, true] {
            let case = of_kind(shape, kind, node, blocking);
            for fault in FAULTS.into_iter().chain([Fault::Drop]) {
                let mut case = case.clone();
                case.script.undo.insert(node, fault);
                let mut refused = case.clone();
                refused.script.staged.insert(shape.nodes.len() - 1, (Staged::Prepare, Fault::Full));
                if fault != Fault::Drop {
                    cases.push(Case { threads: 2, ..refused.clone() });
                    cases.push(refused);
                }
                cases.push(with(&case, shape.nodes.len() - 1, vec![Some((Point::Stage, Fault::Panic)); 6]));
            }
        }
    }
    cases
}

/// Faults in runs of some of the factories, in dry runs, and where a factory is left out.
fn in_part() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, node, kind) in every_factory() {
        let last = shape.nodes.len() - 1;
        let asked = [
            Asked::Only(vec![node]),
            Asked::Only(vec![0, last]),
            Asked::UpTo(node),
            Asked::From(node),
            Asked::Between(0, node),
            Asked::Between(node, last),
        ];
        let case = of_kind(shape, kind, node, node == 1);
        for (at, asked) in asked.into_iter().enumerate() {
            for fault in [Fault::Error, Fault::Reset, Fault::Panic, Fault::Slow] {
                let case = with(&case, node, vec![Some((Point::Process, fault)); 2]);
                let case = Case { asked: asked.clone(), optional: fault != Fault::Error, ..case };
                cases.push(Case { keep_going: at % 2 == 0, ..case });
            }
        }
        for point in POINTS {
            cases.push(Case { no_write: true, ..with(&case, node, vec![Some((point, Fault::Full))]) });
            let mut early = with(&case, node, vec![Some((point, Fault::Error))]);
            early.script.early = true;
            cases.push(Case { no_write: true, keep_going: true, ..early });
        }
        cases.push(with(&case, node, vec![Some((Point::When, Fault::NotDue))]));
        let mut dry = with(&case, node, vec![Some((Point::Write, Fault::Error))]);
        dry.stages[0] = StageOf { no_write: true, ..dry.stages[0] };
        cases.push(dry);
    }
    cases
}

#[test]
fn faults_in_tries_of_asynchronous_factories() {
    check(in_tries(false), 30_000);
}

#[test]
fn faults_in_tries_of_blocking_factories() {
    check(in_tries(true), 20_000);
}

#[test]
fn faults_in_what_stands_in_for_others() {
    check(in_stand_ins(), 15_000);
}

#[test]
fn factories_that_hang() {
    check(hanging(), 6_000);
}

#[test]
fn factories_that_hang_while_another_one_fails() {
    check(hanging_beside(), 200);
}

#[test]
fn runs_that_are_cancelled_and_dropped() {
    check(ending(), 15_000);
}

#[test]
fn faults_in_staged_writes() {
    check(staged(), 15_000);
}

#[test]
fn faults_while_writes_are_undone() {
    check(undoing(), 15_000);
}

#[test]
fn faults_in_runs_in_part_and_in_dry_runs() {
    check(in_part(), 10_000);
}
