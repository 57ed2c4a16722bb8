//! A blocking client of one connection on our own codec: what a load needs, without retries.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use klamm_protocol::{
    ApiVersionsRequest, CreateTopicsRequest, Decode as _, Decoder, DeleteTopicsRequest, ErrorCode,
    FetchRequest, ProduceRequest, ProduceResponse, Request, decode_response_header,
};

use crate::request;

const DELETE_VERSION: i16 = 4;
/// No answer takes so long; without a limit a dead server would stop the whole comparison.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to HOST:PORT.
    pub fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a frame and does not wait.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame)
    }

    /// Reads one answer and looks at it. Gives what was found and the bytes of the answer.
    pub fn answer<R: Request, T>(
        &mut self,
        version: i16,
        look: impl FnOnce(&R::Response<'_>) -> Result<T, ErrorCode>,
    ) -> io::Result<(T, usize)> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        self.stream.read_exact(&mut self.buffer[..length])?;
        let mut decoder = Decoder::trusting(&self.buffer[..length]);
        let response = decode_response_header(&mut decoder, R::API, version)
            .and_then(|_| R::Response::decode_all(decoder, version))
            .map_err(io::Error::other)?;
        let found =
            look(&response).map_err(|code| io::Error::other(format!("{} was answered {code}", R::API)))?;
        Ok((found, length + 4))
    }

    /// Reads the answer to a Produce.
    pub fn produced(&mut self) -> io::Result<()> {
        self.answer::<ProduceRequest<'_>, _>(request::PRODUCE_VERSION, refused).map(drop)
    }

    /// Makes a topic.
    pub fn create_topic(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> io::Result<()> {
        self.send(&request::create_with(topic, partitions, configs))?;
        let look = |response: &klamm_protocol::CreateTopicsResponse<'_>| {
            let code = response.topics.iter().map(|topic| topic.error_code).find(|code| code.is_err());
            code.map_or(Ok(()), Err)
        };
        self.answer::<CreateTopicsRequest<'_>, _>(request::CREATE_VERSION, look).map(drop)
    }

    /// Asks each partition of a topic for its beginning; an error if one is not served.
    pub fn served(&mut self, topic: &str, partitions: i32) -> io::Result<()> {
        let from: Vec<_> = (0..partitions).map(|partition| (partition, 0)).collect();
        self.send(&request::fetch(topic, &from, 1, 0))?;
        let look = |response: &klamm_protocol::FetchResponse<'_>| {
            let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
            partitions.map(|partition| partition.error_code).find(|code| code.is_err()).map_or(Ok(()), Err)
        };
        self.answer::<FetchRequest<'_>, _>(request::FETCH_VERSION, look).map(drop)
    }

    /// Deletes a topic.
    pub fn delete_topic(&mut self, topic: &str) -> io::Result<()> {
        let delete =
            DeleteTopicsRequest { topic_names: vec![topic.into()], timeout_ms: 30_000, ..Default::default() };
        self.send(&request::frame(DELETE_VERSION, 1, &delete))?;
        let look = |response: &klamm_protocol::DeleteTopicsResponse<'_>| {
            let code = response.responses.iter().map(|topic| topic.error_code).find(|code| code.is_err());
            code.map_or(Ok(()), Err)
        };
        self.answer::<DeleteTopicsRequest<'_>, _>(DELETE_VERSION, look).map(drop)
    }

    /// What a client asks first.
    pub fn greet(&mut self) -> io::Result<()> {
        self.send(&request::frame(0, 1, &ApiVersionsRequest::default()))?;
        self.answer::<ApiVersionsRequest<'_>, ()>(0, |_| Ok(())).map(drop)
    }
}

fn refused(response: &ProduceResponse<'_>) -> Result<(), ErrorCode> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.map(|p| p.error_code).find(|code| code.is_err()).map_or(Ok(()), Err)
}
