//! Student's t distribution: the distribution of a normal quantity whose mean and variance are both estimated.

use fastrand::Rng;
use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

/// The degrees of freedom from which on the distribution is normal to all digits that matter.
const MOST_FREEDOM: f64 = 1e5;

/// Student's t distribution with a location and a scale.
///
/// ```
/// use setl_learn::model::StudentT;
///
/// let t = StudentT { location: 1.0, scale: 2.0, freedom: 10.0 };
/// assert!((t.quantile(0.95) - (1.0 + 2.0 * 1.812461)).abs() < 1e-5); // from the tables
/// assert!((t.below(1.0) - 0.5).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StudentT {
    /// The median.
    pub location: f64,
    /// The width of the distribution. It is above zero, because nothing is known for certain.
    pub scale: f64,
    /// The degrees of freedom: the fewer, the heavier the tails.
    pub freedom: f64,
}

impl StudentT {
    /// The value that is not exceeded with the probability `chance`.
    pub fn quantile(&self, chance: f64) -> f64 {
        self.location + self.scale * standard(self.freedom).map_or(0.0, |t| t.inverse_cdf(chance))
    }

    /// The probability of a value below `value`.
    pub fn below(&self, value: f64) -> f64 {
        let score = (value - self.location) / self.scale;
        standard(self.freedom).map_or(0.5, |t| t.cdf(score))
    }

    /// The place of a value in the standard normal distribution: a measure of how unusual it is.
    pub fn normal_score(&self, value: f64) -> f64 {
        // The probability is limited to the range in which a double can tell it from 0 and 1.
        let chance = self.below(value).clamp(1e-15, 1.0 - 1e-15);
        Normal::new(0.0, 1.0).map_or(0.0, |normal| normal.inverse_cdf(chance))
    }

    /// Draws a random value by Bailey's polar method (Mathematics of Computation 62, 1994), without its rejections.
    pub(crate) fn draw(&self, random: &mut Rng) -> f64 {
        self.location + self.scale * standard_draw(self.freedom, random)
    }

    /// The distribution of the sum of this quantity and an independent one with the scale `scale`.
    pub(crate) fn widened(self, scale: f64) -> Self {
        Self { scale: self.scale.hypot(scale), ..self }
    }
}

fn standard(freedom: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom.min(MOST_FREEDOM)).ok()
}

fn standard_draw(freedom: f64, random: &mut Rng) -> f64 {
    // The first value is never zero.
    let (u, v) = (1.0 - random.f64(), random.f64());
    let radius = freedom * ((-2.0 / freedom * u.ln()).exp_m1());
    radius.sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Draws a random value of the standard normal distribution (Box and Muller, 1958).
pub(crate) fn normal_draw(random: &mut Rng) -> f64 {
    let (u, v) = (1.0 - random.f64(), random.f64());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        let table = [(1.0, 6.313752), (2.0, 2.919986), (5.0, 2.015048), (30.0, 1.697261), (1e9, 1.644854)];
        for (freedom, expected) in table {
            let t = StudentT { location: 0.0, scale: 1.0, freedom };
            assert!((t.quantile(0.95) - expected).abs() < 1e-4, "{freedom}: {}", t.quantile(0.95));
            assert!((t.quantile(0.05) + expected).abs() < 1e-4);
            assert!((t.below(expected) - 0.95).abs() < 1e-5);
        }
    }

    #[test]
    fn a_score_is_as_rare_as_its_value() {
        let t = StudentT { location: 3.0, scale: 2.0, freedom: 4.0 };
        assert!((t.normal_score(t.quantile(0.975)) - 1.959964).abs() < 1e-4);
        assert!(t.normal_score(3.0).abs() < 1e-9);
        assert!(t.normal_score(1e300) > 7.0 && t.normal_score(-1e300) < -7.0);
    }

    #[test]
    fn draws_are_distributed_as_they_should_be() {
        let mut random = Rng::with_seed(1);
        for freedom in [1.0, 3.5, 40.0] {
            let t = StudentT { location: -1.0, scale: 0.5, freedom };
            let draws: Vec<f64> = (0..20_000).map(|_| t.draw(&mut random)).collect();
            for chance in [0.05, 0.25, 0.5, 0.9] {
                let below = draws.iter().filter(|draw| **draw < t.quantile(chance)).count();
                let share = below as f64 / draws.len() as f64;
                assert!((share - chance).abs() < 0.01, "{freedom} {chance}: {share}");
            }
        }
    }
}
