//! When a connection has waited long enough. One timer a connection; it is only ever brought forward, and finds out
//! when it fires whether it was too early, so a busy connection hardly ever touches it.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use super::Driver;
use crate::{ending::Ending, limits::FRAME_BYTES_PER_SECOND_MIN, service::Session};

/// The clock and the timer may disagree by so much without the timer firing in circles.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// A timer.
#[derive(Default)]
pub(super) struct Timer {
    armed: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Timer {
    /// Arms the timer for `at`, if it is not to fire before. Ready when it fired.
    fn poll(&mut self, now: Duration, at: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let pause = at.saturating_sub(now).max(PAUSE_MIN);
        match &mut self.armed {
            Some((armed, _)) if *armed <= at => {}
            Some((armed, timer)) => {
                *armed = at;
                timer.set(sleep(pause));
            }
            None => self.armed = Some((at, Box::pin(sleep(pause)))),
        }
        let fired = self.armed.as_mut().is_none_or(|(_, timer)| timer.as_mut().poll(cx).is_ready());
        if !fired {
            return Poll::Pending;
        }
        self.armed = None;
        Poll::Ready(())
    }
}

impl<S: Session> Driver<S> {
    /// Ends the connection when its time is over, and sees to being woken then.
    pub(super) fn check_time(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        let waits_for_peer = self.ending.is_none()
            && !self.ended
            && if self.framer.is_partial() { self.room().open } else { !self.had_frame };
        if waits_for_peer {
            self.frame_since.get_or_insert(if self.had_frame { self.now } else { self.opened });
        } else {
            self.frame_since = None;
        }
        loop {
            let Some((at, why)) = self.deadline() else { return Poll::Pending };
            if at <= self.now {
                return Poll::Ready(self.ending.take().unwrap_or(why));
            }
            if self.timer.poll(self.now, at, cx).is_pending() {
                return Poll::Pending;
            }
            self.now = self.shared().clock.monotonic();
        }
    }

    /// When the connection is to be dropped if nothing happens, and why.
    fn deadline(&self) -> Option<(Duration, Ending)> {
        let limits = &self.shared().limits;
        let stalled = (!self.outgoing.is_empty()).then(|| (self.active + limits.idle_max, Ending::Stalled));
        let idle = self.calls.is_empty().then(|| (self.active + limits.idle_max, Ending::Idle));
        let slow = self.frame_since.map(|since| {
            let earned = (self.framer.received() / FRAME_BYTES_PER_SECOND_MIN) as u64;
            (since + limits.first_request_max + Duration::from_secs(earned), Ending::Slow)
        });
        let until = self.until.map(|until| (until, Ending::PeerClosed));
        [stalled, idle, slow, until].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}
