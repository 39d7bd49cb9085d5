//! What it costs to run a node of a graph, apart from the node's own work.
//!
//! The contenders take turns in one process, round by round, on one multi-threaded tokio runtime with its default number
//! of workers, under `block_on`, as under `#[tokio::main]`. Every result is checked.

#[path = "overhead/by_dagrs.rs"]
mod by_dagrs;
#[path = "overhead/by_dagx.rs"]
mod by_dagx;
#[path = "overhead/by_hand.rs"]
mod by_hand;
#[path = "overhead/by_setl.rs"]
mod by_setl;
#[path = "overhead/measure.rs"]
mod measure;

use measure::{Contender, Figures};
use setl_benches::shape::Shape;
use setl_benches::stats::{median, ratio, table};

/// How long all repetitions of one contender in one round take, about.
const ROUND_SECONDS: f64 = 0.02;

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let mut shapes = Shape::with_pipelines();
    shapes.insert(4, Shape::independent("independent (10,000)", "independent_10000", 10_000));
    let mut with_build = Vec::new();
    let mut run_only = Vec::new();
    for shape in shapes {
        if options.only.as_ref().is_some_and(|only| !shape.ident.contains(only)) {
            continue;
        }
        let contenders = contenders(&shape);
        let figures = measure::all(&runtime, &contenders, &shape, options.rounds, ROUND_SECONDS);
        with_build.push(row(&shape, &contenders, &figures, |figures| &figures.total));
        run_only.push(row(&shape, &contenders, &figures, |figures| &figures.run));
    }
    let header =
        ["shape", "by hand", "setl", "dagx", "dagrs", "setl / by hand", "setl / dagx", "setl / dagrs"];
    println!("Building the graph and running it, in ns for each node:\n\n{}", table(&header, &with_build));
    println!("Running it, once it is built, in ns for each node:\n\n{}", table(&header, &run_only));
    println!("¹ A `Pipeline` that is put together at run time; all others of setl are a `#[pipeline]`.");
}

/// In the order of the columns.
fn contenders(shape: &Shape) -> Vec<Contender> {
    vec![
        by_hand::contender(shape),
        by_setl::contender(shape),
        by_dagx::contender(shape),
        by_dagrs::contender(shape),
    ]
}

fn row(
    shape: &Shape,
    contenders: &[Contender],
    figures: &[Figures],
    which: impl Fn(&Figures) -> &Vec<f64>,
) -> Vec<String> {
    let [hand, setl, dagx, dagrs] = [0, 1, 2, 3].map(|at| which(&figures[at]));
    let mut row = vec![shape.name.to_owned()];
    for (contender, values) in contenders.iter().zip([hand, setl, dagx, dagrs]) {
        row.push(format!("{:.0}{}", median(values.clone()), contender.remark));
    }
    for other in [hand, dagx, dagrs] {
        row.push(format!("{:.2}", ratio(setl, other)));
    }
    row
}

struct Options {
    rounds: usize,
    only: Option<String>,
}

impl Options {
    /// `--rounds 100` and the part of a shape's name; what cargo adds for its own harness is left alone.
    fn parse() -> Self {
        let mut options = Self { rounds: 60, only: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--rounds" => {
                    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok());
                    options.rounds = rounds.expect("--rounds takes a number");
                }
                other if other.starts_with("--") => {}
                _ => options.only = Some(argument),
            }
        }
        options
    }
}
