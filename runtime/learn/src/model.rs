//! One quantity of one factory as a function of its input size: a Bayesian linear regression of logarithms.
//!
//! With `t` the wall time in seconds and `s` the bytes or rows of the input,
//!
//! ```text
//! ln t = constant + slope · (ln(1 + s) − centre) + noise,    noise ~ Normal(0, σ²)
//! ```
//!
//! so a slope of 1 is a time in proportion to the size, which is the assumption until measurements contradict it. `centre` is the
//! mean of `ln(1 + s)` over the measurements, so that the constant is the time at a usual size. Rows and bytes of the output, and
//! the peak memory, have the same model with `ln(1 + v)` on the left.
//!
//! Constant, slope and σ² have a normal-inverse-gamma prior, which measurements turn into a posterior of the same form. The next
//! measurement then has Student's t distribution: with few measurements its tails are heavy, with many it is normal. Formulas:
//! Murphy, *Machine Learning* (2012), section 7.6.3, equations 7.70 to 7.76; also Bishop, *Pattern Recognition and Machine
//! Learning* (2006), section 3.3. The figures of the prior:
//!
//! | of | is |
//! |---|---|
//! | σ² | inverse gamma with shape 0.75 and rate 0.03: noise of about 20 %, worth 1.5 measurements |
//! | slope | normal with mean 1, worth 0.2 measurements at a size that is e times the usual |
//! | constant | any is as likely as any other, once there is a measurement; before, a usual throughput within a factor of 30 |
//!
//! With noise of 10 to 30 % the intervals have their stated coverage from 5 measurements on. With less noise they are too wide at
//! first. With noise of 60 % they are too narrow below 10 measurements: they then hold about 8 in 10 values.
//!
//! An old measurement counts less than a new one: half as much after [`HALF_LIFE`] others. Measurements of other code give their
//! slope as the mean of the prior. They give their constant only as long as there are no other measurements, and all of them
//! together then have the weight of [`LENT`] measurements.

mod estimate;
mod posterior;
mod student;
#[cfg(test)]
mod tests;

pub use estimate::{
    Basis, Estimate, FEWEST, Interval, LEVEL, NOT_KNOWN, WIDEST, bytes, seconds, unknown_since,
};
pub use student::StudentT;

pub(crate) use posterior::{Belief, Point, Posterior};
pub(crate) use student::normal_draw;

/// The number of later measurements after which a measurement counts half as much.
pub const HALF_LIFE: f64 = 20.0;

/// The total weight of the measurements of other code, in measurements.
pub const LENT: f64 = 0.2;

/// The weight of the constant before the first measurement, in measurements.
const GUESSED: f64 = 0.05;
const SHAPE: f64 = 0.75;
const RATE: f64 = 0.03;
pub(crate) const SLOPE: f64 = 1.0;
const SLOPE_WEIGHT: f64 = 0.2;

/// The largest value: JSON has no infinity.
pub(crate) const MOST: f64 = 1e300;

/// A quantity that is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quantity {
    /// The seconds from the start of a factory to its end.
    Wall,
    /// The rows of the output.
    RowsOut,
    /// The bytes of the output.
    BytesOut,
    /// The peak memory of the factory, in bytes.
    PeakBytes,
}

/// The unit of the size on which a quantity depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// The size is measured in rows.
    Rows,
    /// The size is measured in bytes.
    Bytes,
}

impl Quantity {
    /// The usual value without any measurement: 100 MB or a million rows per second, and an output as large as the input.
    fn usual(self, unit: Unit, size: Option<f64>) -> f64 {
        match (self, unit, size) {
            (Quantity::Wall, _, None) => 0.1,
            (Quantity::Wall, Unit::Bytes, Some(size)) => size * 1e-8,
            (Quantity::Wall, Unit::Rows, Some(size)) => size * 1e-6,
            (Quantity::BytesOut | Quantity::PeakBytes, _, None) => 1e6,
            (Quantity::RowsOut, _, None) => 1e4,
            (Quantity::BytesOut | Quantity::PeakBytes, Unit::Rows, Some(rows)) => rows * 100.0,
            (Quantity::RowsOut, Unit::Bytes, Some(bytes)) => bytes / 100.0,
            (_, _, Some(size)) => size,
        }
    }

    fn log_of(self, value: f64) -> f64 {
        match self {
            // The lower bound is finer than any clock.
            Quantity::Wall => value.max(1e-9).ln(),
            _ => value.ln_1p(),
        }
    }

