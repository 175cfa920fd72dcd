//! Delays that grow and scatter.

use std::time::Duration;

/// The delay before try number `failures + 1`: `base` doubled `failures` times up to `ceiling`, of which a random
/// half is taken off so that many that failed together do not come back together.
///
/// `random` is in `0.0..1.0`.
pub fn delay(failures: u32, base: Duration, ceiling: Duration, random: f64) -> Duration {
    let doubled = base.saturating_mul(1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX));
    doubled.min(ceiling).mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

/// An interval made up to a tenth shorter or longer.
///
/// `random` is in `0.0..1.0`.
pub fn jitter(interval: Duration, random: f64) -> Duration {
    interval.mul_f64(0.9 + random.clamp(0.0, 1.0) / 5.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_delay_stays_between_half_its_step_and_the_ceiling(failures in 0_u32..1000, random in 0.0..1.0) {
            let (base, ceiling) = (Duration::from_millis(100), Duration::from_secs(300));
            let delay = delay(failures, base, ceiling, random);
            prop_assert!(delay >= base / 2 && delay <= ceiling);
        }

        #[test]
        fn jitter_moves_an_interval_by_a_tenth_at_most(random in 0.0..1.0) {
            let interval = jitter(Duration::from_secs(100), random);
            prop_assert!(interval >= Duration::from_secs(90) && interval <= Duration::from_secs(110));
        }
    }
}
