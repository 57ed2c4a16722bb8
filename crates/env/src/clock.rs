//! Time. Wall time (may jump) and monotonic time (never goes back) are apart; timers go by tokio's clock,
//! which the simulator virtualises.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A broker's clock.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch. May jump in either direction.
    fn wall_ms(&self) -> i64;
    /// Time since an arbitrary start. Never goes back.
    fn monotonic(&self) -> Duration;
}

/// The operating system's clock.
#[derive(Debug)]
pub struct OsClock {
    start: Instant,
}

impl OsClock {
    /// A clock whose monotonic time starts now.
    #[expect(clippy::new_without_default, reason = "reading the clock is not a default")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for OsClock {
    fn wall_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
