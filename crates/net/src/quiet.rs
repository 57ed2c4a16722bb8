//! A log line at most once in ten seconds; what was kept quiet is counted.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

const PAUSE: Duration = Duration::from_secs(10);

/// Limits the rate of one kind of log line.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: Duration,
    suppressed: u64,
}

impl Quiet {
    /// Whether to log now: how many lines were kept quiet since the last one.
    pub(crate) fn speak(&self, now: Duration) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now < state.next {
            state.suppressed += 1;
            return None;
        }
        state.next = now + PAUSE;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
#[test]
fn speaks_once_in_ten_seconds() {
    let quiet = Quiet::default();
    let speak = |seconds| quiet.speak(Duration::from_secs(seconds));
    assert_eq!([speak(0), speak(1), speak(9), speak(10)], [Some(0), None, None, Some(2)]);
}
