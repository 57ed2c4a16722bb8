//! A small blocking Kafka client over our own codec, for what real clients never send. Answers borrow from frames that
//! are leaked: a test is short.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use klamm_protocol::{Decode as _, Decoder, Request, decode_response_header, encode_request_frame};

const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// A connection to a broker.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    next: i32,
    /// What requests say of who sends them.
    pub client_id: String,
}

/// A request whose answer is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    version: i16,
    correlation_id: i32,
}

impl Raw {
    /// Connects to `address`.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect(address: &str) -> Raw {
        let stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        stream.set_read_timeout(Some(ANSWER_LIMIT)).expect("a limit");
        stream.set_nodelay(true).expect("a socket");
        Raw { stream, next: 1, client_id: "conformance".into() }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Panics
    /// When there is no answer within 20 s, or it is not one of that version.
    pub fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response<'static> {
        let sent = self.send(version, request);
        self.receive::<R>(sent)
    }

    /// [`Raw::ask`] that gives `None` when the broker closes the connection instead.
    pub fn try_ask<R: Request>(&mut self, version: i16, request: &R) -> Option<R::Response<'static>> {
        let sent = self.send(version, request);
        self.frame().map(|frame| decode::<R>(sent, frame))
    }

    /// Sends a request.
    ///
    /// # Panics
    /// When the version cannot carry it, or the broker is gone.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> Sent {
        let correlation_id = self.next;
        self.next += 1;
        let frame = encode_request_frame(version, correlation_id, Some(&self.client_id), request)
            .unwrap_or_else(|e| panic!("{} v{version}: {e}", R::API));
        self.write(&frame.concat());
        Sent { version, correlation_id }
    }

    /// Waits for the answer to what was sent first of what is not answered yet.
    ///
    /// # Panics
    /// When there is no answer within 20 s, or it is not one of that request.
    pub fn receive<R: Request>(&mut self, sent: Sent) -> R::Response<'static> {
        let frame =
            self.frame().unwrap_or_else(|| panic!("{} v{}: the broker closed it", R::API, sent.version));
        decode::<R>(sent, frame)
    }

    /// Sends bytes as they are. A peer that closed is noticed by what is read, not here.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next frame, without its length; `None` at the end of the connection.
    ///
    /// # Panics
    /// When nothing comes within 20 s.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let length = i32::from_be_bytes(length);
        let mut frame = vec![0; usize::try_from(length).expect("a broker's frame has a length")];
        self.fill(&mut frame)?;
        Some(frame)
    }

    /// Whether the broker sends nothing for so long, and does not close.
    pub fn is_silent_for(&mut self, limit: Duration) -> bool {
        self.stream.set_read_timeout(Some(limit)).expect("a limit");
        let silent = matches!(
            self.stream.peek(&mut [0]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        );
        self.stream.set_read_timeout(Some(ANSWER_LIMIT)).expect("a limit");
        silent
    }

    /// Waits at most `limit` for the broker to close; an answer is a fault.
    pub fn is_closed_within(&mut self, limit: Duration) -> bool {
        self.stream.set_read_timeout(Some(limit)).expect("a limit");
        match self.stream.read(&mut [0; 64]) {
            Ok(bytes) => bytes == 0,
            Err(e) => matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        }
    }

    /// Sends nothing more, and still reads.
    pub fn end_sending(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no answer within {ANSWER_LIMIT:?}")
            }
            Err(_) => None,
        }
    }
}

fn decode<R: Request>(sent: Sent, frame: Vec<u8>) -> R::Response<'static> {
    let what = || format!("{} v{}", R::API, sent.version);
    let frame: &'static [u8] = frame.leak();
    let mut decoder = Decoder::trusting(frame);
    let header = decode_response_header(&mut decoder, R::API, sent.version);
    let header = header.unwrap_or_else(|e| panic!("the header of {}: {e}", what()));
    assert_eq!(header.correlation_id, sent.correlation_id, "the answer of {} is another's", what());
    R::Response::decode_all(decoder, sent.version).unwrap_or_else(|e| panic!("the answer of {}: {e}", what()))
}
