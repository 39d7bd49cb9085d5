//! The uncertainty of the makespan: many simulations with random times.

use fastrand::Rng;

use super::{Bench, Costs, Graph};
use crate::model::{Interval, LEVEL, MOST, StudentT, normal_draw};

/// The number of simulations for an interval of the makespan. Its ends are then within about 2 % of their nominal ranks.
pub const DRAWS: usize = 400;

/// A fixed seed, so that equal histories give equal predictions.
const SEED: u64 = 0x5e71;

/// The distributions for the nodes of a plan, for [`spread`].
pub(crate) struct Spread<'spread> {
    /// The distribution of the logarithm of each factory's seconds. `None` for a factory that takes no time of its own.
    pub(crate) seconds: &'spread [Option<StudentT>],
    /// The distribution of the logarithm of one plus the bytes of each output.
    pub(crate) bytes: &'spread [Option<StudentT>],
    pub(crate) priorities: &'spread [f64],
    /// The standard deviation of the common factor that makes all factories of a run slower or faster, as a logarithm.
    pub(crate) common: f64,
    /// The distribution of the logarithm of the makespan over that of the simulation.
    pub(crate) overhead: StudentT,
}

/// The makespan, and the maximum size of the outputs in memory, each as an interval.
pub(crate) fn spread(graph: &Graph, workers: usize, known: &Spread<'_>) -> (Interval, Interval) {
    let mut random = Rng::with_seed(SEED);
    let mut bench = Bench::new(graph, workers);
    let (mut seconds, mut bytes) = (vec![0.0; known.seconds.len()], vec![0.0; known.bytes.len()]);
    let mut makespans = Vec::with_capacity(DRAWS);
    let mut peaks = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        let together = normal_draw(&mut random);
        for (seconds, of_one) in seconds.iter_mut().zip(known.seconds) {
            *seconds = of_one.map_or(0.0, |of_one| {
                // The common factor is part of the variation of each factory.
                let common = known.common.min(of_one.scale * 0.95);
                let scale = (of_one.scale * of_one.scale - common * common).sqrt();
                (StudentT { scale, ..of_one }.draw(&mut random) + common * together).exp()
            });
        }
        for (bytes, of_one) in bytes.iter_mut().zip(known.bytes) {
            *bytes = of_one.map_or(0.0, |of_one| of_one.draw(&mut random).exp_m1().max(0.0));
        }
        let costs = Costs { seconds: &seconds, priorities: known.priorities, bytes: &bytes };
        bench.run(graph, costs);
        makespans.push(bench.makespan * known.overhead.draw(&mut random).exp());
        peaks.push(bench.peak);
    }
    (interval(makespans), interval(peaks))
}

/// The interval of values that are equally likely.
fn interval(mut values: Vec<f64>) -> Interval {
    values.sort_unstable_by(f64::total_cmp);
    let at = |chance: f64| {
        let rank = (chance * (values.len() - 1) as f64).round() as usize;
        values.get(rank).copied().unwrap_or(0.0).min(MOST)
    };
    let low = (1.0 - LEVEL) / 2.0;
    Interval { low: at(low), median: at(0.5), high: at(1.0 - low) }
}
