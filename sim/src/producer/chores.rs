//! What the producer does between batches, when nothing is in flight: new producer ids, new topics, fewer topics, more
//! partitions, another retention.
//! A chore is asked again until it is answered; from the second time on it may have been done already.

use klamm_checker::{Event, Part};
use klamm_protocol::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, ErrorCode,
    IncrementalAlterConfigsRequest, InitProducerIdRequest, Uuid,
    create_partitions::CreatePartitionsTopic,
    create_topics::{CreatableTopic, CreatableTopicConfig},
    delete_records::{DeleteRecordsPartition, DeleteRecordsTopic},
    delete_topics::DeleteTopicState,
    incremental_alter_configs::{AlterConfigsResource, AlterableConfig},
};

use super::{Lane, Producer};
use crate::{
    client::{Lost, passes},
    model::Life,
};

/// IncrementalAlterConfigs: a topic's configuration is set.
const TOPIC: i8 = 2;
const SET: i8 = 0;
const TOPICS_MAX: usize = 4;
/// Few names, so that they are used again.
const NAMES: u64 = 6;

#[derive(Debug, Clone, Copy)]
pub(super) enum Chore {
    ProducerId,
    Create {
        topic: usize,
        again: bool,
    },
    Delete {
        topic: usize,
        again: bool,
    },
    Trim {
        part: Part,
        below: i64,
    },
    /// A partition more.
    Grow {
        topic: usize,
        again: bool,
    },
    /// Another retention.
    Alter {
        topic: usize,
        name: &'static str,
        value: u64,
    },
}

impl Producer {
    /// What is necessary, or now and then what is not.
    pub(super) fn plan_chore(&mut self) {
        if self.chore.is_some() {
            return;
        }
        let live = self.model.borrow().live();
        let what = match self.dice.within(0..200) {
            _ if self.writer.is_none() => 0,
            _ if live.is_empty() => 1,
            what => what,
        };
        self.chore = match what {
            0 => Some(Chore::ProducerId),
            1..5 if live.len() < TOPICS_MAX => Some(self.plan_topic()),
            // The first topic is the groups': it stays.
            5..10 if live.len() > 1 => {
                Some(Chore::Delete { topic: *self.dice.pick(&live[1..]), again: false })
            }
            10..18 => self.plan_trim(),
            18..21 if live.len() > 1 => {
                Some(Chore::Grow { topic: *self.dice.pick(&live[1..]), again: false })
            }
            21..24 if live.len() > 1 => {
                let topic = *self.dice.pick(&live[1..]);
                let (name, values) =
                    self.dice.pick(&[("retention.ms", 200..8000), ("retention.bytes", 0..400_000)]).clone();
                Some(Chore::Alter { topic, name, value: self.dice.within(values) })
            }
            _ => None,
        };
    }

    fn plan_topic(&mut self) -> Chore {
        let mut model = self.model.borrow_mut();
        let name = loop {
            let name = format!("t{}", self.dice.within(0..NAMES));
            if model.topics.iter().all(|topic| topic.life == Life::Deleted || topic.name != name) {
                break name;
            }
        };
        let partitions = self.dice.within(1..4) as u32;
        let configs = match self.dice.within(0..8) {
            _ if model.topics.is_empty() => vec![],
            0 => vec![("retention.ms", self.dice.within(200..8000).to_string())],
            1 => vec![("retention.bytes", self.dice.within(0..400_000).to_string())],
            _ => vec![],
        };
        Chore::Create { topic: model.add_topic(name, partitions, configs), again: false }
    }

    pub(super) async fn do_chore(&mut self) -> Result<(), Lost> {
        match self.chore.expect("there is one") {
            Chore::ProducerId => {
                if !self.new_id().await? {
                    return Ok(());
                }
            }
            Chore::Create { topic, again } => {
                self.chore = Some(Chore::Create { topic, again: true });
                if !self.create(topic, again).await? {
                    return Ok(());
                }
            }
            Chore::Trim { part, below } => {
                if !self.trim(part, below).await? {
                    return Ok(());
                }
            }
            Chore::Grow { topic, again } => {
                self.chore = Some(Chore::Grow { topic, again: true });
                if !self.grow(topic, again).await? {
                    return Ok(());
                }
            }
            Chore::Alter { topic, name, value } => {
                if !self.alter(topic, name, value).await? {
                    return Ok(());
                }
            }
            Chore::Delete { topic, again } => {
                self.chore = Some(Chore::Delete { topic, again: true });
                if !self.delete(topic, again).await? {
                    return Ok(());
                }
            }
        }
        self.chore = None;
        self.model.borrow_mut().acked += 1;
        Ok(())
    }

