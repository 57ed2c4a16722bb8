//! The Kafka protocol: generated messages and their codec, no I/O.
//!
//! One struct per message serves all versions. [`Decode`] borrows from the frame and never allocates more than its
//! [`Decoder`]'s budget, whatever the input; [`Encode`] collects segments and copies no records.
//! A server reads [`decode_request_header`], then `T::decode_all`, and answers with [`encode_response_frame`]; a client
//! does [`encode_request_frame`], [`decode_response_header`], `T::decode_all`. Frames are without their 4-byte length
//! when decoded, with it when encoded.
//!
//! Messages come from `schema/*.kmsg` by `cargo run -p xtask -- protocol`. Absent here: meaning. No validation beyond
//! the form, no defaults beyond Kafka's, no record batches (crate `records`).

mod api;
mod decoder;
mod encoder;
mod error;
mod error_code;
mod frame;
mod generated;
#[cfg(feature = "json")]
pub mod json;
mod message;
#[cfg(feature = "sample")]
pub mod sample;
mod types;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use error::{DecodeError, EncodeError};
pub use error_code::ErrorCode;
pub use frame::{decode_request_header, decode_response_header, encode_request_frame, encode_response_frame};
pub use generated::headers::{RequestHeader, ResponseHeader};
pub use generated::*;
pub use message::{Decode, Encode, Message, Request};
pub use types::{Blob, Records, Str, Uuid};
