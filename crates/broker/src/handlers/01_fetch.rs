//! Fetch v4-18: long polling, sessions (KIP-227), topics by id (v13). `read_committed` reads to the last stable offset,
//! which is the high watermark: there are no transactions. Left out: followers (a replica id is refused), diverging
//! epochs, preferred read replicas; more than 10,000 partitions that are not there.

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;
use klamm_model::{Bug, planted};
use klamm_protocol::{
    ErrorCode, FetchRequest, FetchResponse, Records, Str,
    fetch::{FetchTopic, FetchableTopicResponse, PartitionData},
};

use crate::{
    Broker,
    authorizer::{Operation, Resource},
    fetch::{Bounds, Outcome},
    fetch_sessions::{FetchSession, PartitionKey, Wanted, WantedPartitions},
    repeats::Unknown,
    session::{Incoming, Stop, TOPIC_IDS_SINCE},
};

/// The session epoch that asks for no session.
const SESSIONLESS: i32 = -1;

/// What kind of fetch it is.
enum Mode {
    /// All partitions are named and answered; a session is begun if the client wants one.
    Full { begin: bool },
    /// The partitions of a session, changed by the request; only what changed is answered.
    Incremental(FetchSession),
}

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: FetchRequest<'a>,
) -> Result<FetchResponse<'a>, Stop> {
    let broker = &incoming.broker;
    let mut named = wanted(incoming, &request)?;
    let refuse = |error_code| Ok(refused(incoming.version, &request, error_code));
    let follower = request.replica_id >= 0 || request.replica_state.replica_id >= 0;
    if follower && !incoming.may(Operation::ClusterAction, Resource::Cluster) {
        return refuse(ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    }
    let bounds = Bounds {
        wait: Duration::from_millis(request.max_wait_ms.max(0).unsigned_abs().into()),
        bytes_min: request.min_bytes.max(0).unsigned_abs().into(),
        bytes_max: (request.max_bytes.max(0).unsigned_abs() as usize).min(broker.config.fetch_bytes_max),
    };
    let sessions = &broker.fetch_sessions;
    let now = || broker.env.clock.monotonic();
    let mode = match (request.session_id, request.session_epoch) {
        (id, SESSIONLESS | 0) => {
            sessions.end(id);
            Mode::Full { begin: request.session_epoch == 0 && !named.is_empty() }
        }
        (id, epoch) => match sessions.take(id, epoch) {
            Ok(session) => Mode::Incremental(session),
            Err(error_code) => return refuse(error_code),
        },
    };
    match mode {
        Mode::Full { begin } => {
            let outcomes = Broker::fetch(incoming, &named, &bounds).await;
            tell(&mut named, &outcomes);
            let mut response = respond(&request, &named, outcomes);
            if begin {
                let session = sessions.begin(named, now(), || broker.env.entropy.u64());
                response.session_id = session.unwrap_or(0);
            }
            Ok(response)
        }
        Mode::Incremental(mut session) => {
            change(&mut session.partitions, named, &request);
            // A fetch that is dropped while it waits leaves the session as it was.
            let mut borrowed = Borrowed { incoming, session: Some(session) };
            let session = borrowed.session.as_mut().expect("put back below");
            let mut outcomes = Broker::fetch(incoming, &session.partitions, &bounds).await;
            outcomes.retain(|outcome| {
                let known = session.partitions[outcome.place].told;
                if planted(Bug::SessionForgetsChange)
                    && known.is_some_and(|known| known.1 == outcome.log_start)
                {
                    return false;
                }
                outcome.error.is_err()
                    || outcome.bytes > 0
                    || known != Some((outcome.high_watermark, outcome.log_start))
            });
            tell(&mut session.partitions, &outcomes);
            let gave: Vec<_> =
                outcomes.iter().filter(|outcome| outcome.bytes > 0).map(|outcome| outcome.place).collect();
            let response = respond(&request, &session.partitions, outcomes);
            // Partitions that gave data are served last next time.
            for (moved, place) in gave.into_iter().enumerate() {
                session.partitions.move_index(place - moved, session.partitions.len() - 1);
            }
            Ok(FetchResponse { session_id: session.id, ..response })
        }
    }
}

/// What is said of partitions that are not there.
const UNKNOWN: [ErrorCode; 2] = [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::UNKNOWN_TOPIC_ID];

