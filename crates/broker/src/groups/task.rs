//! The task. Invariant: commands reach the shard's queue in the order of the engine's outputs; when a command was fenced or
//! got no answer, the engine is unloaded (all who wait are told NOT_COORDINATOR) and loaded again from the durable image.

use std::{collections::HashMap, future::poll_fn, sync::Arc, task::Poll, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use klamm_env::Env;
use klamm_group::{Answer, Coordinator, Event, GroupConfig, Groups, Output, Reply, Ticket, Token};
use klamm_shard::{Image, Shard};
use tokio::sync::{mpsc, oneshot};

use super::Asked;

type Write = BoxFuture<'static, (Ticket, Option<Reply>)>;

/// What the engine's outputs need.
struct Desk {
    shard: Shard<Groups>,
    waiting: HashMap<Token, oneshot::Sender<Answer>>,
    tokens: u64,
    writes: FuturesUnordered<Write>,
}

impl Desk {
    async fn perform(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Answer(token, answer) => {
                    if let Some(reply) = self.waiting.remove(&token) {
                        // The asker may be gone; that is its own affair.
                        let _ = reply.send(answer);
                    }
                }
                Output::Submit(ticket, command) => {
                    let shard = self.shard.clone();
                    let mut write = async move { (ticket, shard.ask(command).await.ok()) }.boxed();
                    // The first poll queues the command.
                    let write = match poll_fn(|context| Poll::Ready(write.as_mut().poll(context))).await {
                        Poll::Ready(done) => std::future::ready(done).boxed(),
                        Poll::Pending => write,
                    };
                    self.writes.push(write);
                }
            }
        }
    }
}

pub(super) async fn run(
    env: Env,
    shard: Shard<Groups>,
    image: Arc<Image<Groups>>,
    config: GroupConfig,
    mut requests: mpsc::Receiver<Asked>,
) {
    // Once the shard has stopped, requests find the channel closed.
    while let Ok(epoch) = shard.ready().await {
        let now_ms = || u64::try_from(env.clock.monotonic().as_millis()).unwrap_or(u64::MAX);
        let (mut coordinator, outputs) = Coordinator::load(epoch, config.clone(), &image.load(), now_ms());
        let mut desk = Desk {
            shard: shard.clone(),
            waiting: HashMap::new(),
            tokens: 0,
            writes: FuturesUnordered::new(),
        };
        desk.perform(outputs).await;
        loop {
            let wait = coordinator.deadline_ms().map_or(Duration::from_secs(3600), |deadline| {
                Duration::from_millis(deadline.saturating_sub(now_ms()))
            });
            let event = tokio::select! { biased;
                Some((ticket, reply)) = desk.writes.next(), if !desk.writes.is_empty() => {
                    if matches!(reply, None | Some(Reply::Fenced)) {
                        break;
                    }
                    Event::Written(ticket, reply)
                }
                asked = requests.recv() => match asked {
                    None => return,
                    Some(Asked::Event(event, reply)) => {
                        desk.tokens += 1;
                        let token = Token(desk.tokens);
                        desk.waiting.insert(token, reply);
                        event(token)
                    }
                    Some(Asked::Describe(groups, reply)) => {
                        let _ = reply.send(groups.iter().map(|group| coordinator.describe(group)).collect());
                        continue;
                    }
                    Some(Asked::List(states, types, reply)) => {
                        let _ = reply.send(coordinator.list(states.as_deref(), types.as_deref()));
                        continue;
                    }
                },
                () = tokio::time::sleep(wait) => Event::Tick,
            };
            let outputs = coordinator.step(event, now_ms());
            desk.perform(outputs).await;
        }
        // The simulator knows it by these words (`sim/src/log.rs`).
        tracing::warn!("the group coordinator lost its shard; loading again");
        desk.perform(coordinator.unload()).await;
        // The shard says that it is loading before it drops requests; do not spin meanwhile.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
