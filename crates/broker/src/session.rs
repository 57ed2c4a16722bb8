//! A connection's session: from a frame to its handler.

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use klamm_cluster::Topic;
use klamm_protocol::{
    ApiKey, ApiVersionsResponse, DecodeError, Decoder, ErrorCode, Uuid, decode_request_header,
    encode_response_frame,
};

use crate::{
    Broker, Principal,
    allowance::{Allowance, Beside},
    api,
    authorizer::{Operation, Resource},
    handlers,
};

/// The first version of Produce and of Fetch that names topics by id.
pub(crate) const TOPIC_IDS_SINCE: i16 = 13;
/// The first version of OffsetCommit and OffsetFetch that names topics by id.
pub(crate) const TOPIC_IDS_SINCE_OFFSETS: i16 = 10;

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
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// What the client calls itself.
    pub(crate) client_id: Arc<str>,
    pub(crate) frame: Bytes,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    beside: Beside,
}

impl Incoming {
    /// What the request's batches may inflate to.
    pub(crate) fn allowance(&self) -> Allowance {
        self.beside.allowance(self.broker.config.request_bytes_max)
    }

    pub(crate) fn skip_header(&self, decoder: &mut Decoder<'_>) -> Result<(), DecodeError> {
        decode_request_header(decoder).map(drop)
    }

    /// The topic of a Produce or Fetch, of which the principal needs `operation`: by name, and by id from version 13 on.
    pub(crate) fn topic(&self, operation: Operation, name: &str, id: Uuid) -> Result<Arc<Topic>, ErrorCode> {
        if self.version >= TOPIC_IDS_SINCE && id == Uuid::ZERO {
            return Err(ErrorCode::UNKNOWN_TOPIC_ID);
        }
        self.find(operation, name, id)
    }

    /// The topic of committed offsets, likewise: by name, and by id from version 10 on (OffsetCommit, OffsetFetch).
    pub(crate) fn offset_topic(
        &self,
        operation: Operation,
        name: &str,
        id: Uuid,
    ) -> Result<Arc<Topic>, ErrorCode> {
        let by_id = self.version >= TOPIC_IDS_SINCE_OFFSETS;
        if by_id && id == Uuid::ZERO {
            return Err(ErrorCode::UNKNOWN_TOPIC_ID);
        }
        self.find(operation, name, if by_id { id } else { Uuid::ZERO })
    }

    /// A topic by its id if it has one, else by its name. Of a name it is not told whether it is there, unless the principal may.
    fn find(&self, operation: Operation, name: &str, id: Uuid) -> Result<Arc<Topic>, ErrorCode> {
        let may = |name: &str| match self.may(operation, Resource::Topic(name)) {
            true => Ok(()),
            false => Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        };
        if id == Uuid::ZERO {
            may(name)?;
            return self.broker.topic(name, id);
        }
        let topic = self.broker.topic(name, id)?;
        may(topic.name.as_str()).map(|()| topic)
    }

    /// Whether the principal may make a topic of this name.
    pub(crate) fn may_create(&self, name: &str) -> bool {
        self.may(Operation::Create, Resource::Cluster) || self.may(Operation::Create, Resource::Topic(name))
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
    peer: SocketAddr,
    principal: Principal,
    /// The last request's; clients say the same each time.
    client_id: Arc<str>,
    beside: Beside,
}

impl Session {
    /// A new connection; `local` is the address by which it reached the broker.
    pub fn open(broker: Arc<Broker>, local: SocketAddr, peer: SocketAddr) -> Self {
        Self {
            broker,
            local,
            peer,
            principal: Principal::anonymous(),
            client_id: "".into(),
            beside: Beside::default(),
        }
    }

    /// Bytes that requests under way keep in memory beside their frames.
    pub fn bytes_beside(&self) -> usize {
        self.beside.bytes()
    }

    /// Takes a request up. The flag says whether it may run beside others of the connection.
    pub fn call(&mut self, frame: Bytes) -> (bool, Pin<Box<dyn Future<Output = Answer> + Send>>) {
        let header = decode_request_header(&mut Decoder::new(&frame)).and_then(|header| {
            let client_id = header.client_id.as_deref().unwrap_or_default();
            if *self.client_id != *client_id {
                self.client_id = client_id.into();
            }
            Ok((header.api()?, header.api_version, header.correlation_id))
        });
        let (api, version, correlation_id) = match header {
            Ok(header) => header,
            Err(error) => return (false, close(format!("a bad request header: {error}"))),
        };
        let Some(served) = api::find(api) else { return (false, close(format!("{api} is not served"))) };
        if !served.key.versions().contains(&version) {
            if api == ApiKey::ApiVersions {
                return (false, unsupported_version(correlation_id));
            }
            return (false, close(format!("{api} version {version} is not served")));
        }
        let incoming = Incoming {
            broker: Arc::clone(&self.broker),
            principal: self.principal.clone(),
            local: self.local,
            peer: self.peer,
            client_id: Arc::clone(&self.client_id),
            frame,
            api,
            version,
            correlation_id,
            beside: self.beside.clone(),
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
