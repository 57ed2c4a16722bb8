//! The topic in memory comes and goes; producer ids.

use klamm_checker::Event;
use klamm_protocol::{
    CreateTopicsRequest, DeleteTopicsRequest, ErrorCode, InitProducerIdRequest,
    create_topics::{CreatableTopic, CreatableTopicConfig},
    delete_topics::DeleteTopicState,
};

use super::{Chore, Ephemeral, Lane, TOPIC};
use crate::{
    client::{Client, Lost, passes},
    model::Phase,
};

impl Ephemeral {
    pub(super) fn plan_chore(&mut self, phase: Phase) {
        if self.chore.is_some() {
            return;
        }
        if self.lanes.is_empty() {
            self.chore = Some(Chore::Create { again: false });
        } else if phase == Phase::Producing
            && self.dice.one_in(400)
            && self.lanes.iter().all(|lane| lane.open.is_none())
        {
            self.chore = Some(Chore::Delete { again: false });
        }
        if self.chore.is_some() {
            self.model.borrow_mut().others.insert(TOPIC.to_owned(), None);
        }
    }

    pub(super) async fn do_chore(&mut self, client: &mut Client) -> Result<(), Lost> {
        match self.chore.expect("there is one") {
            Chore::Create { again } => self.create(client, again).await,
            Chore::Delete { again } => self.delete(client, again).await,
        }
    }

    async fn create(&mut self, client: &mut Client, again: bool) -> Result<(), Lost> {
        if !again {
            let parts = self.model.borrow_mut().new_parts(self.dice.within(1..4) as u32);
            for part in &parts {
                self.model.borrow_mut().tell(Event::Ephemeral { part: *part });
            }
            self.lanes = parts.into_iter().map(Lane::new).collect();
        }
        self.chore = Some(Chore::Create { again: true });
        let class = CreatableTopicConfig { name: "klamm.storage.class".into(), value: Some("memory".into()) };
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: self.lanes.len() as i32,
            replication_factor: 1,
            configs: vec![class],
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        let answer = client.ask(7, &request).await?;
        let response = answer.decode::<CreateTopicsRequest<'_>>()?;
        let [result] = &response.topics[..] else { return Err(Lost::Answer("not one topic".to_owned())) };
        match result.error_code {
            ErrorCode::NONE => {}
            ErrorCode::TOPIC_ALREADY_EXISTS if again => {}
            error if passes(error) => return Ok(()),
            error => self.refuse(format!("{TOPIC} is not created: {error:?}")),
        }
        self.chore = None;
        let mut model = self.model.borrow_mut();
        model.operations += 1;
        model.others.insert(TOPIC.to_owned(), Some(self.lanes.len()));
        Ok(())
    }

    async fn delete(&mut self, client: &mut Client, again: bool) -> Result<(), Lost> {
        if !again {
            self.model.borrow_mut().deleted = true;
            for lane in &self.lanes {
                self.model.borrow_mut().tell(Event::DeleteInvoke { part: lane.part });
            }
        }
        self.chore = Some(Chore::Delete { again: true });
        let topics = vec![DeleteTopicState { name: Some(TOPIC.into()), ..Default::default() }];
        let request = DeleteTopicsRequest { topics, timeout_ms: 30_000, ..Default::default() };
        let answer = client.ask(6, &request).await?;
        let response = answer.decode::<DeleteTopicsRequest<'_>>()?;
        let [result] = &response.responses[..] else { return Err(Lost::Answer("not one topic".to_owned())) };
        match result.error_code {
            ErrorCode::NONE => {}
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION if again => {}
            error if passes(error) => return Ok(()),
            error => self.refuse(format!("{TOPIC} is not deleted: {error:?}")),
        }
        self.chore = None;
        self.lanes.clear();
        let mut model = self.model.borrow_mut();
        model.operations += 1;
        model.others.remove(TOPIC);
        Ok(())
    }

    /// What is open keeps its old producer id: it may be in the log under that.
    pub(super) async fn new_producer(&mut self, client: &mut Client) -> Result<(), Lost> {
        let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        let answer = client.ask(4, &request).await?;
        let response = answer.decode::<InitProducerIdRequest<'_>>()?;
        match response.error_code {
            ErrorCode::NONE => {}
            error if passes(error) => return Ok(()),
            error => self.refuse(format!("no producer id: {error:?}")),
        }
        if self.lanes.iter().any(|lane| lane.open.is_some()) {
            return Ok(());
        }
        let id = response.producer_id;
        self.producer = Some((id, response.producer_epoch));
        self.lanes.iter_mut().for_each(|lane| lane.first = lane.sent);
        self.model.borrow_mut().tell(Event::ProducerId { id });
        Ok(())
    }
}
