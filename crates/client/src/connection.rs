//! One connection to one broker. Calls overlap; answers come in the order of the calls, as Kafka promises.
//!
//! Invariant: a frame is written whole or the connection is given up: a task of its own writes, so that a caller who
//! stops waiting cuts nothing.

use std::{
    io,
    marker::PhantomData,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use klamm_env::Net;
use klamm_protocol::{
    ApiKey, ApiVersionsRequest, Decode as _, Decoder, ErrorCode, Request, decode_response_header,
    encode_request_frame,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    Error, Result,
    versions::{Missing, Versions},
};

/// Calls under way on a connection.
const CALLS_MAX: usize = 64;
/// The longest answer that is believed.
const FRAME_BYTES_MAX: usize = 1 << 30;

/// A connection whose versions are negotiated.
pub(crate) struct Connection {
    pub(crate) address: String,
    versions: Versions,
    client_id: String,
    correlation: AtomicI32,
    calls: mpsc::Sender<Call>,
    broken: Arc<OnceLock<String>>,
}

struct Call {
    correlation: i32,
    frame: Vec<Bytes>,
    /// Whether the broker answers; if not, the reply is empty and comes when the frame is written.
    answered: bool,
    reply: oneshot::Sender<Bytes>,
}

/// An answer that owns its frame.
pub(crate) struct Answer<R> {
    address: String,
    frame: Bytes,
    version: i16,
    of: PhantomData<fn() -> R>,
}

impl<R: Request> Answer<R> {
    /// Reads it.
    pub(crate) fn get(&self) -> Result<R::Response<'_>> {
        let mut decoder = Decoder::trusting(&self.frame);
        decode_response_header(&mut decoder, R::API, self.version)
            .and_then(|_| R::Response::decode(&mut decoder, self.version))
            .map_err(|problem| Error::Malformed {
                address: self.address.clone(),
                api: R::API,
                problem: problem.to_string(),
            })
    }

    /// The frame it borrows from.
    pub(crate) fn frame(&self) -> &Bytes {
        &self.frame
    }
}

impl Connection {
    /// Connects and asks what is served.
    pub(crate) async fn open(
        net: &dyn Net,
        address: &str,
        client_id: &str,
        wait_max: Duration,
    ) -> Result<Self> {
        let no = |error| Error::Connect { address: address.to_owned(), error };
        let stream = match timeout(wait_max, net.connect(address)).await {
            Ok(stream) => stream.map_err(no)?,
            Err(_) => return Err(no(io::Error::from(io::ErrorKind::TimedOut))),
        };
        let (calls, queue) = mpsc::channel(CALLS_MAX);
        let broken = Arc::new(OnceLock::new());
        tokio::spawn(run(stream, queue, Arc::clone(&broken)));
        let mut connection = Self {
            address: address.to_owned(),
            versions: Versions::default(),
            client_id: client_id.to_owned(),
            correlation: AtomicI32::new(0),
            calls,
            broken,
        };
        connection.negotiate(wait_max).await?;
        Ok(connection)
    }

