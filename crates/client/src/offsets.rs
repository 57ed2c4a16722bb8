//! Where a partition begins and ends, and which offset a time has.

use std::collections::BTreeMap;

use klamm_protocol::{
    ErrorCode, ListOffsetsRequest,
    list_offsets::{ListOffsetsPartition, ListOffsetsTopic},
};

use crate::{Client, Error, Result, TopicPartition};

/// A place in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The first offset there is.
    Earliest,
    /// The end: the offset of the next record.
    Latest,
    /// The first record of this time or later, in milliseconds; the end when there is none.
    Time(i64),
}

impl At {
    fn timestamp(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::Time(ms) => ms.max(0),
        }
    }
}

impl Client {
    /// The offsets of these partitions at `at`. Retries until the deadline.
    pub async fn offsets<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        at: At,
        committed: bool,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        let mut wanted: Vec<&TopicPartition> = partitions.into_iter().collect();
        let mut found = BTreeMap::new();
        let mut backoff = self.backoff();
        while !wanted.is_empty() {
            let mut failed = None;
            for (leader, partitions) in self.by_leader(wanted.iter().copied()) {
                match self.offsets_of(leader, partitions, at, committed, &mut found).await {
                    Ok(()) => {}
                    Err(error) => failed = Some(error),
                }
            }
            wanted.retain(|partition| !found.contains_key(*partition));
            if let Some(error) = failed {
                self.pause(&mut backoff, "asking for offsets", error).await?;
                let mut topics: Vec<_> = wanted.iter().map(|partition| partition.topic.clone()).collect();
                topics.dedup();
                let _ = self.refresh(Some(&topics), false).await;
            }
        }
        if at.timestamp() >= 0 {
            let none: Vec<_> =
                found.iter().filter(|(_, offset)| **offset < 0).map(|(of, _)| of.clone()).collect();
            if !none.is_empty() {
                found.extend(Box::pin(self.offsets(&none, At::Latest, committed)).await?);
            }
        }
        Ok(found)
    }

    async fn offsets_of(
        &self,
        leader: Option<i32>,
        partitions: impl IntoIterator<Item = &TopicPartition>,
        at: At,
        committed: bool,
        found: &mut BTreeMap<TopicPartition, i64>,
    ) -> Result<()> {
        let Some(leader) = leader else {
            let what = "a partition has no leader".to_owned();
            return Err(Error::Refused { what, code: ErrorCode::LEADER_NOT_AVAILABLE, message: None });
        };
        let mut topics: Vec<ListOffsetsTopic<'_>> = Vec::new();
        for TopicPartition { topic, partition } in partitions {
            if topics.last().is_none_or(|last| last.name != *topic) {
                topics.push(ListOffsetsTopic { name: topic.into(), ..Default::default() });
            }
            let partitions = &mut topics.last_mut().expect("it was pushed").partitions;
            partitions.push(ListOffsetsPartition {
                partition_index: *partition,
                timestamp: at.timestamp(),
                ..Default::default()
            });
        }
        let timeout_ms = i32::try_from(self.timeout().as_millis()).unwrap_or(i32::MAX);
        let isolation_level = i8::from(committed);
        let request = ListOffsetsRequest { replica_id: -1, isolation_level, topics, timeout_ms };
        let connection = self.node(leader).await?;
        // Version 1 knows no isolation.
        let request = match connection.version(klamm_protocol::ApiKey::ListOffsets, i16::MAX)? {
            1 => ListOffsetsRequest { isolation_level: 0, ..request },
            _ => request,
        };
        let answer = connection.ask(&request, i16::MAX, self.timeout()).await?;
        let mut failed = None;
        for topic in answer.get()?.topics {
            for partition in topic.partitions {
                let of = TopicPartition::new(&*topic.name, partition.partition_index);
                match Error::check(partition.error_code, None, || format!("asking for an offset of {of}")) {
                    Ok(()) => _ = found.insert(of, partition.offset),
                    Err(error) => failed = Some(error),
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
