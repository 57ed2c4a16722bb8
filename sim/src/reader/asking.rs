//! How a reader asks: versions, by name or id, sizes; in a session or without.

use std::collections::BTreeMap;

use klamm_protocol::{
    FetchRequest, Uuid,
    fetch::{FetchPartition, FetchTopic, ForgottenTopic},
};

use super::{
    BEGIN_ONE_IN, Fetch, Key, LEAVE_ONE_IN, LOG_START_SINCE, PRANK_ONE_IN, Plan, Prank, Reader, Session,
    Wanted, session::Asked,
};
use crate::{Dice, model::Topic};

/// How partitions are named in a request, or in all of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) version: i16,
    by_name: bool,
    partition_bytes_max: i32,
}

impl Manner {
    fn throw(dice: &mut Dice, ids_are_known: bool, in_session: bool) -> Self {
        let by_name = dice.one_in(2) || !ids_are_known;
        let partition_bytes_max = *dice.pick(&[1, 10_000, 300_000, 4_000_000]);
        let version = match (by_name, in_session) {
            (true, true) => *dice.pick(&[7, 11, 12]),
            (true, false) => *dice.pick(&[4, 11, 12]),
            (false, _) => *dice.pick(&[13, 16]),
        };
        Self { version, by_name, partition_bytes_max }
    }

    /// A partition's name in requests and answers.
    pub(super) fn key(&self, topic: &Topic, index: i32) -> Key {
        match topic.id.filter(|_| !self.by_name) {
            Some(id) => (String::new(), id, index),
            None => (topic.name.clone(), Uuid::ZERO, index),
        }
    }

    pub(super) fn tells_log_start(&self) -> bool {
        self.version >= LOG_START_SINCE
    }
}

impl Reader {
    /// The next fetch.
    pub(super) fn plan(&mut self, wanted: Vec<Wanted>) -> (Fetch, FetchRequest<'static>) {
        let ids_are_known = wanted.iter().all(|wanted| self.model.borrow().topics[wanted.topic].id.is_some());
        self.session = match self.session.take() {
            // What the broker keeps of it is nobody's.
            Some((_, manner)) if !manner.by_name && !ids_are_known => None,
            Some(_) if self.dice.one_in(LEAVE_ONE_IN) => None,
            None if self.dice.one_in(BEGIN_ONE_IN) => {
                Some((Session::default(), Manner::throw(&mut self.dice, ids_are_known, true)))
            }
            as_it_was => as_it_was,
        };
        let fetch = match &mut self.session {
            Some((session, manner)) => {
                let manner = *manner;
                let pranks = [Prank::WrongEpoch, Prank::WrongId, Prank::End, Prank::Begin];
                let prank = self.dice.one_in(PRANK_ONE_IN).then(|| *self.dice.pick(&pranks));
                let model = self.model.borrow();
                let asked = |wanted: &Wanted| {
                    let key = manner.key(&model.topics[wanted.topic], wanted.index);
                    let bytes_max = manner.partition_bytes_max;
                    (key, Asked { part: wanted.part, offset: wanted.asked, bytes_max })
                };
                let asked: BTreeMap<Key, Asked> = wanted.iter().map(asked).collect();
                let plan = session.plan(&asked, prank);
                Fetch { wanted, manner, plan: Some(plan) }
            }
            None => {
                let manner = Manner::throw(&mut self.dice, ids_are_known, false);
                Fetch { wanted, manner, plan: None }
            }
        };
        let request = self.request(&fetch);
        (fetch, request)
    }

    fn request(&mut self, Fetch { wanted, manner, plan }: &Fetch) -> FetchRequest<'static> {
        let model = self.model.borrow();
        let mut topics: Vec<FetchTopic<'static>> = Vec::new();
        for Wanted { topic, index, asked, .. } in wanted {
            let key = manner.key(&model.topics[*topic], *index);
            if plan.as_ref().is_some_and(|plan| !plan.named.contains(&key)) {
                continue;
            }
            let (name, topic_id, partition) = key;
            if topics.last().is_none_or(|last| *last.topic != *name || last.topic_id != topic_id) {
                topics.push(FetchTopic { topic: name.into(), topic_id, ..Default::default() });
            }
            topics.last_mut().expect("pushed").partitions.push(FetchPartition {
                partition,
                current_leader_epoch: -1,
                fetch_offset: *asked,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                partition_max_bytes: manner.partition_bytes_max,
                ..Default::default()
            });
        }
        FetchRequest {
            replica_id: -1,
            max_wait_ms: *self.dice.pick(&[0, 50, 500]),
            min_bytes: *self.dice.pick(&[0, 1, 1, 100_000]),
            max_bytes: *self.dice.pick(&[1, 200_000, 10_000_000]),
            isolation_level: self.dice.within(0..2) as i8,
            session_id: plan.as_ref().map_or(0, |plan| plan.id),
            session_epoch: plan.as_ref().map_or(-1, |plan| plan.epoch),
            topics,
            forgotten_topics_data: plan.as_ref().map(forgotten).unwrap_or_default(),
            ..Default::default()
        }
    }
}

fn forgotten(plan: &Plan) -> Vec<ForgottenTopic<'static>> {
    let one = |(name, topic_id, index): &Key| ForgottenTopic {
        topic: name.clone().into(),
        topic_id: *topic_id,
        partitions: vec![*index],
    };
    plan.forgotten.iter().map(one).collect()
}
