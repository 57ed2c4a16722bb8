//! The shell of the group coordinator: one task drives the pure engine of `klamm-group` with requests, the shard's
//! replies and the clock. It serves only after the shard has loaded, and starts anew when the shard's epoch ends.

mod errors;
mod task;

use std::sync::Arc;

use klamm_env::Env;
use klamm_group::{Answer, Described, Event, GroupConfig, GroupState, GroupType, Groups, Listed, Token};
use klamm_protocol::ErrorCode;
use klamm_shard::{Image, Shard};
use tokio::sync::{mpsc, oneshot};

pub(crate) use errors::code;

/// Requests that may wait for the task.
const QUEUE_MAX: usize = 1024;

/// What the task is asked.
enum Asked {
    Event(Box<dyn FnOnce(Token) -> Event + Send>, oneshot::Sender<Answer>),
    Describe(Vec<String>, oneshot::Sender<Vec<Option<Described>>>),
    List(Option<Vec<GroupState>>, Option<Vec<GroupType>>, oneshot::Sender<Vec<Listed>>),
}

/// The groups of this broker. Cheap to clone.
#[derive(Clone)]
pub struct GroupShard {
    /// Takes records.
    pub shard: Shard<Groups>,
    image: Arc<Image<Groups>>,
    asked: mpsc::Sender<Asked>,
}

impl GroupShard {
    /// Starts the coordinator's task over a shard and its image. It ends when the shard has stopped.
    pub fn start(env: Env, shard: Shard<Groups>, image: Arc<Image<Groups>>, config: GroupConfig) -> Self {
        let (asked, requests) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(task::run(env, shard.clone(), Arc::clone(&image), config, requests));
        Self { shard, image, asked }
    }

    /// The durable state: offsets are read here.
    pub(crate) fn image(&self) -> Arc<Groups> {
        self.image.load()
    }

    /// Gives the coordinator an event and waits for its answer.
    pub(crate) async fn ask(
        &self,
        event: impl FnOnce(Token) -> Event + Send + 'static,
    ) -> Result<Answer, ErrorCode> {
        self.send(|reply| Asked::Event(Box::new(event), reply)).await
    }

    /// Groups as the coordinator knows them; None for those that are not there.
    pub(crate) async fn describe(&self, groups: Vec<String>) -> Result<Vec<Option<Described>>, ErrorCode> {
        self.send(|reply| Asked::Describe(groups, reply)).await
    }

    /// Groups in these states and of these types.
    pub(crate) async fn list(
        &self,
        states: Option<Vec<GroupState>>,
        types: Option<Vec<GroupType>>,
    ) -> Result<Vec<Listed>, ErrorCode> {
        self.send(|reply| Asked::List(states, types, reply)).await
    }

    async fn send<T>(&self, asked: impl FnOnce(oneshot::Sender<T>) -> Asked) -> Result<T, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        self.asked.send(asked(reply)).await.map_err(|_| ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        answer.await.map_err(|_| ErrorCode::NOT_COORDINATOR)
    }
}