    /// An old broker answers a new version in version 0, with an error and what it has.
    async fn negotiate(&mut self, wait_max: Duration) -> Result<()> {
        let mut version = ApiKey::ApiVersions.version_max();
        loop {
            let request = ApiVersionsRequest {
                client_software_name: "klamm".into(),
                client_software_version: env!("CARGO_PKG_VERSION").into(),
            };
            let mut answer = self.call(&request, version, wait_max).await?;
            let code = answer.frame.get(4..6).map_or(0, |code| i16::from_be_bytes([code[0], code[1]]));
            let old = ErrorCode(code) == ErrorCode::UNSUPPORTED_VERSION && version > 0;
            if old {
                answer.version = 0;
            }
            let told = answer.get()?;
            let served = Versions::new(
                told.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)),
            );
            if old {
                version = served.pick(ApiKey::ApiVersions, version - 1).unwrap_or(0);
                continue;
            }
            let what = || format!("negotiating versions with {}", self.address);
            Error::check(told.error_code, None, what)?;
            self.versions = served;
            return Ok(());
        }
    }

    /// Whether calls can't succeed any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.calls.is_closed()
    }

    /// Whether the broker has the API.
    pub(crate) fn serves(&self, api: ApiKey) -> bool {
        self.versions.serves(api)
    }

    /// The version to speak, up to `cap`.
    pub(crate) fn version(&self, api: ApiKey, cap: i16) -> Result<i16> {
        let address = self.address.clone();
        self.versions.pick(api, cap).map_err(|missing| match missing {
            Missing::Api => Error::NotServed { address, api },
            Missing::Version(theirs) => {
                let ours = (api.version_min(), api.version_max().min(cap));
                Error::NoCommonVersion { address, api, theirs, ours }
            }
        })
    }

    /// Asks in the highest common version up to `cap`.
    pub(crate) async fn ask<R: Request>(
        &self,
        request: &R,
        cap: i16,
        wait_max: Duration,
    ) -> Result<Answer<R>> {
        let version = self.version(R::API, cap)?;
        self.call(request, version, wait_max).await
    }

    /// Sends what is not answered (Produce with acks=0).
    pub(crate) async fn tell<R: Request>(&self, request: &R, wait_max: Duration) -> Result<()> {
        let version = self.version(R::API, i16::MAX)?;
        self.send(request, version, false, wait_max).await.map(|_| ())
    }

    async fn call<R: Request>(&self, request: &R, version: i16, wait_max: Duration) -> Result<Answer<R>> {
        let frame = self.send(request, version, true, wait_max).await?;
        Ok(Answer { address: self.address.clone(), frame, version, of: PhantomData })
    }

    async fn send<R: Request>(
        &self,
        request: &R,
        version: i16,
        answered: bool,
        wait_max: Duration,
    ) -> Result<Bytes> {
        let correlation = self.correlation.fetch_add(1, Ordering::Relaxed);
        let frame = encode_request_frame(version, correlation, Some(&self.client_id), request)
            .map_err(|error| Error::Other(format!("the {} request can't be written: {error}", R::API)))?;
        let (reply, answer) = oneshot::channel();
        let call = Call { correlation, frame, answered, reply };
        let done = async {
            self.calls.send(call).await.ok()?;
            answer.await.ok()
        };
        match timeout(wait_max, done).await {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => {
                let why = self.broken.get().cloned().unwrap_or_else(|| "it was closed".to_owned());
                Err(Error::Closed { address: self.address.clone(), why })
            }
            Err(_) => Err(Error::TimedOut {
                what: format!("{} at {}", R::API, self.address),
                after: wait_max,
                last: None,
            }),
        }
    }
}

type Stream = Box<dyn klamm_env::Connection>;

async fn run(stream: Stream, mut queue: mpsc::Receiver<Call>, broken: Arc<OnceLock<String>>) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (sent, mut waiting) = mpsc::channel::<(i32, oneshot::Sender<Bytes>)>(CALLS_MAX);
    let writing = async {
        while let Some(call) = queue.recv().await {
            let mut reply = Some(call.reply);
            if call.answered {
                let _ = sent.send((call.correlation, reply.take().expect("it was there"))).await;
            }
            for piece in &call.frame {
                writer.write_all(piece).await?;
            }
            writer.flush().await?;
            if let Some(reply) = reply {
                let _ = reply.send(Bytes::new());
            }
        }
        Ok(())
    };
    let reading = async {
        while let Some((correlation, reply)) = waiting.recv().await {
            let frame = read_frame(&mut reader).await?;
            if frame.get(..4) != Some(&correlation.to_be_bytes()) {
                return Err(io::Error::other("an answer belongs to no question; is it a Kafka broker?"));
            }
            let _ = reply.send(frame);
        }
        Ok(())
    };
    let ended: io::Result<()> = tokio::select! { biased;
        ended = reading => ended,
        ended = writing => ended,
    };
    if let Err(error) = ended {
        let why = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the broker closed it".to_owned(),
            _ => error.to_string(),
        };
        let _ = broken.set(why);
    }
    // Dropping the queue tells all who wait.
}

async fn read_frame(reader: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<Bytes> {
    let length = reader.read_i32().await?;
    let length = usize::try_from(length).ok().filter(|length| (4..=FRAME_BYTES_MAX).contains(length));
    let length =
        length.ok_or_else(|| io::Error::other("an answer of absurd length; is it a Kafka broker?"))?;
    let mut frame = Vec::new();
    // Grows with what comes, not with what is announced.
    let read = reader.take(length as u64).read_to_end(&mut frame).await?;
    if read < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(frame.into()) }
}
