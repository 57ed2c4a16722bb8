//! A client's connection: frames of the real codec over the simulated network. Answers come in the order of requests.

use std::{collections::VecDeque, io, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use klamm_env::{Connection, Net};
use klamm_protocol::{
    ApiKey, Decode as _, Decoder, ErrorCode, ListOffsetsRequest, OffsetFetchRequest, Request,
    decode_response_header, encode_request_frame,
    list_offsets::{ListOffsetsPartition, ListOffsetsTopic},
    offset_fetch::OffsetFetchRequestTopic,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Log, env::SimNet};

/// How long a client waits for a connection or an answer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Why a connection is of no use any more. What was asked may or may not have been done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no answer in time")]
    Late,
    /// No correct broker gives it, whatever the network does.
    #[error("an answer that is none: {0}")]
    Answer(String),
}

/// Whether an error of a broker that just starts, or waits for its disk, so that the same may be asked again.
pub(crate) fn passes(error: ErrorCode) -> bool {
    [ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::REQUEST_TIMED_OUT, ErrorCode::KAFKA_STORAGE_ERROR]
        .contains(&error)
}

/// A connection to the broker.
pub(crate) struct Client {
    name: String,
    log: Log,
    connection: Box<dyn Connection>,
    received: BytesMut,
    next: i32,
    patience: Duration,
    asked: VecDeque<(i32, ApiKey, i16)>,
}

/// An answer: its frame, where the body begins in it, its version.
pub(crate) struct Answer {
    frame: Bytes,
    body: usize,
    version: i16,
}

impl Client {
    pub(crate) async fn connect(name: &str, address: &str, net: &SimNet, log: &Log) -> Result<Self, Lost> {
        Self::connect_within(PATIENCE, name, address, net, log).await
    }

    /// Connects, and waits so long for this and for each answer.
    pub(crate) async fn connect_within(
        patience: Duration,
        name: &str,
        address: &str,
        net: &SimNet,
        log: &Log,
    ) -> Result<Self, Lost> {
        let connecting = tokio::time::timeout(patience, net.connect(address));
        let connection = connecting.await.map_err(|_| Lost::Late)??;
        log.note(name, format_args!("connected"));
        let (received, asked) = (BytesMut::new(), VecDeque::new());
        Ok(Self { name: name.to_owned(), log: log.clone(), connection, received, next: 0, patience, asked })
    }

    /// Connects, however long it takes.
    pub(crate) async fn connect_some_time(name: &str, address: &str, net: &SimNet, log: &Log) -> Self {
        loop {
            match Self::connect(name, address, net, log).await {
                Ok(client) => return client,
                Err(lost) => log.note(name, format_args!("not connected: {lost}")),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<(), Lost> {
        let number = self.next;
        self.next += 1;
        let frame = encode_request_frame(version, number, Some(&self.name), request)
            .map_err(|error| Lost::Answer(error.to_string()))?;
        let bytes: usize = frame.iter().map(Bytes::len).sum();
        self.log.note(&self.name, format_args!("asks {} v{version} #{number} {bytes} bytes", R::API));
        self.asked.push_back((number, R::API, version));
        let write = async {
            for piece in &frame {
                self.connection.write_all(piece).await?;
            }
            self.connection.flush().await
        };
        tokio::time::timeout(self.patience, write).await.map_err(|_| Lost::Late)??;
        Ok(())
    }

    /// The answer to the oldest request that has none.
    pub(crate) async fn receive(&mut self) -> Result<Answer, Lost> {
        let (number, api, version) = self.asked.pop_front().expect("something was asked");
        let frame = tokio::time::timeout(self.patience, self.frame()).await.map_err(|_| Lost::Late)??;
        let mut decoder = Decoder::trusting(&frame);
        let header = decode_response_header(&mut decoder, api, version)
            .map_err(|error| Lost::Answer(error.to_string()))?;
        if header.correlation_id != number {
            return Err(Lost::Answer(format!("#{} came for #{number}", header.correlation_id)));
        }
        let crc = klamm_records::crc32c(&frame);
        self.log.note(&self.name, format_args!("is answered #{number} {} bytes {crc:08x}", frame.len()));
        let body = decoder.at();
        Ok(Answer { frame, body, version })
    }

    /// Asks and waits.
    pub(crate) async fn ask<R: Request>(&mut self, version: i16, request: &R) -> Result<Answer, Lost> {
        assert!(self.asked.is_empty(), "one after the other");
        self.send(version, request).await?;
        self.receive().await
    }

    /// Where a partition's log starts.
    pub(crate) async fn log_start(
        &mut self,
        topic: &str,
        index: i32,
    ) -> Result<Result<i64, ErrorCode>, Lost> {
        let partition =
            ListOffsetsPartition { partition_index: index, current_leader_epoch: -1, timestamp: -2 };
        let topics = vec![ListOffsetsTopic { name: topic.to_owned().into(), partitions: vec![partition] }];
        let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
        let answer = self.ask(7, &request).await?;
        let response = answer.decode::<ListOffsetsRequest<'_>>()?;
        let told = response.topics.first().and_then(|topic| topic.partitions.first());
        let told = told.ok_or_else(|| Lost::Answer("not one partition".to_owned()))?;
        Ok(if told.error_code.is_err() { Err(told.error_code) } else { Ok(told.offset) })
    }

    /// What a group has committed for partitions of a topic, in their order.
    pub(crate) async fn committed(
        &mut self,
        group: &str,
        topic: &str,
        indexes: &[i32],
    ) -> Result<Result<Vec<Option<i64>>, ErrorCode>, Lost> {
        let topics =
            vec![OffsetFetchRequestTopic { name: topic.into(), partition_indexes: indexes.to_vec() }];
        let request = OffsetFetchRequest {
            group_id: group.into(),
            topics: Some(topics),
            require_stable: true,
            ..Default::default()
        };
        let answer = self.ask(7, &request).await?;
        let response = answer.decode::<OffsetFetchRequest<'_>>()?;
        if response.error_code.is_err() {
            return Ok(Err(response.error_code));
        }
        let told = response.topics.first().map(|topic| &topic.partitions[..]).unwrap_or_default();
        let mut offsets = Vec::new();
        for index in indexes {
            let told = told.iter().find(|told| told.partition_index == *index);
            let told = told.ok_or_else(|| Lost::Answer(format!("no offset of partition {index}")))?;
            if told.error_code.is_err() {
                return Ok(Err(told.error_code));
            }
            offsets.push(Some(told.committed_offset).filter(|offset| *offset >= 0));
        }
        Ok(Ok(offsets))
    }

    async fn frame(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(length) = self.received.first_chunk::<4>() {
                let length = u32::from_be_bytes(*length) as usize;
                if self.received.len() >= 4 + length {
                    self.received.advance(4);
                    return Ok(self.received.split_to(length).freeze());
                }
            }
            if self.connection.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Answer {
    /// The frame, which what is decoded borrows from.
    pub(crate) fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The body of an answer to `R`.
    pub(crate) fn decode<R: Request>(&self) -> Result<R::Response<'_>, Lost> {
        let mut decoder = Decoder::trusting(&self.frame);
        let header = decode_response_header(&mut decoder, R::API, self.version);
        header.map_err(|error| Lost::Answer(error.to_string()))?;
        debug_assert_eq!(decoder.at(), self.body, "the header is as long as before");
        R::Response::decode_all(decoder, self.version).map_err(|error| Lost::Answer(error.to_string()))
    }
}
