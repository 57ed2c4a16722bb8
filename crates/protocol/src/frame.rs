//! Headers and whole frames, for servers and for clients.

use crate::{
    ApiKey, Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, Message, Request, RequestHeader,
    ResponseHeader,
};
use bytes::Bytes;

impl RequestHeader<'_> {
    /// The API that is asked.
    ///
    /// # Errors
    /// `UnknownApi`; never for a header that `decode_request_header` gave.
    pub fn api(&self) -> Result<ApiKey, DecodeError> {
        ApiKey::try_from(self.api_key)
    }
}

/// Reads the header of a request; the body is next. The version may be one that is not served: to answer that is the
/// caller's part (for ApiVersions in version 0, else by closing).
///
/// # Errors
/// An unknown API, or bytes that are no header.
pub fn decode_request_header<'a>(d: &mut Decoder<'a>) -> Result<RequestHeader<'a>, DecodeError> {
    let mut ahead = d.clone();
    let (key, version) = (ahead.i16()?, ahead.i16()?);
    let api = ApiKey::try_from(key)?;
    RequestHeader::decode(d, api.request_header_version(version))
}

/// Reads the header of a response; the body is next.
///
/// # Errors
/// Bytes that are no header.
pub fn decode_response_header(
    d: &mut Decoder<'_>,
    api: ApiKey,
    version: i16,
) -> Result<ResponseHeader, DecodeError> {
    ResponseHeader::decode(d, api.response_header_version(version))
}

/// A whole response: length, header, body. The segments follow each other on the wire.
///
/// # Errors
/// If the version cannot carry the body.
pub fn encode_response_frame<M: Message>(
    version: i16,
    correlation_id: i32,
    body: &M,
) -> Result<Vec<Bytes>, EncodeError> {
    let mut e = Encoder::framed();
    ResponseHeader { correlation_id }.encode(&mut e, M::API.response_header_version(version))?;
    body.encode(&mut e, version)?;
    e.finish_frame()
}

/// A whole request: length, header, body. The segments follow each other on the wire.
///
/// # Errors
/// If the version cannot carry the body.
pub fn encode_request_frame<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: &R,
) -> Result<Vec<Bytes>, EncodeError> {
    let mut e = Encoder::framed();
    let client_id = client_id.map(Into::into);
    let header = RequestHeader { api_key: R::API.key(), api_version: version, correlation_id, client_id };
    header.encode(&mut e, R::API.request_header_version(version))?;
    body.encode(&mut e, version)?;
    e.finish_frame()
}
