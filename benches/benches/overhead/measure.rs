//! Times contenders in turns.

use std::time::{Duration, Instant};

use setl_benches::shape::Shape;
use tokio::runtime::Runtime;

/// One way to run a shape.
pub struct Contender {
    /// Stands behind its figures.
    pub remark: &'static str,
    /// Builds and runs the graph so many times, and checks each result.
    repeat: Box<Repeat>,
}

type Repeat = dyn Fn(&Runtime, usize) -> Sample;

/// What some repetitions took.
#[derive(Default)]
struct Sample {
    build: Duration,
    run: Duration,
}

/// In ns for each node, one for each round.
#[derive(Default)]
pub struct Figures {
    pub total: Vec<f64>,
    pub run: Vec<f64>,
}

impl Contender {
    /// `build` makes what a run uses up, `run` runs it and gives back its outputs, `sum` adds them up.
    ///
    /// Time is taken of the first two. Outputs are read and dropped after the clock has stopped, since the contenders
    /// keep different amounts of them.
    pub fn new<B: 'static, O: 'static>(
        shape: &Shape,
        build: impl Fn() -> B + 'static,
        run: impl AsyncFn(B) -> O + 'static,
        sum: impl Fn(&O) -> u64 + 'static,
    ) -> Self {
        let expected = shape.expected();
        let repeat = move |runtime: &Runtime, times: usize| {
            runtime.block_on(async {
                let mut sample = Sample::default();
                for _ in 0..times {
                    let start = Instant::now();
                    let built = build();
                    let ready = Instant::now();
                    let outputs = run(built).await;
                    let end = Instant::now();
                    sample.build += ready - start;
                    sample.run += end - ready;
                    assert_eq!(sum(&outputs), expected, "every contender comes to the same result");
                }
                sample
            })
        };
        Self { remark: "", repeat: Box::new(repeat) }
    }

    /// Adds a mark for a note under the table.
    pub fn remark(mut self, remark: &'static str) -> Self {
        self.remark = remark;
        self
    }
}

/// Lets the contenders take turns, each round in another order, with about `seconds` for each turn.
pub fn all(
    runtime: &Runtime,
    contenders: &[Contender],
    shape: &Shape,
    rounds: usize,
    seconds: f64,
) -> Vec<Figures> {
    let times: Vec<usize> = contenders
        .iter()
        .map(|contender| {
            (contender.repeat)(runtime, 1);
            let start = Instant::now();
            (contender.repeat)(runtime, 1);
            ((seconds / start.elapsed().as_secs_f64()) as usize).clamp(1, 2_000)
        })
        .collect();
    let mut figures: Vec<Figures> = contenders.iter().map(|_| Figures::default()).collect();
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            let sample = (contenders[at].repeat)(runtime, times[at]);
            let nodes = (times[at] * shape.takes.len()) as f64;
            figures[at].run.push(sample.run.as_secs_f64() * 1e9 / nodes);
            figures[at].total.push((sample.build + sample.run).as_secs_f64() * 1e9 / nodes);
        }
    }
    figures
}
