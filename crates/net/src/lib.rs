//! TCP: framing, pipelining, limits, shutdown. Knows nothing of Kafka but the four length bytes before a frame.
//!
//! Contract: frames of a connection reach [`Session::call`] in order of arrival, and answers leave in that order.
//! A call that overlaps runs beside its neighbours that do; any other runs alone. Every wait and every buffer is
//! bounded by [`Limits`], and nothing is allocated on the word of a peer that sent no data.

mod calls;
mod connection;
mod counters;
mod ending;
mod framer;
mod limits;
mod outgoing;
mod quiet;
mod registry;
mod server;
mod service;
mod signals;

pub use counters::Counts;
#[cfg(feature = "pieces")]
pub use framer::pieces::frames;
pub use limits::Limits;
pub use server::Server;
pub use service::{Answer, AnswerFuture, Call, Ends, Service, Session};
