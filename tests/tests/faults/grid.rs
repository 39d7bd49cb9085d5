//! Every fault at every point, under every policy.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::case::{Asked, Case, NodeOf, StageOf};
use super::check::run_and_check;
use super::factories::Kind;
use super::script::{Fault, Point, Role, Script};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A pipeline: of each factory its sources and its stage.
struct Shape {
    name: &'static str,
    nodes: &'static [(&'static [usize], usize)],
    stages: &'static [StageOf],
}

const PLAIN: StageOf = StageOf { barrier: false, sequential: false, no_write: false };

const SHAPES: [Shape; 8] = [
    Shape { name: "single", nodes: &[(&[], 0)], stages: &[PLAIN] },
    Shape { name: "chain", nodes: &[(&[], 0), (&[0], 0), (&[1], 0)], stages: &[PLAIN] },
    Shape { name: "diamond", nodes: &[(&[], 0), (&[0], 0), (&[0], 0), (&[1, 2], 0)], stages: &[PLAIN] },
    Shape { name: "fan-out", nodes: &[(&[], 0), (&[0], 0), (&[0], 0), (&[0], 0)], stages: &[PLAIN] },
    Shape { name: "fan-in", nodes: &[(&[], 0), (&[], 0), (&[0, 1], 0)], stages: &[PLAIN] },
    Shape { name: "branches", nodes: &[(&[], 0), (&[0], 0), (&[], 0), (&[2], 0)], stages: &[PLAIN] },
    Shape {
        name: "barrier",
        nodes: &[(&[], 0), (&[], 0), (&[], 1), (&[0], 1)],
        stages: &[StageOf { barrier: true, ..PLAIN }, PLAIN],
    },
    Shape {
        name: "sequential",
        nodes: &[(&[], 0), (&[], 0), (&[0], 0)],
        stages: &[StageOf { sequential: true, ..PLAIN }],
    },
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

/// Runs all cases in a row, each watched, and gives how many faults they met.
pub fn run_all(cases: Vec<Case>) -> usize {
    let (sender, receiver) = channel();
    let of_worker = cases.clone();
    let worker = std::thread::spawn(move || {
        let single = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let several = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let (single, several) = (single.unwrap(), several.unwrap());
        for case in of_worker {
            let on = if case.threads == 1 { &single } else { &several };
            if sender.send(on.block_on(run_and_check(&case))).is_err() {
                return;
            }
        }
    });
    let mut faults = 0;
    for case in &cases {
        match receiver.recv_timeout(PATIENCE) {
            Ok(met) => faults += met,
            Err(RecvTimeoutError::Timeout) => panic!("a run hangs: {case:#?}"),
            Err(RecvTimeoutError::Disconnected) => {
                eprintln!("in {case:#?}");
                match worker.join() {
                    Err(panic) => std::panic::resume_unwind(panic),
                    Ok(()) => unreachable!("it sends before it ends"),
                }
            }
        }
    }
    faults
}

const POINTS: [Point; 7] =
    [Point::Load, Point::Clone, Point::When, Point::Read, Point::Process, Point::Stage, Point::Write];
const FAULTS: [Fault; 6] =
    [Fault::Error, Fault::Transient, Fault::Reset, Fault::Full, Fault::Panic, Fault::Slow];

/// The ways to run a case.
fn ways(case: Case) -> impl Iterator<Item = Case> {
    let keep_going = Case { keep_going: true, ..case.clone() };
    let partial = Case { keep_going: true, commit_partial: true, optional: true, ..case.clone() };
    let several = Case { threads: 2, ..case.clone() };
    let mut early = Case { concurrency: Some(1), ..case.clone() };
    early.script.early = true;
    [case, keep_going, partial, several, early].into_iter()
}

fn is_timed(kind: Kind) -> bool {
    matches!(kind, Kind::Timed | Kind::TimedRetried | Kind::Total)
}

fn takes_time(kind: Kind) -> bool {
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
            if !takes_time(kind) {
                cases.extend(ways(with(&case, node, vec![Some((point, fault))])));
                continue;
            }
            // Fewer than there are tries, and more.
            for times in [1, 2, 6] {
                let case = with(&case, node, vec![Some((point, fault)); times]);
                cases.push(case.clone());
                cases.push(Case { keep_going: true, commit_partial: times == 1, ..case });
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

#[test]
fn faults_in_tries_of_asynchronous_factories() {
    check(in_tries(false), 0);
}

#[test]
fn faults_in_tries_of_blocking_factories() {
    check(in_tries(true), 0);
}
