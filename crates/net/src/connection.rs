//! One connection, one task: reads frames, starts calls, writes answers. Each wake-up does all that can be done
//! without waiting: as many reads as there is room for, then one write for the answers that are ready.
//!
//! While calls may not start (one runs alone, too many are under way, answers pile up), at most a piece is read
//! ahead, so that the peer's end is noticed. An idle connection holds no buffer.

mod answering;
mod deadline;
mod reading;

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use klamm_env::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::{debug, warn};

use crate::{
    calls::Calls,
    connection::deadline::Timer,
    ending::Ending,
    framer::Framer,
    limits::{DRAIN_MAX, LINGER_MAX, PARKED_AFTER_CLOSE_MAX},
    outgoing::Outgoing,
    registry::{Admitted, Shared},
    service::Session,
    signals::Order,
};

/// So often a wake-up goes round before other tasks get their turn.
const ROUNDS_MAX: usize = 32;
/// With so many bytes of answers waiting they are written before more is read.
const WRITE_AT_BYTES: usize = 64 << 10;

/// A connection with all its state.
pub(crate) struct Driver<S> {
    // The order of the fields is the order in which they are dropped: calls, session, socket, then the place.
    calls: Calls,
    session: S,
    stream: Box<dyn Connection>,
    framer: Framer,
    outgoing: Outgoing,
    calls_waker: Waker,
    timer: Timer,
    peer: SocketAddr,
    /// This wake-up's time.
    now: Duration,
    opened: Duration,
    /// When bytes last moved, or a call was answered.
    active: Duration,
    /// Since when a frame is under way or waited for without a hindrance on our side.
    frame_since: Option<Duration>,
    had_frame: bool,
    /// What was written may sit in a buffer of the stream's.
    unflushed: bool,
    /// The peer sends nothing more.
    ended: bool,
    /// The peer receives nothing more.
    broken: bool,
    /// Why no more calls start.
    ending: Option<Ending>,
    /// When a connection that ends is dropped at the latest.
    until: Option<Duration>,
    admitted: Admitted,
}

impl<S: Session> Driver<S> {
    pub(crate) fn new(stream: Box<dyn Connection>, session: S, admitted: Admitted, peer: SocketAddr) -> Self {
        let now = admitted.shared.clock.monotonic();
        Self {
            calls: Calls::default(),
            session,
            stream,
            framer: Framer::default(),
            outgoing: Outgoing::default(),
            calls_waker: Arc::clone(&admitted.signals).into(),
            timer: Timer::default(),
            peer,
            now,
            opened: now,
            active: now,
            frame_since: None,
            had_frame: false,
            unflushed: false,
            ended: false,
            broken: false,
            ending: None,
            until: None,
            admitted,
        }
    }

    fn shared(&self) -> &Shared {
        &self.admitted.shared
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) {
        let ending = poll_fn(|cx| self.step(cx)).await;
        ending.count(&self.shared().counters);
        let Self { peer, admitted, .. } = &self;
        let id = admitted.id;
        match &ending {
            Ending::BadLength(_) => {
                if let Some(suppressed) = admitted.shared.bad_frames.speak(self.now) {
                    warn!(id, %peer, %ending, suppressed, "connection closed");
                }
            }
            _ => debug!(id, %peer, %ending, "connection closed"),
        }
        if ending.lingers() && !self.broken {
            Box::pin(self.linger()).await;
        }
    }

    /// Closes our end and waits a little for the peer to close its own.
    async fn linger(mut self) {
        self.calls.clear();
        let close = async {
            self.stream.shutdown().await?;
            let mut scratch = [0; 512];
            while self.stream.read(&mut scratch).await? > 0 {}
            io::Result::Ok(())
        };
        // Whether or not the peer closed in time: it is over.
        let _ = tokio::time::timeout(LINGER_MAX, close).await;
    }

    /// One wake-up.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        self.admitted.signals.register(cx.waker());
        self.now = self.shared().clock.monotonic();
        match self.admitted.signals.order() {
            Order::Serve => {}
            Order::Drain => self.end(Ending::Shutdown, None),
            Order::Kill => return Poll::Ready(Ending::Shutdown),
        }
        let mut rounds = 0;
        loop {
            let mut progress = self.advance_calls();
            progress |= self.read(cx);
            if !progress || self.outgoing.bytes() >= WRITE_AT_BYTES {
                progress |= self.write(cx);
            }
            if self.is_over() {
                return Poll::Ready(self.ending.take().unwrap_or(Ending::PeerClosed));
            }
            if !progress {
                break;
            }
            rounds += 1;
            if rounds == ROUNDS_MAX {
                self.write(cx);
                cx.waker().wake_by_ref();
                break;
            }
        }
        self.check_time(cx)
    }

    /// The peer sends nothing more. What it asked for before goes on for a while.
    fn peer_ended(&mut self, error: Option<io::Error>) {
        self.ended = true;
        let only_parked = self.calls.barred() && self.calls.len() == 1 && !self.framer.frame_waits();
        let grace = if only_parked { PARKED_AFTER_CLOSE_MAX } else { DRAIN_MAX };
        self.last_until(Some(grace));
        if let Some(error) = error {
            self.broken = true;
            self.outgoing.clear();
            debug!(id = self.admitted.id, peer = %self.peer, %error, "connection broken");
        }
    }

    /// Starts no more calls, and closes when those under way are answered or `grace` is over.
    fn end(&mut self, ending: Ending, grace: Option<Duration>) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.last_until(grace);
        }
    }

    fn last_until(&mut self, grace: Option<Duration>) {
        let until = grace.map(|grace| self.now + grace);
        self.until = [self.until, until].into_iter().flatten().min();
    }

    /// Whether all that can be done is done, and nothing more will come.
    fn is_over(&self) -> bool {
        let answered = self.calls.is_empty() && self.outgoing.is_empty();
        answered && (self.ending.is_some() || self.ended && !self.framer.frame_waits())
    }
}
