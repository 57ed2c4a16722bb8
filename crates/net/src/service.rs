//! What the broker implements: a session for each connection, a call for each frame.

use std::{borrow::Cow, net::SocketAddr, pin::Pin};

use bytes::Bytes;

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The connection's number, unique in its server and rising.
    pub connection: u64,
    /// This end, as the peer reached it.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
}

/// Opens sessions.
pub trait Service: Send + Sync + 'static {
    /// What a connection's state is kept in.
    type Session: Session;

    /// A connection was accepted. Must not wait.
    fn open(&self, ends: Ends) -> Self::Session;
}

/// A connection's state. Dropped when the connection is gone, after its calls.
pub trait Session: Send + 'static {
    /// A frame, without its four length bytes; called in order of arrival. A frame of 4 KiB or more is an
    /// allocation of its own, read from the socket straight into it.
    ///
    /// Not called while an earlier call runs alone, so state which that call changed is visible here.
    fn call(&mut self, frame: Bytes) -> Call;

    /// Bytes that the calls under way keep in memory beside their frames; they count as frames do
    /// ([`Limits::in_flight_bytes_max`](crate::Limits)).
    fn bytes_beside(&self) -> usize {
        0
    }
}

/// The future of an answer.
pub type AnswerFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What a frame started.
pub struct Call {
    /// Whether it runs beside the calls before and after it that overlap too. Otherwise it is first polled when all
    /// earlier answers are ready, and nothing after it is called before its own answer is.
    pub overlaps: bool,
    /// The answer. A call that overlaps is polled once before the next frame is called, so what it does in
    /// its first poll happens in order of arrival. Dropped unfinished when the connection ends.
    pub answer: AnswerFuture,
}

/// What goes back to the peer.
#[derive(Debug)]
pub enum Answer {
    /// A complete frame with its four length bytes, in segments that are written without being copied.
    Frame(Vec<Bytes>),
    /// Nothing (`acks=0`).
    Nothing,
    /// Close the connection once the earlier answers are written. The reason is logged, escaped.
    Close(Cow<'static, str>),
}

impl Answer {
    /// Close the connection, and why.
    pub fn close(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Close(reason.into())
    }
}
