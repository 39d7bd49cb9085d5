//! Bayesian linear regression with one slope.

use super::StudentT;

/// The belief before the first measurement: a normal-inverse-gamma distribution.
///
/// The variance σ² of the noise has an inverse gamma distribution with `shape` and `rate`. Given σ², constant and slope are
/// normal and independent, with these means and the variances σ² / `constant_weight` and σ² / `slope_weight`: so a weight is a
/// number of measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Belief {
    pub(crate) constant: f64,
    /// Zero if every constant is equally likely.
    pub(crate) constant_weight: f64,
    pub(crate) slope: f64,
    pub(crate) slope_weight: f64,
    pub(crate) shape: f64,
    pub(crate) rate: f64,
}

/// One measurement: `y` at `x`, which counts as `weight` measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) weight: f64,
}

/// The belief about `y = constant + slope · x + noise` after measurements.
///
/// The formulas are those of Murphy, *Machine Learning* (2012), section 7.6.3, equations 7.70 to 7.76, or Bishop, *Pattern
/// Recognition and Machine Learning* (2006), section 3.3, with weights. The posterior is kept as sums over the measurements, so
/// that the cost of adding one does not depend on their number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Posterior {
    belief: Belief,
    /// Sums of the weights and of the squares of the weighted measurements, with the belief as measurements.
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

impl Posterior {
    pub(crate) fn new(belief: Belief) -> Self {
        let Belief { constant, constant_weight, slope, slope_weight, .. } = belief;
        Self {
            belief,
            n: constant_weight,
            x: 0.0,
            y: constant_weight * constant,
            xx: slope_weight,
            xy: slope_weight * slope,
            yy: constant_weight * constant * constant + slope_weight * slope * slope,
        }
    }

    pub(crate) fn fit(belief: Belief, points: impl IntoIterator<Item = Point>) -> Self {
        let mut posterior = Self::new(belief);
        points.into_iter().for_each(|point| posterior.add(point));
        posterior
    }

    pub(crate) fn add(&mut self, Point { x, y, weight }: Point) {
        self.n += weight;
        self.x += weight * x;
        self.y += weight * y;
        self.xx += weight * x * x;
        self.xy += weight * x * y;
        self.yy += weight * y * y;
    }

    /// The weight of all measurements, without that of the belief.
    pub(crate) fn weight(&self) -> f64 {
        self.n - self.belief.constant_weight
    }

    /// The Cholesky factor `L` of the precision `Λ = L Lᵀ`, as its three entries. The weight of the slope is above zero, and
    /// either the weight of the constant is above zero or there are measurements.
    fn factor(&self) -> [f64; 3] {
        let a = self.n.sqrt();
        let b = self.x / a;
        let c = (self.xx - b * b).max(f64::MIN_POSITIVE).sqrt();
        [a, b, c]
    }

    /// Constant and slope: `Λ⁻¹ (Λ₀ m₀ + Xᵀ y)`, by solving with the factor forwards and backwards.
    pub(crate) fn coefficients(&self) -> [f64; 2] {
        let [a, b, c] = self.factor();
        let u = self.y / a;
        let v = (self.xy - b * u) / c;
        let slope = v / c;
        [(u - b * slope) / a, slope]
    }

    fn shape(&self) -> f64 {
        // A free constant uses up the first measurement.
        let spent = if self.belief.constant_weight > 0.0 { 0.0 } else { 1.0 };
        self.belief.shape + ((self.weight() - spent) / 2.0).max(0.0)
    }

    fn rate(&self) -> f64 {
        let [constant, slope] = self.coefficients();
        let explained = constant * self.y + slope * self.xy;
        // Both are large and nearly equal if the noise is small.
        self.belief.rate + ((self.yy - explained) / 2.0).max(0.0)
    }

    /// The variance of the noise.
    pub(crate) fn noise(&self) -> f64 {
        self.rate() / self.shape()
    }

    /// The distribution of the line itself at `x`.
    pub(crate) fn line_at(&self, x: f64) -> StudentT {
        self.at(x, 0.0)
    }

    /// The distribution of the next measurement at `x`.
    pub(crate) fn next_at(&self, x: f64) -> StudentT {
        self.at(x, 1.0)
    }

    fn at(&self, x: f64, noise: f64) -> StudentT {
        let [constant, slope] = self.coefficients();
        let [a, b, c] = self.factor();
        // (1, x) Λ⁻¹ (1, x)ᵀ is the square of L⁻¹ (1, x)ᵀ.
        let u = 1.0 / a;
        let v = (x - b * u) / c;
        let variance = self.noise() * (noise + u * u + v * v);
        StudentT { location: constant + slope * x, scale: variance.sqrt(), freedom: 2.0 * self.shape() }
    }
}
