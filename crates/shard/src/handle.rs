//! The handle of a shard. Requests are taken up in the order in which their `submit` was first polled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use klamm_machine::Machine;
use klamm_model::{Epoch, Slot};
use tokio::sync::{mpsc, oneshot, watch};

/// Requests that may wait in the queue.
pub(crate) const QUEUE_MAX: usize = 1024;

/// When a reply is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// When the entry was handed to the device (Kafka's `acks=1`).
    Written,
    /// When the entry is durable (Kafka's `acks=all`).
    Durable,
}

/// What a shard is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardState {
    /// Taking over and replaying.
    Loading,
    /// Answering, in this epoch.
    Serving(Epoch),
    /// Damaged; it serves nothing.
    Halted(String),
    /// Stopped in good order.
    Stopped,
}

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// The shard is not serving, or stopped serving with the request under way: it may have taken effect.
    #[error("the shard is not serving")]
    NotServing,
    /// The shard did not take the request up in time; it has no effect.
    #[error("the shard's queue is full")]
    Busy,
}

pub(crate) struct Request<M: Machine> {
    pub(crate) commands: Vec<M::Command>,
    /// See [`Shard::submit_shared`].
    pub(crate) pinned_bytes: usize,
    pub(crate) ack: Ack,
    pub(crate) reply: oneshot::Sender<Vec<M::Reply>>,
}

/// The handle of a shard. Cheap to clone; the shard stops when [`Shard::stop`] was called or all handles are gone.
pub struct Shard<M: Machine> {
    pub(crate) queue: mpsc::Sender<Request<M>>,
    pub(crate) state: watch::Receiver<ShardState>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) durable: Arc<AtomicU64>,
}

impl<M: Machine> Clone for Shard<M> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            state: self.state.clone(),
            stop: self.stop.clone(),
            durable: Arc::clone(&self.durable),
        }
    }
}

impl<M: Machine> Shard<M> {
    /// Asks for commands to be carried out together, in order, and gives their replies.
    pub async fn submit(&self, commands: Vec<M::Command>, ack: Ack) -> Result<Vec<M::Reply>, ShardError> {
        self.submit_shared(commands, ack, 0).await
    }

    /// [`Self::submit`] of commands whose bytes are parts of a frame. Sharing them keeps `pinned_bytes` in memory; where what
    /// is appended in the end is less than half of that, it is copied instead.
    pub async fn submit_shared(
        &self,
        commands: Vec<M::Command>,
        ack: Ack,
        pinned_bytes: usize,
    ) -> Result<Vec<M::Reply>, ShardError> {
        const QUEUE_WAIT: Duration = Duration::from_secs(30);
        let (reply, answer) = oneshot::channel();
        let request = Request { commands, pinned_bytes, ack, reply };
        match self.queue.try_send(request) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(ShardError::NotServing),
            Err(mpsc::error::TrySendError::Full(request)) => {
                match tokio::time::timeout(QUEUE_WAIT, self.queue.send(request)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(ShardError::NotServing),
                    Err(_) => return Err(ShardError::Busy),
                }
            }
        }
        answer.await.map_err(|_| ShardError::NotServing)
    }

    /// One command.
    pub async fn ask(&self, command: M::Command) -> Result<M::Reply, ShardError> {
        let mut replies = self.submit(vec![command], Ack::Durable).await?;
        Ok(replies.pop().expect("one reply a command"))
    }

    /// Waits until everything that was answered before this call is durable, so that readers see it: an [`Ack::Written`]
    /// answer comes ahead of the device.
    pub async fn settled(&self) -> Result<(), ShardError> {
        self.submit(Vec::new(), Ack::Durable).await.map(drop)
    }

    /// All slots of the journal below this one are durable, as far as this owner knows.
    pub fn durable(&self) -> Slot {
        Slot(self.durable.load(Ordering::Acquire))
    }

    /// What the shard is doing.
    pub fn state(&self) -> ShardState {
        self.state.borrow().clone()
    }

    /// Waits until the shard serves; the error says why it does not.
    pub async fn ready(&self) -> Result<Epoch, String> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, ShardState::Loading)).await;
        match settled.as_deref() {
            Ok(ShardState::Serving(epoch)) => Ok(*epoch),
            Ok(ShardState::Halted(why)) => Err(why.clone()),
            _ => Err("the shard was stopped".to_owned()),
        }
    }

    /// Waits until the shard halts, and says why. Of a shard that is stopped in good order it never tells.
    pub async fn halted(&self) -> String {
        let mut state = self.state.clone();
        let halted = state.wait_for(|state| matches!(state, ShardState::Halted(_))).await;
        if let Ok(ShardState::Halted(why)) = halted.as_deref() {
            return why.clone();
        }
        std::future::pending().await
    }

    /// Stops taking requests up, lets what is in flight become durable, and waits for the end.
    pub async fn stop(&self) {
        let _ = self.stop.send(true);
        let mut state = self.state.clone();
        let _ = state.wait_for(|state| matches!(state, ShardState::Stopped | ShardState::Halted(_))).await;
    }
}
