//! The accepting task, and the server's end.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use klamm_env::{Clock, Connection, Listener};
use tokio::task::JoinHandle;
use tracing::{debug, error, warn};

use crate::{
    calls::guard,
    connection::Driver,
    counters::{Counts, add},
    limits::Limits,
    registry::{Admitted, Shared},
    service::{Ends, Service},
    signals::Order,
};

/// The pause after an error of accepting, doubled with each that follows.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// A server: one task accepts, and one serves each connection. Dropping it closes all at once.
pub struct Server {
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    local: SocketAddr,
}

impl Server {
    /// Serves `service` on `listener`, in tasks of the current runtime. Fails when the listener has no address.
    pub fn start<S: Service>(
        listener: Box<dyn Listener>,
        service: Arc<S>,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let local = listener.local_address()?;
        let shared = Arc::new(Shared::new(limits, clock));
        let accepting = tokio::spawn(accept(listener, service, Arc::clone(&shared), local));
        Ok(Self { shared, accepting: Mutex::new(Some(accepting)), local })
    }

    /// Where it listens.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// What it counted.
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }

    /// Stops accepting and reading, lets the calls under way be answered for at most `grace`, then closes.
    pub async fn shutdown(&self, grace: Duration) {
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // An error says that it was aborted.
            let _ = accepting.await;
        }
        self.shared.give(Order::Drain);
        if tokio::time::timeout(grace, self.shared.all_closed()).await.is_err() {
            self.shared.give(Order::Kill);
            self.shared.all_closed().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(accepting) = accepting {
            accepting.abort();
        }
        self.shared.give(Order::Kill);
    }
}

async fn accept<S: Service>(
    listener: Box<dyn Listener>,
    service: Arc<S>,
    shared: Arc<Shared>,
    local: SocketAddr,
) {
    let mut pause = BACKOFF_MIN;
    loop {
        match listener.accept().await {
            Ok(connection) => {
                pause = BACKOFF_MIN;
                admit(connection, &*service, &shared, local);
            }
            Err(error) => {
                add(&shared.counters.accept_errors, 1);
                if let Some(suppressed) = shared.refusals.speak(shared.clock.monotonic()) {
                    warn!(%error, suppressed, "cannot accept connections; trying again");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF_MAX);
            }
        }
    }
}

fn admit<S: Service>(
    connection: Box<dyn Connection>,
    service: &S,
    shared: &Arc<Shared>,
    listener: SocketAddr,
) {
    let Ok(peer) = connection.peer_address() else {
        return debug!("a connection was gone before it was accepted");
    };
    let admitted: Admitted = match shared.admit(peer) {
        Ok(admitted) => admitted,
        Err(refused) => {
            if let Some(suppressed) = shared.refusals.speak(shared.clock.monotonic()) {
                warn!(%peer, limit = ?refused, suppressed, "connection refused: too many");
            }
            return;
        }
    };
    let local = connection.local_address().unwrap_or(listener);
    let ends = Ends { connection: admitted.id, local, peer };
    match guard(|| service.open(ends)) {
        Ok(session) => {
            tokio::spawn(Driver::new(connection, session, admitted, peer).run());
        }
        Err(panic) => {
            add(&shared.counters.panics, 1);
            error!(%peer, panic = %panic.0.escape_debug(), "opening a session panicked");
        }
    }
}
