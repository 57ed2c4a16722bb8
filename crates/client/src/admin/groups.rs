//! Groups: list, describe, delete; their offsets.

use std::collections::BTreeMap;

use klamm_protocol::{
    ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, ErrorCode, ListGroupsRequest,
    OffsetFetchRequest, consumer_group_describe,
    describe_groups::DescribedGroupMember,
    offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics},
};

use crate::{
    Client, Error, Result, TopicPartition,
    membership::{BY_NAME, assigned},
};

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedGroup {
    /// Its id.
    pub id: String,
    /// Its state; empty from old brokers.
    pub state: String,
    /// classic, consumer, share, streams; empty from old brokers.
    pub kind: String,
    /// What it is for: consumer, connect.
    pub protocol: String,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub id: String,
    /// Its client's name.
    pub client: String,
    /// Where it is.
    pub host: String,
    /// What it reads.
    pub assigned: Vec<TopicPartition>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its state: Empty, Stable, PreparingRebalance, Dead, ….
    pub state: String,
    /// The assignor.
    pub assignor: String,
    /// Its members.
    pub members: Vec<GroupMember>,
}

impl Client {
    /// The groups of all brokers, by id.
    pub async fn groups(&self) -> Result<Vec<ListedGroup>> {
        let known = self.refresh(Some(&[]), false).await?;
        let mut all = Vec::new();
        for broker in known.brokers.keys() {
            let connection = self.node(*broker).await?;
            let answer = connection.ask(&ListGroupsRequest::default(), i16::MAX, self.timeout()).await?;
            let told = answer.get()?;
            Error::check(told.error_code, None, || format!("listing the groups of broker {broker}"))?;
            all.extend(told.groups.into_iter().map(|group| ListedGroup {
                id: group.group_id.into_owned(),
                state: group.group_state.into_owned(),
                kind: group.group_type.into_owned(),
                protocol: group.protocol_type.into_owned(),
            }));
        }
        all.sort();
        Ok(all)
    }

