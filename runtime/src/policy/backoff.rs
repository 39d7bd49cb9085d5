//! The waiting times between attempts.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::Retry;

impl Retry {
    /// Returns the waits between attempts, one for each retry. The formula is documented at [`Retry`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use setl::policy::Retry;
    ///
    /// let waits: Vec<_> = Retry::times(4).backoff(Duration::from_secs(1), Duration::from_secs(5)).jitter(false).waits().collect();
    /// assert_eq!(waits, [1, 2, 4, 5].map(Duration::from_secs));
    /// ```
    pub fn waits(&self) -> Waits {
        // The library adds its jitter on top of a wait, so the longest wait could be twice `max_delay`.
        let computed = ExponentialBuilder::new()
            .with_min_delay(self.delay)
            .with_max_delay(self.max_delay)
            .with_factor(self.factor)
            .with_max_times(self.times as usize)
            .build();
        Waits { computed, max_delay: self.max_delay, jitter: self.jitter }
    }
}

/// An iterator over the waits between attempts: see [`Retry::waits`].
#[derive(Debug)]
pub struct Waits {
    computed: ExponentialBackoff,
    max_delay: Duration,
    jitter: bool,
}

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // The library does not limit the first wait.
        let wait = self.computed.next()?.min(self.max_delay);
        Some(if self.jitter { part(wait, fastrand::f64()) } else { wait })
    }
}

/// Returns a part of a wait, at most the whole wait. `mul_f64` would panic if rounding exceeds the largest duration.
fn part(wait: Duration, part: f64) -> Duration {
    Duration::try_from_secs_f64(wait.as_secs_f64() * part).unwrap_or(wait).min(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes any `Retry`, including invalid ones.
    fn any(random: &mut fastrand::Rng) -> Retry {
        let delay = |random: &mut fastrand::Rng| match random.u8(..8) {
            0 => Duration::ZERO,
            1 => Duration::MAX,
            2 => Duration::from_nanos(random.u64(..)),
            3 => Duration::from_secs(random.u64(..)),
            _ => Duration::from_millis(random.u64(..100_000)),
        };
        let factor = match random.u8(..8) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => -random.f32(),
            3 => random.f32(),
            4 => f32::MAX,
            _ => 1.0 + 4.0 * random.f32(),
        };
        let (first, longest) = (delay(random), delay(random));
        Retry::times(random.u32(..50)).backoff(first, longest).factor(factor).jitter(random.bool())
    }

    #[test]
    fn there_is_a_bounded_wait_for_each_retry() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let retry = any(&mut random);
            let waits: Vec<_> = retry.waits().collect();
            assert_eq!(waits.len(), retry.times as usize, "{retry:?}");
            assert!(waits.iter().all(|wait| *wait <= retry.max_delay), "{retry:?}: {waits:?}");
        }
    }

    #[test]
    fn without_jitter_each_wait_is_at_least_as_long_as_the_one_before() {
        let mut random = fastrand::Rng::with_seed(2);
        for _ in 0..10_000 {
            let retry = any(&mut random).jitter(false);
            if retry.factor >= 1.0 {
                let waits: Vec<_> = retry.waits().map(|wait| wait.as_secs_f64()).collect();
                // The factor is applied with seven digits of precision.
                assert!(waits.windows(2).all(|pair| pair[0] <= pair[1] * 1.000_001), "{retry:?}: {waits:?}");
            }
        }
    }

    #[test]
    fn without_jitter_the_formula_holds() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..10_000 {
            let (delay, longest) = (random.u64(1..10_000), random.u64(1..1_000_000));
            let factor = 1.0 + 4.0 * random.f32();
            let retry = Retry::times(20)
                .backoff(Duration::from_millis(delay), Duration::from_millis(longest))
                .factor(factor)
                .jitter(false);
            for (n, wait) in retry.waits().enumerate() {
                let formula = (delay as f64 * f64::from(factor).powi(n as i32)).min(longest as f64) / 1_000.0;
                let wait = wait.as_secs_f64();
                assert!(
                    (wait - formula).abs() <= formula * 1e-5,
                    "{retry:?}, retry {n}: {wait} or {formula}"
                );
            }
        }
    }

    #[test]
    fn jitter_takes_any_part_of_a_wait() {
        let retry = Retry::times(4_000).backoff(Duration::from_secs(1), Duration::from_secs(1));
        let waits: Vec<_> = retry.waits().collect();
        for tenth in 0..10 {
            let (from, to) = (Duration::from_millis(100 * tenth), Duration::from_millis(100 * (tenth + 1)));
            // Each tenth has 400 of 4000 on average; fewer than 200 have a probability of less than 1e-24.
            assert!(
                waits.iter().filter(|wait| (from..to).contains(wait)).count() > 200,
                "{from:?} to {to:?}"
            );
        }
    }

    #[test]
    fn no_part_is_more_than_all() {
        for wait in [Duration::MAX, Duration::from_nanos(1), Duration::ZERO] {
            for share in [0.0, 0.5, 1.0 - f64::EPSILON / 2.0, 1.0] {
                assert!(part(wait, share) <= wait);
            }
        }
    }
}
