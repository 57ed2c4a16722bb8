//! The persisted records of the group machine, version by tag. One enum, one file (its pieces are in `codec`).

use klamm_machine::{Corrupt, PayloadReader, PayloadWriter, Record};
use klamm_model::{TopicId, TopicName};

use crate::{CommittedOffset, Generation, GroupId, codec};

const COMPLETED: u8 = 1;
const COMMITTED: u8 = 2;
const OFFSETS_DELETED: u8 = 3;
const GROUP_DELETED: u8 = 4;
const TOPIC_FORGOTTEN: u8 = 5;
const EXPIRED: u8 = 6;

/// A change of the groups' state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRecord {
    /// A generation is complete.
    Completed {
        /// The group.
        group: GroupId,
        /// The generation.
        generation: Generation,
    },
    /// Offsets were committed.
    Committed {
        /// The group.
        group: GroupId,
        /// Topic, partition, offset.
        offsets: Vec<(TopicName, i32, CommittedOffset)>,
    },
    /// Offsets were deleted.
    OffsetsDeleted {
        /// The group.
        group: GroupId,
        /// Of these partitions.
        partitions: Vec<(TopicName, i32)>,
    },
    /// A group and its offsets are gone.
    GroupDeleted {
        /// The group.
        group: GroupId,
    },
    /// A topic is gone, and with it the offsets of all groups.
    TopicForgotten {
        /// The topic's name.
        topic: TopicName,
        /// Its id.
        id: TopicId,
    },
    /// Offsets were too old, and empty groups had none left.
    Expired {
        /// Offsets of groups that stay.
        offsets: Vec<(GroupId, Vec<(TopicName, i32)>)>,
        /// Groups that go.
        groups: Vec<GroupId>,
    },
}

impl Record for GroupRecord {
    fn encode(&self, out: &mut PayloadWriter) {
        match self {
            Self::Completed { group, generation } => {
                out.u8(COMPLETED);
                codec::put_text(out, group.as_str());
                codec::put_generation(out, generation);
            }
            Self::Committed { group, offsets } => {
                out.u8(COMMITTED);
                codec::put_text(out, group.as_str());
                codec::put_count(out, offsets.len());
                for (topic, partition, offset) in offsets {
                    codec::put_text(out, topic.as_str());
                    out.i32(*partition);
                    codec::put_offset(out, offset);
                }
            }
            Self::OffsetsDeleted { group, partitions } => {
                out.u8(OFFSETS_DELETED);
                codec::put_text(out, group.as_str());
                codec::put_partitions(out, partitions);
            }
            Self::GroupDeleted { group } => {
                out.u8(GROUP_DELETED);
                codec::put_text(out, group.as_str());
            }
            Self::TopicForgotten { topic, id } => {
                out.u8(TOPIC_FORGOTTEN);
                codec::put_text(out, topic.as_str());
                out.raw(&id.0);
            }
            Self::Expired { offsets, groups } => {
                out.u8(EXPIRED);
                codec::put_count(out, offsets.len());
                for (group, partitions) in offsets {
                    codec::put_text(out, group.as_str());
                    codec::put_partitions(out, partitions);
                }
                codec::put_count(out, groups.len());
                groups.iter().for_each(|group| codec::put_text(out, group.as_str()));
            }
        }
    }

    fn decode(input: &mut PayloadReader) -> Result<Self, Corrupt> {
        Ok(match input.u8()? {
            COMPLETED => {
                Self::Completed { group: codec::text(input)?, generation: codec::generation(input)? }
            }
            COMMITTED => {
                let group = codec::text(input)?;
                let count = input.count(45)?;
                let offsets =
                    (0..count).map(|_| Ok((codec::topic(input)?, input.i32()?, codec::offset(input)?)));
                Self::Committed { group, offsets: offsets.collect::<Result<_, Corrupt>>()? }
            }
            OFFSETS_DELETED => {
                Self::OffsetsDeleted { group: codec::text(input)?, partitions: codec::partitions(input)? }
            }
            GROUP_DELETED => Self::GroupDeleted { group: codec::text(input)? },
            TOPIC_FORGOTTEN => {
                Self::TopicForgotten { topic: codec::topic(input)?, id: TopicId(input.array()?) }
            }
            EXPIRED => {
                let count = input.count(8)?;
                let offsets = (0..count).map(|_| Ok((codec::text(input)?, codec::partitions(input)?)));
                let offsets = offsets.collect::<Result<_, Corrupt>>()?;
                let count = input.count(4)?;
                let groups = (0..count).map(|_| codec::text(input)).collect::<Result<_, Corrupt>>()?;
                Self::Expired { offsets, groups }
            }
            _ => return Err(Corrupt("an unknown kind of group record")),
        })
    }
}
