//! How long to wait before another try, and when to give up. Pure: time comes in as an argument.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// Waits that double, up to a deadline.
#[derive(Debug, Clone)]
pub struct Backoff {
    deadline: Duration,
    next: Duration,
}

impl Backoff {
    /// Until `deadline` on the monotonic clock.
    pub fn until(deadline: Duration) -> Self {
        Self { deadline, next: FIRST }
    }

    /// How long to wait before the next try; `None` when the deadline would pass meanwhile. `random` spreads clients
    /// that failed together.
    pub fn wait(&mut self, now: Duration, random: u64) -> Option<Duration> {
        let spread = self.next / 4;
        let wait = self.next - spread + spread.mul_f64((random % 1024) as f64 / 512.0);
        self.next = (self.next * 2).min(LONGEST);
        (now + wait < self.deadline).then_some(wait)
    }

    /// What is left until the deadline.
    pub fn left(&self, now: Duration) -> Duration {
        self.deadline.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_deadline() {
        let mut backoff = Backoff::until(Duration::from_secs(10));
        let waits: Vec<_> = (0..7).filter_map(|_| backoff.wait(Duration::ZERO, 512)).collect();
        let ms = |ms| Duration::from_millis(ms);
        assert_eq!(waits, [50, 100, 200, 400, 800, 1000, 1000].map(ms));
        assert_eq!(backoff.wait(ms(9500), 512), None);
        assert_eq!((backoff.left(ms(9500)), backoff.left(ms(10_500))), (ms(500), ms(0)));
    }
}
