//! The outside of a simulated broker: clock, randomness and network. (The disk is `disk`.)

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use klamm_env::{Clock, Connection, Entropy, Listener, Net};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

use crate::{Dice, Log, Time};

/// 2030-01-01, the wall time at which every run begins.
pub(crate) const WALL_START_MS: i64 = 1_893_456_000_000;

/// Virtual time.
pub(crate) struct SimClock(pub(crate) Time);

impl Clock for SimClock {
    fn wall_ms(&self) -> i64 {
        WALL_START_MS + i64::try_from(self.0.millis()).expect("runs are short") + self.0.skew_ms()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.millis())
    }
}

/// Randomness of a seed.
pub(crate) struct SimEntropy(pub(crate) Mutex<Dice>);

impl Entropy for SimEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill(bytes);
    }
}

/// The network between turmoil's hosts. Writes are cut into segments of seeded sizes.
#[derive(Clone)]
pub(crate) struct SimNet {
    dice: Arc<Mutex<Dice>>,
    log: Log,
    resets: Arc<AtomicBool>,
}

/// The largest segment.
const SEGMENT_BYTES_MAX: u64 = 64 << 10;
/// One in so many writes finds its connection reset.
const RESET_ONE_IN: u64 = 30;

impl SimNet {
    /// A host's end of the network.
    pub(crate) fn new(dice: Dice, log: Log) -> Self {
        Self { dice: Arc::new(Mutex::new(dice)), log, resets: Arc::default() }
    }

    /// Whether its connections are reset now and then.
    pub(crate) fn resetting(self, resets: Arc<AtomicBool>) -> Self {
        Self { resets, ..self }
    }
}

#[async_trait]
impl Net for SimNet {
    async fn listen(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        let listener = TcpListener::bind(address).await?;
        Ok(Box::new(SimListener { listener, net: self.clone() }))
    }

    async fn connect(&self, address: &str) -> io::Result<Box<dyn Connection>> {
        let stream = TcpStream::connect(address).await?;
        Ok(Box::new(SimConnection { stream, net: self.clone() }))
    }
}

struct SimListener {
    listener: TcpListener,
    net: SimNet,
}

#[async_trait]
impl Listener for SimListener {
    async fn accept(&self) -> io::Result<Box<dyn Connection>> {
        let (stream, _) = self.listener.accept().await?;
        Ok(Box::new(SimConnection { stream, net: self.net.clone() }))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

struct SimConnection {
    stream: TcpStream,
    net: SimNet,
}

impl AsyncRead for SimConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for SimConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.net.resets.load(Ordering::Relaxed) && self.net.dice.lock().one_in(RESET_ONE_IN) {
            self.net.log.count("connection reset", 1);
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let most = self.net.dice.lock().within(1..SEGMENT_BYTES_MAX + 1) as usize;
        let some = &bytes[..bytes.len().min(most)];
        Pin::new(&mut self.stream).poll_write(context, some)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connection for SimConnection {
    fn local_address(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    fn peer_address(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}
