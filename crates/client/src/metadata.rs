//! What a cluster looks like: brokers, topics, partitions and their leaders. Pure: built from an answer.

use std::collections::BTreeMap;

use klamm_protocol::{ErrorCode, MetadataResponse, Uuid};

use crate::TopicPartition;

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Where it is reached, `host:port`.
    pub address: String,
    /// Its rack.
    pub rack: Option<String>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// The broker that leads it; -1 for none.
    pub leader: i32,
    /// The leader's epoch.
    pub leader_epoch: i32,
    /// The brokers that keep it.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
    /// What is wrong with it.
    pub error: ErrorCode,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id; zero from old brokers.
    pub id: Uuid,
    /// Whether it is Kafka's own.
    pub internal: bool,
    /// What is wrong with it.
    pub error: ErrorCode,
    /// Its partitions, by number.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// Whether every partition has a leader.
    pub fn is_led(&self) -> bool {
        !self.partitions.is_empty() && self.partitions.iter().all(|partition| partition.leader >= 0)
    }
}

/// A cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Its id.
    pub cluster_id: Option<String>,
    /// The broker to send changes to; -1 for none.
    pub controller: i32,
    /// Its brokers, by id.
    pub brokers: BTreeMap<i32, Broker>,
    /// The topics that were asked for, by name.
    pub topics: BTreeMap<String, Topic>,
}

impl Metadata {
    pub(crate) fn of(answer: &MetadataResponse<'_>) -> Self {
        let broker = |broker: &klamm_protocol::metadata::MetadataResponseBroker<'_>| Broker {
            id: broker.node_id,
            address: address(&broker.host, broker.port),
            rack: broker.rack.as_deref().map(str::to_owned),
        };
        let topic = |topic: &klamm_protocol::metadata::MetadataResponseTopic<'_>| {
            let mut partitions: Vec<_> = topic.partitions.iter().map(partition).collect();
            partitions.sort_by_key(|partition| partition.index);
            Topic {
                name: topic.name.as_deref().unwrap_or_default().to_owned(),
                id: topic.topic_id,
                internal: topic.is_internal,
                error: topic.error_code,
                partitions,
            }
        };
        Self {
            cluster_id: answer.cluster_id.as_deref().map(str::to_owned),
            controller: answer.controller_id,
            brokers: answer.brokers.iter().map(broker).map(|broker| (broker.id, broker)).collect(),
            topics: answer.topics.iter().map(topic).map(|topic| (topic.name.clone(), topic)).collect(),
        }
    }

    /// Takes over what a newer answer says; topics it does not speak of stay.
    pub(crate) fn update(&mut self, newer: Self) {
        let mut topics = std::mem::take(&mut self.topics);
        topics.extend(newer.topics);
        *self = Self { topics, ..newer };
    }

    /// The broker that leads a partition.
    pub(crate) fn leader(&self, of: &TopicPartition) -> Option<&Broker> {
        let topic = self.topics.get(&of.topic)?;
        let partition = topic.partitions.iter().find(|partition| partition.index == of.partition)?;
        self.brokers.get(&partition.leader)
    }

    /// The id of a topic; zero if it is not known.
    pub(crate) fn id(&self, topic: &str) -> Uuid {
        self.topics.get(topic).map_or(Uuid::ZERO, |topic| topic.id)
    }

    /// The name of a topic, which an answer gives by name or by id.
    pub(crate) fn name<'a>(&'a self, name: &'a str, id: Uuid) -> Option<&'a str> {
        if !name.is_empty() {
            return Some(name);
        }
        self.topics.values().find(|topic| topic.id == id).map(|topic| topic.name.as_str())
    }
}

/// `host:port`, with brackets around IPv6.
pub(crate) fn address(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn partition(partition: &klamm_protocol::metadata::MetadataResponsePartition) -> Partition {
    Partition {
        index: partition.partition_index,
        leader: partition.leader_id,
        leader_epoch: partition.leader_epoch,
        replicas: partition.replica_nodes.clone(),
        isr: partition.isr_nodes.clone(),
        error: partition.error_code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!((address("a", 1), address("::1", 2)), ("a:1".to_owned(), "[::1]:2".to_owned()));
    }

    #[test]
    fn topics_that_are_not_spoken_of_stay() {
        let topic = |name: &str, id| Topic {
            name: name.to_owned(),
            id: Uuid([id; 16]),
            internal: false,
            error: ErrorCode::NONE,
            partitions: vec![],
        };
        let of = |topics: Vec<Topic>| Metadata {
            topics: topics.into_iter().map(|topic| (topic.name.clone(), topic)).collect(),
            ..Metadata::default()
        };
        let mut metadata = of(vec![topic("a", 1), topic("b", 2)]);
        metadata.update(of(vec![topic("b", 3)]));
        assert_eq!((metadata.id("a"), metadata.id("b")), (Uuid([1; 16]), Uuid([3; 16])));
        assert_eq!(metadata.name("", Uuid([3; 16])), Some("b"));
        assert_eq!(metadata.name("x", Uuid::ZERO), Some("x"));
        assert_eq!(metadata.leader(&TopicPartition::new("a", 0)), None);
    }
}
