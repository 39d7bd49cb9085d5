//! Models learn from samples whose law is known.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use fastrand::Rng;
use proptest::prelude::*;

use super::*;

/// `constant · size^slope`, with noise.
struct Law {
    constant: f64,
    slope: f64,
    noise: f64,
    /// The ratio of the largest size to the middle one.
    spread: f64,
}

impl Law {
    fn sample(&self, random: &mut Rng) -> Sample {
        let size = 1e6 * self.spread.powf(2.0 * random.f64() - 1.0);
        let noise = (self.noise * normal_draw(random)).exp();
        Sample { value: self.constant * size.powf(self.slope) * noise, size: Some(size), current: true }
    }

    fn samples(&self, count: usize, random: &mut Rng) -> Vec<Sample> {
        (0..count).map(|_| self.sample(random)).collect()
    }

    fn model(&self, count: usize, random: &mut Rng) -> Model {
        Model::fit(Quantity::Wall, Unit::Rows, &self.samples(count, random))
    }
}

fn wall(samples: &[Sample]) -> Model {
    Model::fit(Quantity::Wall, Unit::Rows, samples)
}

fn sample(value: f64, size: Option<f64>) -> Sample {
    Sample { value, size, current: true }
}

#[test]
fn known_coefficients_are_found() {
    let mut random = Rng::with_seed(1);
    for slope in [0.0, 0.5, 1.0, 1.7] {
        let law = Law { constant: 1e-6, slope, noise: 0.1, spread: 30.0 };
        let model = law.model(200, &mut random);
        assert!((model.slope() - slope).abs() < 0.05, "{slope}: {}", model.slope());
        assert!((model.noise() - 0.1).abs() < 0.04, "{}", model.noise());
        let at_usual = model.predict(Some(1e6)).median / (1e-6 * 1e6_f64.powf(slope));
        assert!((at_usual - 1.0).abs() < 0.1, "{slope}: {at_usual}");
    }
}

/// The share of next values that lie in the interval.
fn coverage(law: &Law, count: usize) -> f64 {
    let mut random = Rng::with_seed(count as u64);
    let rounds = 2000;
    let inside = (0..rounds).filter(|_| {
        let model = law.model(count, &mut random);
        let next = law.sample(&mut random);
        model.predict(next.size).interval().contains(next.value)
    });
    inside.count() as f64 / f64::from(rounds)
}

#[test]
fn nine_in_ten_are_in_the_interval() {
    for (noise, counts) in
        [(0.15, &[10, 30, 100][..]), (0.2, &[5, 10, 30]), (0.3, &[3, 5, 10, 30, 100]), (0.6, &[10, 30, 100])]
    {
        for slope in [0.8, 1.0, 1.1] {
            for count in counts {
                let found = coverage(&Law { constant: 1e-6, slope, noise, spread: 3.0 }, *count);
                assert!((0.85..=0.95).contains(&found), "noise {noise}, slope {slope}, {count}: {found}");
            }
        }
    }
}

#[test]
fn with_little_noise_and_few_samples_an_interval_is_rather_too_wide() {
    let law = Law { constant: 1e-6, slope: 1.0, noise: 0.02, spread: 3.0 };
    assert!([2, 5, 10].iter().all(|count| coverage(&law, *count) > 0.9));
}

#[test]
fn more_samples_make_it_narrower() {
    let mut random = Rng::with_seed(3);
    let law = Law { constant: 1e-6, slope: 1.0, noise: 0.1, spread: 3.0 };
    let width = |count: usize, random: &mut Rng| {
        // The average counts, since a few samples may be close together by chance.
        let models = (0..50).map(|_| law.model(count, random).predict(Some(1e6)));
        models.map(|Estimate { low, high, .. }| high / low).sum::<f64>() / 50.0
    };
    let widths = [0, 1, 3, 10, 100].map(|count| width(count, &mut random));
    assert!(widths.is_sorted_by(|wider, narrower| wider > narrower), "{widths:?}");
    assert!(widths[0] > 500.0 && widths[1] < 50.0 && widths[4] < 1.5, "{widths:?}");
}

#[test]
fn with_one_sample_time_grows_as_the_size() {
    let model = wall(&[sample(2.0, Some(1e6))]);
    let estimates = [1e6, 1e7].map(|size| model.predict(Some(size)));
    assert!((estimates[0].median - 2.0).abs() < 1e-6 && (estimates[1].median - 20.0).abs() < 1e-3);
    assert!(estimates[1].high / estimates[1].low > estimates[0].high / estimates[0].low, "further away");
    assert_eq!(estimates[0].basis, Basis::Observed(1));
}

#[test]
fn without_sizes_there_is_one_usual_time() {
    let samples = [1.0, 1.1, 0.9, 1.0].map(|value| sample(value, None));
    let model = wall(&samples);
    assert_eq!(model.predict(None), model.predict(Some(1e9)));
    assert!((model.predict(None).median - 1.0).abs() < 0.02);
    let some = [sample(1.0, Some(1e6)), sample(1.0, None), sample(10.0, Some(1e7))];
    assert!((wall(&some).slope() - 1.0).abs() < 0.1, "the one in between is taken for a usual size");
}

