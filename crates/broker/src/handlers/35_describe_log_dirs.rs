//! DescribeLogDirs v1-4: one folder, with the sizes of the partitions on disk. v4: the disk's own size (KIP-827). Topics in memory
//! are not in the folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use klamm_model::{PartitionId, StorageClass};
use klamm_protocol::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, ErrorCode,
    describe_log_dirs::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic},
};

use crate::{
    authorizer::{Operation, Resource},
    session::{Incoming, Stop},
};

/// What is not known.
const UNKNOWN: i64 = -1;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DescribeLogDirsRequest<'a>,
) -> Result<DescribeLogDirsResponse<'a>, Stop> {
    let broker = &incoming.broker;
    if !incoming.may(Operation::Describe, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return Ok(DescribeLogDirsResponse { error_code, ..Default::default() });
    }
    let asked: Option<BTreeMap<String, BTreeSet<i32>>> = request.topics.map(|topics| {
        let mut asked = BTreeMap::<_, BTreeSet<_>>::new();
        for topic in topics {
            asked.entry(topic.topic.into_owned()).or_default().extend(topic.partitions);
        }
        asked
    });
    let mut topics = Vec::new();
    for topic in broker.image.load().topics().filter(|topic| topic.class == StorageClass::Disk) {
        let wanted = asked.as_ref().map(|asked| asked.get(topic.name.as_str()));
        let Some(wanted) = wanted.map_or(Some(None), |of_topic| of_topic.map(Some)) else { continue };
        let size = |(index, partition): (i32, &klamm_cluster::TopicPartition)| {
            let id = PartitionId { topic: topic.id, index };
            let view = broker.shards.get(&partition.shard)?.view.get(id)?;
            Some(DescribeLogDirsPartition {
                partition_index: index,
                partition_size: i64::try_from(view.bytes()).unwrap_or(i64::MAX),
                offset_lag: 0,
                is_future_key: false,
            })
        };
        let is_wanted = |(index, _): &(i32, _)| wanted.is_none_or(|indexes| indexes.contains(index));
        let partitions: Vec<_> = (0..).zip(&topic.partitions).filter(is_wanted).filter_map(size).collect();
        if !partitions.is_empty() {
            let name = topic.name.as_str().to_owned().into();
            topics.push(DescribeLogDirsTopic { name, partitions });
        }
    }
    let space = broker.env.disk.space(Path::new(&broker.config.data_folder)).await.ok();
    let told = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let folder = DescribeLogDirsResult {
        error_code: ErrorCode::NONE,
        log_dir: broker.config.data_folder.clone().into(),
        topics,
        total_bytes: space.map_or(UNKNOWN, |space| told(space.total)),
        usable_bytes: space.map_or(UNKNOWN, |space| told(space.usable)),
    };
    Ok(DescribeLogDirsResponse { results: vec![folder], ..Default::default() })
}
