//! How fast images leave.

use core::time::Duration;

/// A bucket of tokens, a token a byte: what leaves in a second is bounded, and whoever comes later
/// waits behind whoever came earlier.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Bytes in a second; none without a limit.
    rate: Option<u64>,
    /// When all that was let through is paid for.
    paid: Duration,
}

/// How much of a second may leave at once after a pause.
const BURST: Duration = Duration::from_millis(20);

impl Pace {
    /// So many bytes in a second; none without a limit.
    ///
    /// # Panics
    /// When the rate is 0.
    pub fn new(rate: Option<u64>) -> Self {
        assert!(rate != Some(0), "a rate of 0 bytes: nothing would ever leave");
        Pace { rate, paid: Duration::ZERO }
    }

    /// Lets `bytes` through, and says when they may leave: now, or later.
    pub fn admit(&mut self, now: Duration, bytes: u64) -> Duration {
        let Some(rate) = self.rate else { return now };
        let leaves = self.paid.max(now.saturating_sub(BURST));
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
        let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.paid = leaves.saturating_add(cost);
        leaves.max(now)
    }

    /// How many bytes may leave at once without a long pause behind them, of at most `most`.
    pub fn at_once(&self, most: u64) -> u64 {
        /// A slow sender sends little at a time, so that its receiver hears of it.
        const TIMES_A_SECOND: u64 = 20;
        const LEAST: u64 = 512;
        self.rate.map_or(most, |rate| (rate / TIMES_A_SECOND).clamp(LEAST.min(most), most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn in_each_second_no_more_leaves_than_the_rate_and_a_burst() {
        let mut pace = Pace::new(Some(1_000_000));
        let mut left = [0_u64; 12];
        let mut now = Duration::ZERO;
        for _ in 0..100 {
            now = pace.admit(now, 100_000);
            left[now.as_secs() as usize] += 100_000;
        }
        assert!(left[..9].iter().all(|&bytes| (900_000..=1_100_000).contains(&bytes)), "{left:?}");
        // A pause is not made up for, but for the burst.
        now += Duration::from_secs(10);
        assert_eq!(pace.admit(now, 50_000), now);
        assert_eq!(pace.admit(now, 50_000), now + 30 * MS);
        assert_eq!(pace.admit(now, 50_000), now + 80 * MS);
    }

    #[test]
    fn without_a_limit_everything_leaves_at_once() {
        let mut pace = Pace::new(None);
        assert!((0..1000).all(|_| pace.admit(MS, u64::MAX) == MS));
        assert_eq!(pace.at_once(65_536), 65_536);
        assert_eq!(Pace::new(Some(1)).at_once(65_536), 512);
        assert_eq!(Pace::new(Some(200_000)).at_once(65_536), 10_000);
    }
}
