//! What all messages have in common, so that generic code can be written over them.

use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder};

/// Read from a frame. Borrows from it; allocates within the decoder's budget; never panics.
pub trait Decode<'a>: Sized {
    /// Reads one value. A message (not a part of one) refuses versions that its API does not serve.
    ///
    /// # Errors
    /// What is wrong with the bytes, and where.
    fn decode(d: &mut Decoder<'a>, version: i16) -> Result<Self, DecodeError>;

    /// The fewest bytes that a value can take.
    fn size_min(version: i16) -> usize;

    /// Reads a value that takes all of the rest.
    ///
    /// # Errors
    /// As `decode`; and if bytes are left over.
    fn decode_all(mut d: Decoder<'a>, version: i16) -> Result<Self, DecodeError> {
        let value = Self::decode(&mut d, version)?;
        d.finish()?;
        Ok(value)
    }
}

/// Written to a frame.
pub trait Encode {
    /// Appends the value.
    ///
    /// # Errors
    /// If the version cannot carry it; what was written before stays in the encoder.
    fn encode(&self, e: &mut Encoder, version: i16) -> Result<(), EncodeError>;
}

/// A request or a response.
pub trait Message: Encode {
    /// Its API.
    const API: ApiKey;
}

/// A request, and what answers it.
///
/// ```
/// use klamm_protocol::{Decode, DecodeError, Decoder, Request, decode_response_header};
///
/// fn answer<'r, R: Request>(frame: &'r [u8], version: i16) -> Result<(i32, R::Response<'r>), DecodeError> {
///     let mut d = Decoder::trusting(frame);
///     let header = decode_response_header(&mut d, R::API, version)?;
///     Ok((header.correlation_id, R::Response::decode_all(d, version)?))
/// }
/// ```
pub trait Request: Message {
    /// The response, borrowing from a frame.
    type Response<'r>: Message + Decode<'r>;
}
