//! A service for tests, and a client. A frame is a letter, a number of milliseconds (two bytes), and a text.
//! `o` overlaps, `a` runs alone: both answer with their frame after that time. `n` has no answer, `c` closes,
//! `p` panics when polled, `P` when called, `f` never ends (alone). `s` answers with `ms` segments, `b` (alone) with
//! as many KiB. `k` overlaps and keeps a mebibyte meanwhile.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{BufMut as _, Bytes};
use klamm_env::{Connection, Env};
use klamm_net::{Answer, Call, Ends, Limits, Server, Service, Session};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{sleep, timeout},
};

/// What happened, in order.
#[derive(Debug, Default, Clone)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, event: impl Into<String>) {
        self.0.lock().unwrap().push(event.into());
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn has(&self, event: &str) -> bool {
        self.events().iter().any(|had| had == event)
    }

    /// Waits until the event happened.
    pub(crate) async fn wait(&self, event: &str) {
        for _ in 0..500 {
            if self.has(event) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{event} did not happen: {:?}", self.events());
    }
}

pub(crate) struct Test(pub(crate) Log);

pub(crate) struct TestSession(Log, Arc<AtomicUsize>);

struct OnDrop(Log, String);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add(format!("drop {}", self.1));
    }
}

impl Service for Test {
    type Session = TestSession;

    fn open(&self, ends: Ends) -> TestSession {
        assert!(ends.local.port() != 0 && ends.peer.port() != 0);
        TestSession(self.0.clone(), Arc::default())
    }
}

impl Session for TestSession {
    fn call(&mut self, frame: Bytes) -> Call {
        if frame[0] == b'n' && frame.len() > 20 {
            return Call { overlaps: true, answer: Box::pin(std::future::ready(Answer::Nothing)) };
        }
        let log = self.0.clone();
        let ms = u16::from_be_bytes([frame[1], frame[2]]);
        let name = String::from_utf8_lossy(&frame[3..frame.len().min(10)]).into_owned();
        log.add(format!("call {name}"));
        if frame[0] == b'P' {
            panic!("as the frame {name} said");
        }
        let overlaps = matches!(frame[0], b'o' | b'n' | b's' | b'k');
        let (kept, beside) = (if frame[0] == b'k' { 1 << 20 } else { 0 }, Arc::clone(&self.1));
        let answer = async move {
            log.add(format!("start {name}"));
            beside.fetch_add(kept, Ordering::Relaxed);
            let guard = OnDrop(log.clone(), name.clone());
            match frame[0] {
                b'n' => return Answer::Nothing,
                b'c' => return Answer::close("as \x1b[31mthe frame\r\n said"),
                b'p' => panic!("as the frame {name} said"),
                b'f' => std::future::pending().await,
                b'b' => return kibibytes(ms.into()),
                b's' => return segments(ms.into()),
                _ => {}
            }
            if ms > 0 {
                sleep(Duration::from_millis(ms.into())).await;
            }
            beside.fetch_sub(kept, Ordering::Relaxed);
            log.add(format!("end {name}"));
            drop(guard);
            Answer::Frame(vec![Bytes::copy_from_slice(&(frame.len() as u32).to_be_bytes()), frame])
        };
        Call { overlaps, answer: Box::pin(answer) }
    }

    fn bytes_beside(&self) -> usize {
        self.1.load(Ordering::Relaxed)
    }
}

fn segments(count: u32) -> Answer {
    let head = Bytes::copy_from_slice(&(2 * count).to_be_bytes());
    Answer::Frame(std::iter::once(head).chain((0..count).map(|n| Bytes::from(vec![n as u8; 2]))).collect())
}

fn kibibytes(count: u32) -> Answer {
    let head = Bytes::copy_from_slice(&(count << 10).to_be_bytes());
    Answer::Frame(vec![head, vec![b'x'; (count as usize) << 10].into()])
}

/// A running server.
pub(crate) struct Setup {
    pub(crate) env: Env,
    pub(crate) server: Server,
    pub(crate) log: Log,
}

impl Setup {
    pub(crate) async fn new(limits: Limits) -> Self {
        let env = Env::os();
        let log = Log::default();
        let listener = env.net.listen("127.0.0.1:0").await.unwrap();
        let service = Arc::new(Test(log.clone()));
        let server = Server::start(listener, service, limits, Arc::clone(&env.clock)).unwrap();
        Self { env, server, log }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.local_address()
    }

    pub(crate) async fn client(&self) -> Client {
        Client(self.env.net.connect(&self.address().to_string()).await.unwrap())
    }
}

pub(crate) struct Client(pub(crate) Box<dyn Connection>);

/// The bytes of a frame.
pub(crate) fn frame(letter: u8, ms: u16, text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_u32(3 + text.len() as u32);
    bytes.put_u8(letter);
    bytes.put_u16(ms);
    bytes.put_slice(text);
    bytes
}

impl Client {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next answer without its length; `None` at the end of the connection.
    pub(crate) async fn answer(&mut self) -> Option<Vec<u8>> {
        let answer = async {
            let length = self.0.read_u32().await.ok()?;
            let mut bytes = vec![0; length as usize];
            self.0.read_exact(&mut bytes).await.ok()?;
            Some(bytes)
        };
        timeout(Duration::from_secs(20), answer).await.expect("an answer, or the end, in time")
    }

    /// The text of the next answer.
    pub(crate) async fn text(&mut self) -> Option<String> {
        self.answer().await.map(|bytes| String::from_utf8(bytes[3..].to_vec()).unwrap())
    }
}