#[test]
fn other_code_lends_what_it_knows_and_is_forgotten() {
    let mut random = Rng::with_seed(4);
    let law = Law { constant: 1e-3, slope: 0.5, noise: 0.1, spread: 10.0 };
    let mut samples = law.samples(40, &mut random);
    samples.iter_mut().for_each(|sample| sample.current = false);
    let (lent, own) = (wall(&samples), law.model(40, &mut random));
    let (of_lent, of_own) = (lent.predict(Some(1e6)), own.predict(Some(1e6)));
    assert_eq!(of_lent.basis, Basis::Prior);
    assert!((of_lent.median - 1.0).abs() < 0.1);
    assert!(of_lent.high > 3.0 * of_own.high, "{of_lent:?}");
    let of_none = wall(&[]).predict(Some(1e6));
    assert!(of_lent.high / of_lent.low < of_none.high / of_none.low);
    // The new code takes ten times as long: one measurement decides, and the slope stays.
    samples.push(sample(10.0, Some(1e6)));
    let model = wall(&samples);
    assert!((model.predict(Some(1e6)).median - 10.0).abs() < 0.01);
    assert!((model.slope() - 0.5).abs() < 0.05);
}

#[test]
fn what_is_old_counts_less() {
    let mut samples = vec![sample(1.0, None); 100];
    samples.extend(vec![sample(2.0, None); 60]);
    let median = wall(&samples).predict(None).median;
    assert!((1.8..2.0).contains(&median), "{median}");
    assert!((forgotten(20) - 0.5).abs() < 1e-12);
}

#[test]
fn what_comes_out_may_be_nothing() {
    let samples: Vec<_> = (1..=10).map(|day| sample(0.0, Some(1000.0 * f64::from(day)))).collect();
    let model = Model::fit(Quantity::RowsOut, Unit::Rows, &samples);
    let estimate = model.predict(Some(5000.0));
    assert!(estimate.median < 5.0 && estimate.low == 0.0, "{estimate:?}");
    let tenth: Vec<_> =
        (1..=10).map(|day| sample(1e4 * f64::from(day), Some(1e5 * f64::from(day)))).collect();
    let estimate = Model::fit(Quantity::BytesOut, Unit::Bytes, &tenth).predict(Some(2e6));
    assert!((estimate.median / 2e5 - 1.0).abs() < 0.01, "{estimate:?}");
}

proptest! {
    #[test]
    fn whatever_is_measured_gives_a_proper_interval(
        values in prop::collection::vec((0.0..1e12f64, prop::option::of(0.0..1e15f64), any::<bool>()), 0..40),
        size in prop::option::of(0.0..1e15f64),
    ) {
        let samples: Vec<_> =
            values.into_iter().map(|(value, size, current)| Sample { value, size, current }).collect();
        let model = wall(&samples);
        let predictive = model.predictive(size);
        prop_assert!(predictive.location.is_finite() && predictive.scale > 0.0 && predictive.scale.is_finite());
        let Estimate { low, median, high, .. } = model.predict(size);
        prop_assert!(low <= median && median <= high, "{low} {median} {high}");
    }

    #[test]
    fn measurements_one_by_one_solve_the_normal_equations(
        points in prop::collection::vec((-10.0..10.0f64, -5.0..5.0f64, 0.01..1.0f64), 1..30),
        constant_weight in 0.01..2.0f64,
    ) {
        let belief = Belief { constant: 0.5, constant_weight, slope: 1.0, slope_weight: 0.3, shape: 1.0, rate: 0.2 };
        let points = points.into_iter().map(|(x, y, weight)| Point { x, y, weight }).collect::<Vec<_>>();
        let posterior = Posterior::fit(belief, points.iter().copied());
        let [constant, slope] = posterior.coefficients();
        // The derivatives of the sum of squares that the coefficients minimise, and the sum itself.
        let error = |p: &Point| p.weight * (p.y - constant - slope * p.x);
        let by_constant = constant_weight * (0.5 - constant) + points.iter().map(error).sum::<f64>();
        let by_slope = 0.3 * (1.0 - slope) + points.iter().map(|p| error(p) * p.x).sum::<f64>();
        prop_assert!(by_constant.abs() < 1e-8 && by_slope.abs() < 1e-8, "{by_constant} {by_slope}");
        let squares = constant_weight * (0.5 - constant).powi(2)
            + 0.3 * (1.0 - slope).powi(2)
            + points.iter().map(|p| error(p) * (p.y - constant - slope * p.x)).sum::<f64>();
        let weight: f64 = points.iter().map(|p| p.weight).sum();
        let noise = (0.2 + squares / 2.0) / (1.0 + weight / 2.0);
        prop_assert!((posterior.noise() - noise).abs() < 1e-8 * noise.max(1.0));
    }
}
