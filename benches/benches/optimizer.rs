//! What it costs to optimise the plan of a pipeline before a run: the plan as a graph, all passes, and what they explain.
//!
//! Pipelines are put together at run time, since there the optimiser has most to do. Every result is checked.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use setl::RunBuilder;
use setl::optimize::{Explanation, FactoryRecord, History, Learning, RunRecord};
use setl::plan::dynamic::Wiring;
use setl::prelude::*;
use setl_benches::shape::{Random, Shape};
use setl_benches::stats::{median, table};

/// How many runs the history has.
const RUNS: usize = 5;

fn main() {
    let rounds = rounds();
    let mut rows = Vec::new();
    for factories in [20, 1000] {
        for (what, copies) in [("nothing is the same", 1), ("all is there twice", 2)] {
            let directory = std::env::temp_dir().join(format!("setl-bench-optimizer-{}", std::process::id()));
            std::fs::create_dir_all(&directory).expect("a directory can be made");
            let history = directory.join("history.sqlite");
            let nodes = factories / copies;
            let takes = Shape::layered("", "", nodes, nodes.div_ceil(40).max(4), Random::new(7)).takes;
            record(&history, factories);
            let passes = times(
                rounds,
                || explained(&takes, copies, None),
                |explanation| {
                    check(explanation, factories, copies);
                },
            );
            let with_history = times(
                rounds.div_ceil(10),
                || explained(&takes, copies, Some(&history)),
                |explanation| {
                    check(explanation, factories, copies);
                    assert!(explanation.prediction().is_some(), "the history is read");
                },
            );
            let ms = |times: Vec<f64>| format!("{:.3}", 1e3 * median(times));
            rows.push(vec![factories.to_string(), what.to_owned(), ms(passes), ms(with_history)]);
            std::fs::remove_dir_all(directory).expect("the directory can be removed");
        }
    }
    let header = ["factories", "of which", "passes, ms", "with the history read and a prediction, ms"];
    // Numbers are on the right, which the second column is not.
    println!("{}", table(&header, &rows));
}

fn explained(takes: &[Vec<usize>], copies: usize, history: Option<&Path>) -> RunBuilder<Pipeline> {
    let run = pipeline(takes, copies).run();
    match history {
        Some(path) => run.learn(Learning::new().at(path)),
        None => run,
    }
}

fn check(explanation: &Explanation, factories: usize, copies: usize) {
    assert_eq!(explanation.before().factories().len(), factories);
    let run = explanation.after().factories().filter(|factory| factory.runs()).count();
    assert_eq!(run, factories / copies, "of what is the same, one runs");
}

/// Seconds for each explanation. To put the pipeline together is not timed.
fn times(
    rounds: usize,
    prepare: impl Fn() -> RunBuilder<Pipeline>,
    check: impl Fn(&Explanation),
) -> Vec<f64> {
    let one = |_| {
        let run = prepare();
        let started = Instant::now();
        let explanation = black_box(run.explain().expect("nothing is wrong"));
        let took = started.elapsed().as_secs_f64();
        check(&explanation);
        took
    };
    (0..rounds + 1).map(one).skip(1).collect()
}

#[factory]
fn none(seed: u64) -> u64 {
    seed
}

#[factory]
fn two(a: u64, b: u64) -> u64 {
    a.wrapping_add(b)
}

#[factory]
fn three(a: u64, b: u64, c: u64) -> u64 {
    a.wrapping_add(b).wrapping_add(c)
}

/// Each node `copies` times; with an input for each, so that no two nodes are the same otherwise.
fn pipeline(takes: &[Vec<usize>], copies: usize) -> Pipeline {
    let mut builder = Pipeline::builder("layered").stage("all");
    for node in 0..takes.len() {
        builder = builder.named_input(format!("seed {node}"), node as u64);
    }
    for (node, from) in takes.iter().enumerate() {
        for copy in 0..copies {
            let wire = |wiring: Wiring| {
                let mut wiring = wiring;
                for (name, from) in ["a", "b", "c"].iter().zip(from.iter().take(2)) {
                    wiring = wiring.take(*name, format!("{from} ({copy})"));
                }
                // The last delivery tells the nodes apart.
                let last = ["seed", "b", "c"][from.len().min(2)];
                wiring.take(last, format!("seed {node}"))
            };
            let name = format!("{node} ({copy})");
            builder = match from.len() {
                0 => builder.factory_named::<none>(name, wire),
                1 => builder.factory_named::<two>(name, wire),
                _ => builder.factory_named::<three>(name, wire),
            };
        }
    }
    builder.build().expect("all is wired")
}

/// Runs of whichever pipeline has so many factories.
fn record(path: &Path, factories: usize) {
    let history = History::open(path).expect("a history can be made");
    for number in 0..RUNS {
        let mut run = RunRecord::new(number.to_string(), "layered", SystemTime::UNIX_EPOCH);
        for node in 0..factories {
            for copy in 0..2 {
                let wall = Duration::from_millis(1 + ((node * 7 + number) % 13) as u64);
                run.factories.push(FactoryRecord::new(format!("{node} ({copy})"), "", wall));
            }
        }
        run.succeeded = true;
        run.makespan = Duration::from_millis(factories as u64);
        run.workers = 2;
        history.record(&run).expect("a run can be recorded");
    }
}

/// `--rounds 100`; what cargo adds for its own harness is left alone.
fn rounds() -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--rounds").skip(1);
    match arguments.next() {
        Some(rounds) => rounds.parse().expect("--rounds takes a number"),
        None => 100,
    }
}