/// Nothing but a code. Versions that know no code but those of partitions get it there (as in Kafka, up to v12).
fn refused<'a>(version: i16, request: &FetchRequest<'a>, error_code: ErrorCode) -> FetchResponse<'a> {
    let partition = |index| PartitionData {
        partition_index: index,
        error_code,
        high_watermark: -1,
        aborted_transactions: Some(Vec::new()),
        records: Some(Records::default()),
        ..Default::default()
    };
    let topic = |asked: &FetchTopic<'a>| FetchableTopicResponse {
        topic: asked.topic.clone(),
        partitions: asked.partitions.iter().map(|asked| partition(asked.partition)).collect(),
        ..Default::default()
    };
    let named = request.topics.iter().filter(|_| version < TOPIC_IDS_SINCE);
    FetchResponse { error_code, responses: named.map(topic).collect(), ..Default::default() }
}

/// Puts the session back, also when the fetch is dropped.
struct Borrowed<'a> {
    incoming: &'a Incoming,
    session: Option<FetchSession>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let broker = &self.incoming.broker;
        if let Some(session) = self.session.take() {
            broker.fetch_sessions.put_back(session, broker.env.clock.monotonic());
        }
    }
}

/// The partitions that are named.
fn wanted(incoming: &Incoming, request: &FetchRequest<'_>) -> Result<WantedPartitions, Stop> {
    let (mut wanted, mut unknown) = (IndexMap::new(), Unknown::default());
    for topic in &request.topics {
        let name: Arc<str> = Arc::from(&*topic.topic);
        let known = incoming.topic(Operation::Read, &topic.topic, topic.topic_id);
        for partition in &topic.partitions {
            if !known.as_ref().is_ok_and(|topic| topic.has(partition.partition)) {
                unknown.one()?;
            }
            let key =
                PartitionKey { name: Arc::clone(&name), id: topic.topic_id, index: partition.partition };
            wanted.insert(
                key,
                Wanted {
                    leader_epoch: partition.current_leader_epoch,
                    offset: partition.fetch_offset,
                    bytes_max: partition.partition_max_bytes,
                    told: None,
                },
            );
        }
    }
    Ok(wanted)
}

/// Changes a session's partitions as the request says.
fn change(partitions: &mut WantedPartitions, named: WantedPartitions, request: &FetchRequest<'_>) {
    for (key, new) in named {
        let told = partitions.get(&key).and_then(|known| known.told);
        partitions.insert(key, Wanted { told, ..new });
    }
    for topic in &request.forgotten_topics_data {
        let name: Arc<str> = Arc::from(&*topic.topic);
        for index in &topic.partitions {
            let key = PartitionKey { name: Arc::clone(&name), id: topic.topic_id, index: *index };
            partitions.shift_remove(&key);
        }
    }
}

/// Notes what the client is told now.
fn tell(partitions: &mut WantedPartitions, outcomes: &[Outcome]) {
    for outcome in outcomes {
        partitions[outcome.place].told =
            outcome.error.is_ok().then_some((outcome.high_watermark, outcome.log_start));
    }
}

/// The answer, of no session yet.
fn respond<'a>(
    request: &FetchRequest<'a>,
    wanted: &WantedPartitions,
    outcomes: Vec<Outcome>,
) -> FetchResponse<'a> {
    let key = |outcome: &Outcome| wanted.get_index(outcome.place).expect("each outcome was wanted").0;
    let same = |a: &Outcome, b: &Outcome| (&key(a).name, key(a).id) == (&key(b).name, key(b).id);
    let runs: Vec<usize> = outcomes.chunk_by(same).map(<[Outcome]>::len).collect();
    let mut outcomes = outcomes.into_iter();
    let mut responses: Vec<FetchableTopicResponse<'a>> = Vec::with_capacity(runs.len());
    for run in runs {
        let first = key(&outcomes.as_slice()[0]);
        let (topic, topic_id) = (Str::Owned(first.name.to_string()), first.id);
        let partition = |outcome: Outcome| PartitionData {
            partition_index: key(&outcome).index,
            error_code: outcome.error,
            high_watermark: outcome.high_watermark,
            last_stable_offset: outcome.high_watermark,
            log_start_offset: outcome.log_start,
            // As Kafka: none are told where none were asked for, but of a partition that is not there.
            aborted_transactions: (request.isolation_level == 1 || UNKNOWN.contains(&outcome.error))
                .then(Vec::new),
            preferred_read_replica: -1,
            records: Some(Records::Segments(outcome.pieces)),
            ..Default::default()
        };
        let partitions = outcomes.by_ref().take(run).map(partition).collect();
        responses.push(FetchableTopicResponse { topic, topic_id, partitions });
    }
    FetchResponse { responses, ..Default::default() }
}
