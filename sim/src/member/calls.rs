//! The member's calls.

use klamm_checker::{Event, Part, Poll};
use klamm_protocol::{
    Blob, ErrorCode, FetchRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    OffsetCommitRequest, SyncGroupRequest,
    fetch::{FetchPartition, FetchTopic},
    join_group::JoinGroupRequestProtocol,
    leave_group::MemberIdentity,
    offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    sync_group::SyncGroupRequestAssignment,
};

use super::{
    End, Member, Positions,
    cooperative::Holding,
    sharing::{Owned, assigned, assignment, owned, share, subscription},
};
use crate::{
    batch::values,
    client::{Client, Lost},
};

/// What a member learns when it has joined: the ids of all members and what they own, if it leads.
pub(super) struct Joined {
    members: Vec<(String, Owned)>,
}

impl Member {
    /// The checker's name of it: a static member that comes back has another id and the same share.
    fn known_as(&self) -> String {
        self.instance.clone().unwrap_or_else(|| self.id.clone())
    }

    pub(super) async fn join(&mut self, client: &mut Client, holding: &Holding) -> Result<Joined, End> {
        let parts: Vec<Part> = holding.positions.keys().copied().collect();
        let indexes = parts.iter().map(|part| self.index(*part)).collect();
        let brought = Owned { generation: holding.generation.unwrap_or(-1), indexes };
        let request = JoinGroupRequest {
            group_id: self.group.clone().into(),
            session_timeout_ms: 700,
            rebalance_timeout_ms: 700,
            member_id: self.id.clone().into(),
            group_instance_id: self.instance.clone().map(Into::into),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: self.kind.protocol().into(),
                metadata: Blob::Owned(subscription(&self.topic(), &brought)),
            }],
            reason: None,
        };
        let begun = Some(self.model.borrow().checker.events());
        client.send(7, &request).await?;
        self.at("JoinGroup sent")?;
        let answer = client.receive().await?;
        let response = answer.decode::<JoinGroupRequest<'_>>()?;
        match response.error_code {
            ErrorCode::NONE => {}
            ErrorCode::MEMBER_ID_REQUIRED => {
                self.id = response.member_id.to_string();
                return Err(End::Again);
            }
            error => return Err(self.refused("joining", error)),
        }
        self.id = response.member_id.to_string();
        self.generation = response.generation_id;
        let (group, member) = (self.group.clone(), self.known_as());
        self.tell(Event::Joined { group, generation: self.generation, member, begun, owned: parts });
        let leads = response.leader == response.member_id;
        let members = response.members.iter().filter(|_| leads).map(|one| {
            let owned = owned(&one.metadata).ok_or_else(|| Lost::Answer("a member's metadata".to_owned()))?;
            Ok((one.member_id.to_string(), owned))
        });
        let joined = Joined { members: members.collect::<Result<_, Lost>>()? };
        self.at("JoinGroup answered")?;
        Ok(joined)
    }

    pub(super) async fn sync(&mut self, client: &mut Client, joined: Joined) -> Result<Vec<Part>, End> {
        let (topic, count) = (self.topic(), self.model.borrow().topics[0].parts.len() as i32);
        let (ids, brought): (Vec<String>, Vec<Owned>) = joined.members.into_iter().unzip();
        let taken = self.dice.one_in(3).then(|| self.dice.within(0..count as u64) as i32);
        let shares = share(self.kind, &brought, count, taken);
        let assignments = ids.into_iter().zip(shares).map(|(id, indexes)| SyncGroupRequestAssignment {
            member_id: id.into(),
            assignment: Blob::Owned(assignment(&topic, &indexes)),
        });
        let request = SyncGroupRequest {
            group_id: self.group.clone().into(),
            generation_id: self.generation,
            member_id: self.id.clone().into(),
            group_instance_id: self.instance.clone().map(Into::into),
            protocol_type: Some("consumer".into()),
            protocol_name: Some(self.kind.protocol().into()),
            assignments: assignments.collect(),
        };
        self.at("before SyncGroup")?;
        client.send(5, &request).await?;
        self.at("SyncGroup sent")?;
        let answer = client.receive().await?;
        let response = answer.decode::<SyncGroupRequest<'_>>()?;
        if response.error_code != ErrorCode::NONE {
            return Err(self.refused("syncing", response.error_code));
        }
        let indexes = assigned(&response.assignment).ok_or_else(|| Lost::Answer("a share".to_owned()))?;
        let parts: Vec<Part> = {
            let all = &self.model.borrow().topics[0].parts;
            indexes.into_iter().map(|index| all[index as usize]).collect()
        };
        let member = self.known_as();
        let (group, parts_told) = (self.group.clone(), parts.clone());
        self.tell(Event::Assigned { group, generation: self.generation, member, parts: parts_told });
        self.at("SyncGroup answered")?;
        Ok(parts)
    }

    pub(super) async fn heartbeat(&mut self, client: &mut Client) -> Result<ErrorCode, End> {
        let request = HeartbeatRequest {
            group_id: self.group.clone().into(),
            generation_id: self.generation,
            member_id: self.id.clone().into(),
            group_instance_id: self.instance.clone().map(Into::into),
        };
        let answer = client.ask(4, &request).await?;
        Ok(answer.decode::<HeartbeatRequest<'_>>()?.error_code)
    }

    /// What the group has committed for these partitions; 0 for nothing.
    pub(super) async fn committed(&mut self, client: &mut Client, parts: &[Part]) -> Result<Positions, End> {
        let mut positions = Positions::new();
        if parts.is_empty() {
            return Ok(positions);
        }
        let indexes: Vec<i32> = parts.iter().map(|part| self.index(*part)).collect();
        let begun = self.model.borrow().checker.events();
        let told = client.committed(&self.group, &self.topic(), &indexes).await?;
        let told = told.map_err(|error| self.refused("fetching offsets", error))?;
        for (part, offset) in parts.iter().zip(told) {
            self.tell(Event::Committed { group: self.group.clone(), part: *part, begun, offset });
            positions.insert(*part, offset.unwrap_or(0));
        }
        Ok(positions)
    }

    pub(super) async fn commit(
        &mut self,
        client: &mut Client,
        committed: &mut Positions,
        positions: &Positions,
    ) -> Result<(), End> {
        let news: Vec<(Part, i64)> = positions
            .iter()
            .filter(|(part, offset)| committed.get(part) != Some(offset))
            .map(|(part, offset)| (*part, *offset))
            .collect();
        if news.is_empty() {
            return Ok(());
        }
        let partitions = news.iter().map(|(part, offset)| OffsetCommitRequestPartition {
            partition_index: self.index(*part),
            committed_offset: *offset,
            committed_metadata: Some("".into()),
            ..Default::default()
        });
        let topic = OffsetCommitRequestTopic {
            name: self.topic().into(),
            partitions: partitions.collect(),
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: self.group.clone().into(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.id.clone().into(),
            group_instance_id: self.instance.clone().map(Into::into),
            topics: vec![topic],
            ..Default::default()
        };
        let mut numbers = Vec::new();
        for (part, offset) in &news {
            let commit = self.model.borrow_mut().next_commit();
            numbers.push(commit);
            let (group, generation) = (self.group.clone(), Some(self.generation));
            self.tell(Event::CommitInvoke { commit, group, generation, part: *part, offset: Some(*offset) });
        }
        let told = self.ask_commit(client, &request).await;
        let all = |event: fn(u64) -> Event| numbers.iter().for_each(|commit| self.tell(event(*commit)));
        match told {
            Ok(ErrorCode::NONE) => {
                all(|commit| Event::CommitOk { commit });
                committed.extend(news);
                Ok(())
            }
            // It was decided on, but not made durable in time.
            Ok(
                error @ (ErrorCode::NOT_COORDINATOR
                | ErrorCode::REQUEST_TIMED_OUT
                | ErrorCode::COORDINATOR_NOT_AVAILABLE),
            ) => {
                all(|commit| Event::CommitInfo { commit });
                Err(self.refused("a commit", error))
            }
            Ok(error) => {
                all(|commit| Event::CommitFail { commit });
                Err(self.refused("a commit", error))
            }
            Err(end) => {
                all(|commit| Event::CommitInfo { commit });
                Err(end)
            }
        }
    }

    async fn ask_commit(
        &mut self,
        client: &mut Client,
        request: &OffsetCommitRequest<'_>,
    ) -> Result<ErrorCode, End> {
        client.send(8, request).await?;
        self.at("OffsetCommit sent")?;
        let answer = client.receive().await?;
        let response = answer.decode::<OffsetCommitRequest<'_>>()?;
        let codes = response.topics.iter().flat_map(|topic| &topic.partitions).map(|one| one.error_code);
        let codes: Vec<ErrorCode> = codes.collect();
        let asked = request.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>();
        if codes.len() != asked {
            return Err(Lost::Answer(format!("{} of {asked} commits are answered", codes.len())).into());
        }
        Ok(codes.iter().copied().find(|code| code.is_err()).unwrap_or_default())
    }

    pub(super) async fn leave(&mut self, client: &mut Client) -> Result<(), End> {
        let request = LeaveGroupRequest {
            group_id: self.group.clone().into(),
            member_id: "".into(),
            members: vec![MemberIdentity {
                member_id: self.id.clone().into(),
                group_instance_id: None,
                reason: None,
            }],
        };
        client.send(4, &request).await?;
        self.at("LeaveGroup sent")?;
        let answer = client.receive().await?;
        let response = answer.decode::<LeaveGroupRequest<'_>>()?;
        let error = response.members.first().map_or(response.error_code, |member| member.error_code);
        self.id.clear();
        self.is_out = true;
        if error.is_err() { Err(self.refused("leaving", error)) } else { Ok(()) }
    }

    /// One fetch of all that it owns.
    pub(super) async fn read(&mut self, client: &mut Client, positions: &mut Positions) -> Result<(), End> {
        if positions.is_empty() {
            return Ok(());
        }
        let asked: Vec<(Part, i64)> = positions.iter().map(|(part, offset)| (*part, *offset)).collect();
        let partitions = asked.iter().map(|(part, offset)| FetchPartition {
            partition: self.index(*part),
            current_leader_epoch: -1,
            fetch_offset: *offset,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: 100_000,
            ..Default::default()
        });
        let topics = vec![FetchTopic {
            topic: self.topic().into(),
            partitions: partitions.collect(),
            ..Default::default()
        }];
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: 20,
            min_bytes: 1,
            max_bytes: 1_000_000,
            session_epoch: -1,
            topics,
            ..Default::default()
        };
        let begun = self.model.borrow().checker.events();
        let answer = client.ask(11, &request).await?;
        let response = answer.decode::<FetchRequest<'_>>()?;
        let told = response.responses.first().map(|topic| &topic.partitions[..]).unwrap_or_default();
        let mut gone = Vec::new();
        for (part, offset) in asked {
            let index = self.index(part);
            let told = told.iter().find(|told| told.partition_index == index);
            let told = told.ok_or_else(|| Lost::Answer(format!("nothing about {part:?}")))?;
            match told.error_code {
                ErrorCode::NONE => {}
                ErrorCode::OFFSET_OUT_OF_RANGE => {
                    gone.push((part, index, offset));
                    continue;
                }
                error => return Err(self.refused("a fetch", error)),
            }
            let records = told.records.as_ref().map(|records| records.in_frame(answer.frame()));
            let records = values(&records.unwrap_or_default(), part, offset).map_err(Lost::Answer)?;
            positions.insert(part, records.last().map_or(offset, |(offset, _)| offset + 1));
            self.tell(Event::Poll(Poll {
                part,
                consumer: self.consumer,
                begun: Some(begun),
                asked: Some(offset),
                high_watermark: Some(told.high_watermark),
                log_start: Some(told.log_start_offset),
                last: false,
                records,
            }));
        }
        for (part, index, asked) in gone {
            let log_start = client.log_start(&self.topic(), index).await?;
            let log_start = log_start.map_err(|error| self.refused("listing offsets", error))?;
            if log_start <= asked {
                let what = format!("{part:?}: {asked} is out of range, it starts at {log_start}");
                return Err(Lost::Answer(what).into());
            }
            positions.insert(part, log_start);
            self.tell(Event::Seek { consumer: self.consumer, part });
        }
        Ok(())
    }

    fn topic(&self) -> String {
        self.model.borrow().topics[0].name.clone()
    }

    fn index(&self, part: Part) -> i32 {
        let model = self.model.borrow();
        let at = model.topics[0].parts.iter().position(|known| *known == part);
        at.expect("groups read the first topic") as i32
    }
}
