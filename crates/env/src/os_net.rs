//! The operating system's TCP, without Nagle's delay.

use std::{io, net::SocketAddr};

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpStream};

use crate::{Connection, Listener, Net};

/// TCP of the operating system.
#[derive(Debug)]
pub struct OsNet;

#[async_trait]
impl Net for OsNet {
    async fn listen(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(OsListener(TcpListener::bind(address).await?)))
    }

    async fn connect(&self, address: &str) -> io::Result<Box<dyn Connection>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

struct OsListener(TcpListener);

#[async_trait]
impl Listener for OsListener {
    async fn accept(&self) -> io::Result<Box<dyn Connection>> {
        let (stream, _) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connection for TcpStream {
    fn local_address(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn peer_address(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }
}
