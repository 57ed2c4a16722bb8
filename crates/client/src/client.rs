//! The client: connections to brokers, what is known of the cluster, and calls that find their way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use klamm_env::Env;
use klamm_protocol::{ApiKey, ErrorCode, MetadataRequest, Request, metadata::MetadataRequestTopic};
use parking_lot::Mutex;

use crate::{
    Error, Metadata, Result, Topic, TopicPartition,
    backoff::Backoff,
    connection::{Answer, Connection},
};

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to begin, `host:port` each.
    pub bootstrap: Vec<String>,
    /// Its name in the brokers' logs.
    pub client_id: String,
    /// After this time a call gives up.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bootstrap: vec!["127.0.0.1:9092".to_owned()],
            client_id: "klamm".to_owned(),
            timeout: Duration::from_secs(30),
        }
    }
}

/// The longest that connecting takes.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);

/// A client. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env,
    options: Options,
    connections: tokio::sync::Mutex<BTreeMap<String, Arc<Connection>>>,
    metadata: Mutex<Arc<Metadata>>,
}

impl Client {
    /// A client; nothing is connected yet.
    pub fn new(env: Env, options: Options) -> Self {
        let (connections, metadata) = Default::default();
        Self { inner: Arc::new(Inner { env, options, connections, metadata }) }
    }

    /// The outside.
    pub fn env(&self) -> &Env {
        &self.inner.env
    }

    /// After this time a call gives up.
    pub fn timeout(&self) -> Duration {
        self.inner.options.timeout
    }

    /// Where the client begins, for messages.
    pub fn bootstrap(&self) -> String {
        self.inner.options.bootstrap.join(",")
    }

    /// What is known of the cluster.
    pub fn known(&self) -> Arc<Metadata> {
        Arc::clone(&self.inner.metadata.lock())
    }

    /// The connection to an address, made if need be.
    pub(crate) async fn connection(&self, address: &str) -> Result<Arc<Connection>> {
        let mut connections = self.inner.connections.lock().await;
        if let Some(connection) = connections.get(address).filter(|connection| !connection.is_broken()) {
            return Ok(Arc::clone(connection));
        }
        let Options { client_id, timeout, .. } = &self.inner.options;
        let wait_max = CONNECT_WAIT_MAX.min(*timeout);
        let connection = Connection::open(&*self.inner.env.net, address, client_id, wait_max).await?;
        let connection = Arc::new(connection);
        connections.insert(address.to_owned(), Arc::clone(&connection));
        Ok(connection)
    }

    /// A connection to any broker: the first bootstrap address that answers, else one that is known.
    pub(crate) async fn any(&self) -> Result<Arc<Connection>> {
        let mut first = None;
        let known = self.known();
        let known = known.brokers.values().map(|broker| &broker.address);
        for address in self.inner.options.bootstrap.iter().chain(known) {
            match self.connection(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| Error::Other("no bootstrap address was given".to_owned())))
    }

    /// A connection to a broker by its id.
    pub(crate) async fn node(&self, id: i32) -> Result<Arc<Connection>> {
        let address = self.known().brokers.get(&id).map(|broker| broker.address.clone());
        match address {
            Some(address) => self.connection(&address).await,
            None => Err(Error::Refused {
                what: format!("broker {id} is not known"),
                code: ErrorCode::LEADER_NOT_AVAILABLE,
                message: None,
            }),
        }
    }

    /// A connection to the broker that changes the cluster.
    pub(crate) async fn controller(&self) -> Result<Arc<Connection>> {
        let known = self.refresh(Some(&[]), false).await?;
        if known.brokers.contains_key(&known.controller) {
            self.node(known.controller).await
        } else {
            self.any().await
        }
    }

    /// Whether the first broker that answers has the API.
    pub async fn serves(&self, api: ApiKey) -> Result<bool> {
        Ok(self.any().await?.serves(api))
    }

    /// Asks any broker.
    pub(crate) async fn ask_any<R: Request>(&self, request: &R) -> Result<Answer<R>> {
        self.any().await?.ask(request, i16::MAX, self.timeout()).await
    }

    /// When to give up what begins now.
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::until(self.inner.env.clock.monotonic() + self.timeout())
    }

    /// Waits before another try of `what`, or gives the error back: it can't pass, or the deadline would.
    pub(crate) async fn pause(&self, backoff: &mut Backoff, what: &str, error: Error) -> Result<()> {
        if !error.is_retriable() {
            return Err(error);
        }
        let env = &self.inner.env;
        match backoff.wait(env.clock.monotonic(), env.entropy.u64()) {
            Some(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            None => {
                let (what, after) = (what.to_owned(), self.timeout());
                Err(Error::TimedOut { what, after, last: Some(Box::new(error)) })
            }
        }
    }

    /// Asks for metadata: of these topics, or of all. Topics may be made on the way. No retry.
    pub async fn refresh(&self, topics: Option<&[String]>, create: bool) -> Result<Arc<Metadata>> {
        let topic =
            |name: &String| MetadataRequestTopic { name: Some(name.clone().into()), ..Default::default() };
        let request = MetadataRequest {
            topics: topics.map(|topics| topics.iter().map(topic).collect()),
            allow_auto_topic_creation: create,
            ..Default::default()
        };
        let answer = self.ask_any(&request).await?;
        let answer = answer.get()?;
        Error::check(answer.error_code, None, || "asking for metadata".to_owned())?;
        let newer = Metadata::of(&answer);
        let mut known = self.inner.metadata.lock();
        let mut all = Metadata::clone(&known);
        all.update(newer);
        *known = Arc::new(all);
        Ok(Arc::clone(&known))
    }

    /// All topics, with Kafka's own.
    pub async fn topics(&self) -> Result<Vec<Topic>> {
        self.inner.metadata.lock().clone_from(&Arc::default());
        Ok(self.refresh(None, false).await?.topics.values().cloned().collect())
    }

    /// A topic that exists (or is made on the way), every partition led. Retries until the deadline.
    pub async fn topic(&self, name: &str, create: bool) -> Result<Topic> {
        let mut backoff = self.backoff();
        let what = format!("looking for topic {name}");
        loop {
            let error = match self.refresh(Some(&[name.to_owned()]), create).await {
                Ok(known) => match known.topics.get(name) {
                    Some(topic) if topic.error.is_ok() && topic.is_led() => return Ok(topic.clone()),
                    Some(topic) if topic.error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION && !create => {
                        return Err(Error::NoTopic { topic: name.to_owned(), address: self.bootstrap() });
                    }
                    Some(topic) if topic.error.is_err() => {
                        Error::Refused { what: what.clone(), code: topic.error, message: None }
                    }
                    _ => Error::Refused {
                        what: what.clone(),
                        code: ErrorCode::LEADER_NOT_AVAILABLE,
                        message: None,
                    },
                },
                // The first connection tells at once that there is nobody.
                Err(error @ Error::Connect { .. }) => return Err(error),
                Err(error) => error,
            };
            self.pause(&mut backoff, &what, error).await?;
        }
    }

    /// Groups partitions by the broker that leads them; those without a known leader come under `None`.
    pub(crate) fn by_leader<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> BTreeMap<Option<i32>, BTreeSet<&'a TopicPartition>> {
        let known = self.known();
        let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for partition in partitions {
            all.entry(known.leader(partition).map(|broker| broker.id)).or_default().insert(partition);
        }
        all
    }
}
