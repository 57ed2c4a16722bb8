//! What goes wrong again and again is said once, until it goes well.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether it was said.
#[derive(Debug, Default)]
pub(crate) struct Said(AtomicBool);

impl Said {
    /// Whether this is a failure after none.
    pub(crate) fn is_news<T, E>(&self, result: &Result<T, E>) -> bool {
        !self.0.swap(result.is_err(), Ordering::Relaxed) && result.is_err()
    }
}

#[test]
fn a_failure_is_news_once() {
    let (said, results) = (Said::default(), [Ok(()), Err(()), Err(()), Ok(()), Err(())]);
    assert_eq!(results.map(|result| said.is_news(&result)), [false, true, false, false, true]);
}
