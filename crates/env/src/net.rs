//! TCP. A listener gives connections; a connection is a byte stream that knows both its addresses.

use std::{io, net::SocketAddr};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A network.
#[async_trait]
pub trait Net: Send + Sync {
    /// Listens on `address` (`host:port`; port 0 chooses one).
    async fn listen(&self, address: &str) -> io::Result<Box<dyn Listener>>;
    /// Connects to `address` (`host:port`).
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Connection>>;
}

/// A listening socket.
#[async_trait]
pub trait Listener: Send + Sync {
    /// The next connection. Cancel safe.
    async fn accept(&self) -> io::Result<Box<dyn Connection>>;
    /// Where it listens.
    fn local_address(&self) -> io::Result<SocketAddr>;
}

/// A connection.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {
    /// This end, as the other end reached it.
    fn local_address(&self) -> io::Result<SocketAddr>;
    /// The other end.
    fn peer_address(&self) -> io::Result<SocketAddr>;
}