    async fn new_id(&mut self) -> Result<bool, Lost> {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: -1,
            producer_id: -1,
            producer_epoch: -1,
        };
        let answer = self.client.as_mut().expect("connected").ask(4, &request).await?;
        let response = answer.decode::<InitProducerIdRequest<'_>>()?;
        match response.error_code {
            ErrorCode::NONE => {}
            error if passes(error) => return Ok(false),
            error => self.model.borrow_mut().refuse(format!("no producer id: {error:?}")),
        }
        self.model.borrow_mut().tell(Event::ProducerId { id: response.producer_id });
        self.writer = Some((response.producer_id, response.producer_epoch));
        self.lanes.values_mut().for_each(Lane::restart);
        Ok(true)
    }

    async fn create(&mut self, number: usize, again: bool) -> Result<bool, Lost> {
        let (name, partitions, configs) = {
            let topic = &self.model.borrow().topics[number];
            (topic.name.clone(), topic.parts.len() as i32, topic.configs.clone())
        };
        let config = |(name, value): (&'static str, String)| CreatableTopicConfig {
            name: name.into(),
            value: Some(value.into()),
        };
        let topics = vec![CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.into_iter().map(config).collect(),
            ..Default::default()
        }];
        let request = CreateTopicsRequest { topics, timeout_ms: 30_000, ..Default::default() };
        let answer = self.client.as_mut().expect("connected").ask(7, &request).await?;
        let response = answer.decode::<CreateTopicsRequest<'_>>()?;
        let [result] = &response.topics[..] else { return Err(Lost::Answer("not one topic".to_owned())) };
        let mut model = self.model.borrow_mut();
        match result.error_code {
            ErrorCode::NONE => model.topics[number].id = Some(result.topic_id),
            ErrorCode::TOPIC_ALREADY_EXISTS if again => {}
            error if passes(error) => return Ok(false),
            error => model.refuse(format!("topic {number} is not created: {error:?}")),
        }
        model.operations += 1;
        model.topics[number].life = Life::Live;
        for (index, part) in (0..).zip(model.topics[number].parts.clone()) {
            self.lanes.insert(part, Lane::new(number, index, model.deleted));
            model.begin_part(number, part);
        }
        Ok(true)
    }

    async fn grow(&mut self, number: usize, again: bool) -> Result<bool, Lost> {
        let (name, partitions) = {
            let topic = &self.model.borrow().topics[number];
            (topic.name.clone(), topic.parts.len() as i32)
        };
        let count = partitions + 1;
        let topics = vec![CreatePartitionsTopic { name: name.into(), count, assignments: None }];
        let request = CreatePartitionsRequest { topics, timeout_ms: 30_000, validate_only: false };
        let answer = self.client.as_mut().expect("connected").ask(3, &request).await?;
        let response = answer.decode::<CreatePartitionsRequest<'_>>()?;
        let [result] = &response.results[..] else { return Err(Lost::Answer("not one topic".to_owned())) };
        let mut model = self.model.borrow_mut();
        match result.error_code {
            ErrorCode::NONE => {}
            ErrorCode::INVALID_PARTITIONS if again => {}
            error if passes(error) => return Ok(false),
            error => model.refuse(format!("topic {number} gets no partition: {error:?}")),
        }
        model.operations += 1;
        let part = model.add_part(number);
        self.lanes.insert(part, Lane::new(number, partitions, model.deleted));
        model.begin_part(number, part);
        Ok(true)
    }

    async fn alter(&mut self, number: usize, name: &'static str, value: u64) -> Result<bool, Lost> {
        let topic = {
            let mut model = self.model.borrow_mut();
            for part in model.topics[number].parts.clone() {
                model.tell(Event::TrimInvoke { part, below: i64::MAX });
            }
            model.topics[number].configs.push((name, value.to_string()));
            model.topics[number].name.clone()
        };
        let config = AlterableConfig {
            name: name.into(),
            config_operation: SET,
            value: Some(value.to_string().into()),
        };
        let resources = vec![AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: topic.into(),
            configs: vec![config],
        }];
        let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
        let answer = self.client.as_mut().expect("connected").ask(1, &request).await?;
        let response = answer.decode::<IncrementalAlterConfigsRequest<'_>>()?;
        let [result] = &response.responses[..] else { return Err(Lost::Answer("not one topic".to_owned())) };
        match result.error_code {
            ErrorCode::NONE => self.model.borrow_mut().operations += 1,
            error if passes(error) => return Ok(false),
            error => self.model.borrow_mut().refuse(format!("topic {number} is not altered: {error:?}")),
        }
        Ok(true)
    }

    async fn delete(&mut self, number: usize, again: bool) -> Result<bool, Lost> {
        let by_id = self.dice.one_in(2);
        let mut request = DeleteTopicsRequest { timeout_ms: 30_000, ..Default::default() };
        {
            let mut model = self.model.borrow_mut();
            model.deleted = true;
            let topic = &mut model.topics[number];
            topic.life = Life::Deleting;
            request.topics = vec![match topic.id.filter(|_| by_id) {
                Some(topic_id) => DeleteTopicState { name: None, topic_id },
                None => DeleteTopicState { name: Some(topic.name.clone().into()), topic_id: Uuid::ZERO },
            }];
            for part in topic.parts.clone() {
                self.lanes.remove(&part);
                model.tell(Event::DeleteInvoke { part });
            }
        }
        let answer = self.client.as_mut().expect("connected").ask(6, &request).await?;
        let response = answer.decode::<DeleteTopicsRequest<'_>>()?;
        let [result] = &response.responses[..] else { return Err(Lost::Answer("not one topic".to_owned())) };
        let mut model = self.model.borrow_mut();
        match result.error_code {
            ErrorCode::NONE => {}
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID if again => {}
            error if passes(error) => return Ok(false),
            error => model.refuse(format!("topic {number} is not deleted: {error:?}")),
        }
        model.operations += 1;
        model.topics[number].life = Life::Deleted;
        Ok(true)
    }

    /// Some of a partition's acknowledged records, not all of them.
    fn plan_trim(&mut self) -> Option<Chore> {
        let parts: Vec<Part> = self.lanes.keys().copied().collect();
        let part = *self.dice.pick(&parts);
        let end = self.lanes[&part].acked_end();
        (end > 1).then(|| Chore::Trim { part, below: self.dice.within(1..end as u64) as i64 })
    }

    async fn trim(&mut self, part: Part, below: i64) -> Result<bool, Lost> {
        let lane = &self.lanes[&part];
        let name = self.model.borrow().topics[lane.topic].name.clone();
        self.model.borrow_mut().tell(Event::TrimInvoke { part, below });
        let partition = DeleteRecordsPartition { partition_index: lane.index, offset: below };
        let topics = vec![DeleteRecordsTopic { name: name.into(), partitions: vec![partition] }];
        let request = DeleteRecordsRequest { topics, timeout_ms: 30_000 };
        let answer = self.client.as_mut().expect("connected").ask(2, &request).await?;
        let response = answer.decode::<DeleteRecordsRequest<'_>>()?;
        let result = response.topics.first().and_then(|topic| topic.partitions.first());
        let result = result.ok_or_else(|| Lost::Answer("not one partition".to_owned()))?;
        match result.error_code {
            ErrorCode::NONE => {
                let log_start = result.low_watermark;
                self.model.borrow_mut().tell(Event::TrimOk { part, log_start });
            }
            error if passes(error) => return Ok(false),
            error => self.model.borrow_mut().refuse(format!("{part:?} is not trimmed to {below}: {error:?}")),
        }
        Ok(true)
    }
}