    fn value_of(self, log: f64) -> f64 {
        match self {
            Quantity::Wall => log.exp().min(MOST),
            _ => log.exp_m1().clamp(0.0, MOST),
        }
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The value of the quantity.
    pub value: f64,
    /// The size of the input, if it was known.
    pub size: Option<f64>,
    /// `true` if the present code was measured, after its last change of speed.
    pub current: bool,
}

/// The model of one quantity of one factory.
///
/// ```
/// use setl_learn::model::{Basis, Model, Quantity, Sample, Unit};
///
/// // Half a microsecond for each row.
/// let samples = [1e6, 2e6, 4e6, 3e6, 1e6]
///     .map(|rows| Sample { value: rows * 0.5e-6, size: Some(rows), current: true });
/// let model = Model::fit(Quantity::Wall, Unit::Rows, &samples);
/// let estimate = model.predict(Some(8e6));
/// assert_eq!(estimate.basis, Basis::Observed(5));
/// assert!((estimate.median - 4.0).abs() < 0.01 && estimate.interval().contains(4.0));
///
/// // Without any, what is usual: wide.
/// let guess = Model::fit(Quantity::Wall, Unit::Rows, &[]).predict(Some(8e6));
/// assert_eq!(guess.basis, Basis::Prior);
/// assert!(guess.high > 100.0 * guess.low);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    quantity: Quantity,
    unit: Unit,
    /// `None` before the first measurement.
    learned: Option<LearningReport>,
    measurements: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct LearningReport {
    posterior: Posterior,
    /// `None` if no size was known: then the growth of the quantity is unknown.
    centre: Option<f64>,
}

impl Model {
    /// Learns from samples, the oldest first. Samples whose value is not a number or is negative are left out.
    pub fn fit(quantity: Quantity, unit: Unit, samples: &[Sample]) -> Self {
        let usable = |current: bool| {
            let usable = move |sample: &&Sample| {
                let in_range = |value: f64| value.is_finite() && value >= 0.0;
                sample.current == current && in_range(sample.value) && sample.size.is_none_or(in_range)
            };
            samples.iter().filter(usable).copied().collect::<Vec<_>>()
        };
        let (own, lent) = (usable(true), usable(false));
        // All samples of other code share one weight for the constant; their slope is learned at full weight.
        let of_lent = LearningReport::from(quantity, &lent, Belief::with_slope(SLOPE), None);
        let slope = of_lent.map_or(SLOPE, |learned| learned.posterior.coefficients()[1]);
        let learned = LearningReport::from(quantity, &own, Belief::with_slope(slope), None)
            .or_else(|| LearningReport::from(quantity, &lent, Belief::with_slope(slope), Some(LENT)));
        Self { quantity, unit, learned, measurements: own.len() }
    }

    /// Predicts the quantity at this size, or at a usual size if it is unknown.
    pub fn predict(&self, size: Option<f64>) -> Estimate {
        self.estimate(&self.predictive(size))
    }

    pub(crate) fn estimate(&self, predictive: &StudentT) -> Estimate {
        let at = |chance| self.quantity.value_of(predictive.quantile(chance));
        let low = (1.0 - LEVEL) / 2.0;
        let basis = Basis::of(self.measurements);
        Estimate {
            low: at(low),
            median: self.quantity.value_of(predictive.location),
            high: at(1.0 - low),
            basis,
        }
    }

    /// The distribution of the logarithm of the quantity, as in the formula of [this module](self).
    pub fn predictive(&self, size: Option<f64>) -> StudentT {
        match &self.learned {
            Some(learned) => learned.posterior.next_at(from_centre(size, learned.centre)),
            None => {
                let constant = self.quantity.log_of(self.quantity.usual(self.unit, size));
                let belief = Belief { constant, constant_weight: GUESSED, ..Belief::with_slope(SLOPE) };
                Posterior::new(belief).next_at(0.0)
            }
        }
    }

    /// The growth of the logarithm of the quantity with the logarithm of the size.
    pub fn slope(&self) -> f64 {
        self.learned.as_ref().map_or(SLOPE, |learned| learned.posterior.coefficients()[1])
    }

    /// The standard deviation of the noise, as a share of the quantity.
    pub fn noise(&self) -> f64 {
        self.learned.as_ref().map_or((RATE / SHAPE).sqrt(), |learned| learned.posterior.noise().sqrt())
    }

    /// The unit of the sizes.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The evidence for the model.
    pub fn basis(&self) -> Basis {
        Basis::of(self.measurements)
    }

    /// The logarithm of a value, as in [`Model::predictive`].
    pub fn log(&self, value: f64) -> f64 {
        self.quantity.log_of(value)
    }
}

impl LearningReport {
    /// Learns from samples, the oldest first. Their total weight is at most `most`.
    fn from(quantity: Quantity, samples: &[Sample], belief: Belief, most: Option<f64>) -> Option<Self> {
        let newest = samples.len().checked_sub(1)?;
        let weights = (0..=newest).map(|at| forgotten(newest - at)).collect::<Vec<_>>();
        let total: f64 = weights.iter().sum();
        let share = most.map_or(1.0, |most| (most / total).min(1.0));
        let sizes = samples.iter().zip(&weights);
        let sizes = sizes.filter_map(|(sample, weight)| Some((sample.size?.ln_1p(), *weight)));
        let (sum, weight) =
            sizes.fold((0.0, 0.0), |(sum, all), (x, weight)| (sum + x * weight, all + weight));
        let centre = (weight > 0.0).then(|| sum / weight);
        let points = samples.iter().zip(&weights).map(|(sample, weight)| Point {
            x: from_centre(sample.size, centre),
            y: quantity.log_of(sample.value),
            weight: weight * share,
        });
        Some(Self { posterior: Posterior::fit(belief, points), centre })
    }
}

impl Belief {
    /// The prior of a factory that was measured.
    pub(crate) const fn with_slope(slope: f64) -> Self {
        Self {
            constant: 0.0,
            constant_weight: 0.0,
            slope,
            slope_weight: SLOPE_WEIGHT,
            shape: SHAPE,
            rate: RATE,
        }
    }
}

/// A missing size stands for a usual one.
fn from_centre(size: Option<f64>, centre: Option<f64>) -> f64 {
    size.zip(centre).map_or(0.0, |(size, centre)| size.ln_1p() - centre)
}

/// The weight of a measurement after `followed_by` later ones.
fn forgotten(followed_by: usize) -> f64 {
    (-(followed_by as f64) / HALF_LIFE).exp2()
}
