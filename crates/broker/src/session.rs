//! A connection's session: from a frame to its handler.

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use klamm_cluster::Topic;
use klamm_protocol::{
    ApiKey, ApiVersionsResponse, DecodeError, Decoder, ErrorCode, Uuid, decode_request_header,
    encode_response_frame,
};

use crate::{
    Broker, Principal, api,
    authorizer::{Operation, Resource},
    handlers,
};

/// The first version of Produce and of Fetch that names topics by id.
pub(crate) const TOPIC_IDS_SINCE: i16 = 13;

/// What goes back.
#[derive(Debug)]
pub enum Answer {
    /// A whole frame in segments.
    Frame(Vec<Bytes>),
    /// Nothing (`acks=0`).
    Nothing,
    /// Close the connection; why.
    Close(String),
}

/// Why a handler has no response.
pub(crate) enum Stop {
    /// The client wants none.
    Nothing,
    /// The client wants none, and is to know that something is wrong; why.
    Close(String),
}

/// A request on its way to its handler.
pub(crate) struct Incoming {
    pub(crate) broker: Arc<Broker>,
    pub(crate) principal: Principal,
    /// The address by which this connection reached the broker.
    pub(crate) local: SocketAddr,
    pub(crate) frame: Bytes,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
}

impl Incoming {
    pub(crate) fn skip_header(&self, decoder: &mut Decoder<'_>) -> Result<(), DecodeError> {
        decode_request_header(decoder).map(drop)
    }

    /// The topic of a Produce or Fetch: by name, and by id from version 13 on.
    pub(crate) fn topic(&self, name: &str, id: Uuid) -> Result<Arc<Topic>, ErrorCode> {
        if self.version >= TOPIC_IDS_SINCE && id == Uuid::ZERO {
            return Err(ErrorCode::UNKNOWN_TOPIC_ID);
        }
        self.broker.topic(name, id)
    }

    /// Whether the principal may.
    pub(crate) fn may(&self, operation: Operation, resource: Resource<'_>) -> bool {
        self.broker.authorizer.allows(&self.principal, operation, resource)
    }
}

/// A connection's state.
pub struct Session {
    broker: Arc<Broker>,
    local: SocketAddr,
    principal: Principal,
}

impl Session {
    /// A new connection; `local` is the address by which it reached the broker.
    pub fn open(broker: Arc<Broker>, local: SocketAddr) -> Self {
        Self { broker, local, principal: Principal::anonymous() }
    }

    /// Takes a request up. The flag says whether it may run beside others of the connection.
    pub fn call(&mut self, frame: Bytes) -> (bool, Pin<Box<dyn Future<Output = Answer> + Send>>) {
        let header = decode_request_header(&mut Decoder::new(&frame))
            .and_then(|header| Ok((header.api()?, header.api_version, header.correlation_id)));
        let (api, version, correlation_id) = match header {
            Ok(header) => header,
            Err(error) => return (false, close(format!("a bad request header: {error}"))),
        };
        let Some(served) = api::find(api) else { return (false, close(format!("{api} is not served"))) };
        if !served.versions.contains(&version) {
            if api == ApiKey::ApiVersions {
                return (false, unsupported_version(correlation_id));
            }
            return (false, close(format!("{api} version {version} is not served")));
        }
        let incoming = Incoming {
            broker: Arc::clone(&self.broker),
            principal: self.principal.clone(),
            local: self.local,
            frame,
            api,
            version,
            correlation_id,
        };
        (served.overlaps, api::dispatch(incoming))
    }
}

fn close(reason: String) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
    Box::pin(async move { Answer::Close(reason) })
}

/// ApiVersions of a version that is not served is answered in version 0, so that the client can choose (KIP-511).
fn unsupported_version(correlation_id: i32) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
    let api_keys = vec![handlers::api_versions::row(ApiKey::ApiVersions)];
    let response =
        ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, api_keys, ..Default::default() };
    let frame = encode_response_frame(0, correlation_id, &response).expect("version 0 carries it");
    Box::pin(async move { Answer::Frame(frame) })
}
