//! The retry schedule of deliveries.

/// Delay before each attempt, about 75 hours in total.
const DELAYS_MS: [i64; 10] = {
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    [0, 5_000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
};

/// Maximum delay before an attempt, with its jitter.
pub(super) const MAX_RETRY_DELAY_MS: i64 = DELAYS_MS[DELAYS_MS.len() - 1] / 10 * 11;

/// The delay after a number of failed attempts; `None` if no further attempt is made. `jitter` is from 0 to 1 and shifts
/// the delay by up to a tenth, so that deliveries that failed together are not all retried together.
pub(super) fn retry_delay_ms(attempts: u32, jitter: f64) -> Option<i64> {
    let delay = DELAYS_MS.get(attempts as usize)?;
    Some((*delay as f64 * (0.9 + 0.2 * jitter)) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_in_about_seventy_five_hours() {
        let delays: Vec<i64> = (0..).map_while(|attempts| retry_delay_ms(attempts, 0.5)).collect();
        assert_eq!(delays.len(), 10);
        assert_eq!(delays[..4], [0, 5_000, 300_000, 1_800_000]);
        let hours = delays.iter().sum::<i64>() as f64 / 3_600_000.0;
        assert!((75.0..76.0).contains(&hours), "{hours}");
        assert_eq!(retry_delay_ms(10, 0.5), None);
        assert_eq!((retry_delay_ms(1, 0.0), retry_delay_ms(1, 1.0)), (Some(4_500), Some(5_500)));
    }
}