    /// A group's state and members.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription> {
        let request = DescribeGroupsRequest { groups: vec![group.into()], ..Default::default() };
        let code = |told: &klamm_protocol::DescribeGroupsResponse<'_>| {
            told.groups.first().map_or(ErrorCode::NONE, |group| group.error_code)
        };
        let answer = self.ask_coordinator(group, &request, i16::MAX, code).await?;
        let told = answer.get()?;
        let Some(told) = told.groups.first() else {
            return Err(Error::Other(format!("the broker says nothing of group {group}")));
        };
        // A group of the newer kind is none of the classic ones: not found, or dead without members.
        let elsewhere = told.error_code == ErrorCode::GROUP_ID_NOT_FOUND || &*told.group_state == "Dead";
        if elsewhere && let Some(described) = self.describe_consumer_group(group).await? {
            return Ok(described);
        }
        Error::check(told.error_code, told.error_message.as_deref(), || format!("describing group {group}"))?;
        let member = |member: &DescribedGroupMember<'_>| {
            Ok(GroupMember {
                id: member.member_id.to_string(),
                client: member.client_id.to_string(),
                host: member.client_host.trim_start_matches('/').to_owned(),
                assigned: assigned(&member.member_assignment)?,
            })
        };
        Ok(GroupDescription {
            state: told.group_state.to_string(),
            assignor: told.protocol_data.to_string(),
            members: told.members.iter().map(member).collect::<Result<_>>()?,
        })
    }

    /// A group of KIP-848; `None` if it is none.
    async fn describe_consumer_group(&self, group: &str) -> Result<Option<GroupDescription>> {
        let request = ConsumerGroupDescribeRequest { group_ids: vec![group.into()], ..Default::default() };
        let code = |told: &klamm_protocol::ConsumerGroupDescribeResponse<'_>| {
            told.groups.first().map_or(ErrorCode::NONE, |group| group.error_code)
        };
        let answer = match self.ask_coordinator(group, &request, i16::MAX, code).await {
            Err(Error::NotServed { .. }) => return Ok(None),
            answer => answer?,
        };
        let told = answer.get()?;
        let Some(told) = told.groups.first().filter(|group| group.error_code.is_ok()) else {
            return Ok(None);
        };
        let member = |member: &consumer_group_describe::Member<'_>| GroupMember {
            id: member.member_id.to_string(),
            client: member.client_id.to_string(),
            host: member.client_host.trim_start_matches('/').to_owned(),
            assigned: (member.assignment.topic_partitions.iter())
                .flat_map(|topic| {
                    topic.partitions.iter().map(|one| TopicPartition::new(&*topic.topic_name, *one))
                })
                .collect(),
        };
        Ok(Some(GroupDescription {
            state: told.group_state.to_string(),
            assignor: told.assignor_name.to_string(),
            members: told.members.iter().map(member).collect(),
        }))
    }

    /// Deletes a group without members.
    pub async fn delete_group(&self, group: &str) -> Result<()> {
        let request = DeleteGroupsRequest { groups_names: vec![group.into()] };
        let code = |told: &klamm_protocol::DeleteGroupsResponse<'_>| {
            told.results.first().map_or(ErrorCode::NONE, |group| group.error_code)
        };
        let answer = self.ask_coordinator(group, &request, i16::MAX, code).await?;
        Error::check(code(&answer.get()?), None, || format!("can't delete group {group}"))
    }

    /// A group's committed offsets: of these partitions, or all there are. Partitions without one are left out.
    pub async fn committed(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for of in partitions.unwrap_or_default() {
            by_topic.entry(&of.topic).or_default().push(of.partition);
        }
        let topics = |(name, indexes): (&&str, &Vec<i32>)| OffsetFetchRequestTopics {
            name: (*name).to_owned().into(),
            partition_indexes: indexes.clone(),
            ..Default::default()
        };
        let old = |(name, indexes): (&&str, &Vec<i32>)| OffsetFetchRequestTopic {
            name: (*name).to_owned().into(),
            partition_indexes: indexes.clone(),
        };
        let group_asked = OffsetFetchRequestGroup {
            group_id: group.into(),
            topics: partitions.map(|_| by_topic.iter().map(topics).collect()),
            ..Default::default()
        };
        let newer = OffsetFetchRequest { groups: vec![group_asked], ..Default::default() };
        let older = OffsetFetchRequest {
            group_id: group.into(),
            topics: partitions.map(|_| by_topic.iter().map(old).collect()),
            ..Default::default()
        };
        let several = self.any().await?.version(klamm_protocol::ApiKey::OffsetFetch, BY_NAME)? >= 8;
        let request = if several { newer } else { older };
        let code = |told: &klamm_protocol::OffsetFetchResponse<'_>| {
            told.groups.first().map_or(told.error_code, |group| group.error_code)
        };
        let answer = self.ask_coordinator(group, &request, BY_NAME, code).await?;
        let told = answer.get()?;
        let what = || format!("asking for the offsets of group {group}");
        Error::check(code(&told), None, what)?;
        let mut all = BTreeMap::new();
        let mut take = |topic: &str, partition, offset, code| {
            Error::check(code, None, what)?;
            if offset >= 0 {
                all.insert(TopicPartition::new(topic, partition), offset);
            }
            Ok(())
        };
        for topic in told.topics {
            for one in topic.partitions {
                take(&topic.name, one.partition_index, one.committed_offset, one.error_code)?;
            }
        }
        for topic in told.groups.into_iter().flat_map(|group| group.topics) {
            for one in topic.partitions {
                take(&topic.name, one.partition_index, one.committed_offset, one.error_code)?;
            }
        }
        Ok(all)
    }

    /// Sets the offsets of a group without members.
    pub async fn set_offsets(&self, group: &str, offsets: &BTreeMap<TopicPartition, i64>) -> Result<()> {
        self.commit(group, None, offsets).await
    }
}
