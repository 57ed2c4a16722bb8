//! The server's limits. The defaults are Kafka's where Kafka has them.

use std::time::Duration;

/// What a connection, and all of them, may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest frame (`socket.request.max.bytes`).
    pub frame_bytes_max: usize,
    /// Connections in all; one above is closed at once.
    pub connections_max: usize,
    /// Connections from one address.
    pub connections_per_address_max: usize,
    /// A connection without traffic and without calls under way is closed after this time
    /// (`connections.max.idle.ms`); so is one whose peer takes none of its answers.
    pub idle_max: Duration,
    /// The first frame, and each frame that has started, must be complete after this time, prolonged by a second for
    /// each 4 KiB that came: a slow upload passes, a dribbled header does not.
    pub first_request_max: Duration,
    /// Calls of a connection that are under way; reading stops there.
    pub in_flight_max: usize,
    /// Bytes of the frames of calls under way in a connection; a frame that would go above waits, unless it is alone.
    pub in_flight_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 104_857_600,
            connections_max: 20_000,
            connections_per_address_max: 10_000,
            idle_max: Duration::from_secs(600),
            first_request_max: Duration::from_secs(10),
            in_flight_max: 64,
            in_flight_bytes_max: 64 << 20,
        }
    }
}

/// A frame under way must come at this rate or faster.
pub(crate) const FRAME_BYTES_PER_SECOND_MIN: usize = 4096;
/// Answers waiting to be written above which no further call starts.
pub(crate) const OUTGOING_BYTES_MAX: usize = 1 << 20;
/// Segments waiting to be written above which no further call starts.
pub(crate) const OUTGOING_SEGMENTS_MAX: usize = 1024;
/// How long calls go on after the peer closed its end, if something it asked for would otherwise be lost.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How long a call that runs alone goes on after the peer closed its end.
pub(crate) const PARKED_AFTER_CLOSE_MAX: Duration = Duration::from_secs(1);
/// How long the peer may take to close after we did: closing with unread data would reset the connection, and the
/// last answers might be lost.
pub(crate) const LINGER_MAX: Duration = Duration::from_millis(500);
