//! Fetch v4-18: long polling, sessions (KIP-227), topics by id (v13). `read_committed` reads to the last stable offset,
//! which is the high watermark: there are no transactions. Left out: followers (a replica id is refused), diverging
//! epochs, preferred read replicas.

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;
use klamm_protocol::{
    ErrorCode, FetchRequest, FetchResponse, Records, Str, Uuid,
    fetch::{FetchableTopicResponse, PartitionData},
};

use crate::{
    Broker,
    authorizer::{Operation, Resource},
    fetch::{Bounds, Outcome},
    session::{Incoming, Stop},
    sessions::{FetchSession, PartitionKey, Wanted, WantedPartitions},
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
    let refuse = |error_code| Ok(FetchResponse { error_code, ..Default::default() });
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
    let named = wanted(&request);
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
            let mut session_id = 0;
            if begin {
                let mut partitions = named;
                tell(&mut partitions, &outcomes);
                session_id = sessions.begin(partitions, now(), || broker.env.entropy.u64()).unwrap_or(0);
            }
            Ok(respond(&request, session_id, outcomes))
        }
        Mode::Incremental(mut session) => {
            change(&mut session.partitions, named, &request);
            // A fetch that is dropped while it waits leaves the session as it was.
            let mut borrowed = Borrowed { incoming, session: Some(session) };
            let session = borrowed.session.as_mut().expect("put back below");
            let mut outcomes = Broker::fetch(incoming, &session.partitions, &bounds).await;
            outcomes.retain(|outcome| {
                let known = session.partitions.get(&outcome.key).and_then(|wanted| wanted.told);
                outcome.error.is_err()
                    || outcome.bytes > 0
                    || known != Some((outcome.high_watermark, outcome.log_start))
            });
            tell(&mut session.partitions, &outcomes);
            // Partitions that gave data are served last next time.
            for outcome in outcomes.iter().filter(|outcome| outcome.bytes > 0) {
                if let Some((key, wanted)) = session.partitions.shift_remove_entry(&outcome.key) {
                    session.partitions.insert(key, wanted);
                }
            }
            let id = session.id;
            Ok(respond(&request, id, outcomes))
        }
    }
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

fn wanted(request: &FetchRequest<'_>) -> WantedPartitions {
    let mut wanted = IndexMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let key = PartitionKey::new(&topic.topic, topic.topic_id, partition.partition);
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
    wanted
}

/// Changes a session's partitions as the request says.
fn change(partitions: &mut WantedPartitions, named: WantedPartitions, request: &FetchRequest<'_>) {
    for (key, new) in named {
        let told = partitions.get(&key).and_then(|known| known.told);
        partitions.insert(key, Wanted { told, ..new });
    }
    for topic in &request.forgotten_topics_data {
        for index in &topic.partitions {
            partitions.shift_remove(&PartitionKey::new(&topic.topic, topic.topic_id, *index));
        }
    }
}

/// Notes what the client is told now.
fn tell(partitions: &mut WantedPartitions, outcomes: &[Outcome]) {
    for outcome in outcomes {
        if let Some(wanted) = partitions.get_mut(&outcome.key) {
            wanted.told = outcome.error.is_ok().then_some((outcome.high_watermark, outcome.log_start));
        }
    }
}

fn respond<'a>(request: &FetchRequest<'a>, session_id: i32, outcomes: Vec<Outcome>) -> FetchResponse<'a> {
    let mut responses: Vec<FetchableTopicResponse<'a>> = Vec::new();
    let mut last: Option<(Arc<str>, Uuid)> = None;
    for outcome in outcomes {
        let Outcome { key, error, high_watermark, log_start, pieces, .. } = outcome;
        if !last.as_ref().is_some_and(|(name, id)| *name == key.name && *id == key.id) {
            responses.push(FetchableTopicResponse {
                topic: Str::Owned(key.name.to_string()),
                topic_id: key.id,
                partitions: Vec::new(),
            });
            last = Some((Arc::clone(&key.name), key.id));
        }
        let topic = responses.last_mut().expect("pushed above");
        topic.partitions.push(PartitionData {
            partition_index: key.index,
            error_code: error,
            high_watermark,
            last_stable_offset: high_watermark,
            log_start_offset: log_start,
            aborted_transactions: (request.isolation_level == 1).then(Vec::new),
            preferred_read_replica: -1,
            records: Some(Records::Segments(pieces)),
            ..Default::default()
        });
    }
    FetchResponse { session_id, responses, ..Default::default() }
}
