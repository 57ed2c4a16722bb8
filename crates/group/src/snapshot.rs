//! The persisted form of the groups in snapshots, version 1: one pair a group, one a group's topic. One codec, one file.
//! Keys are a kind, the group with its length, the topic.

use std::sync::Arc;

use bytes::Bytes;
use klamm_machine::{Corrupt, Pair, PayloadReader, PayloadWriter};
use klamm_model::TopicName;

use crate::{Group, GroupId, Groups, codec, state::TopicOffsets};

const VERSION: u8 = 1;
const GROUP: u8 = 0;
const OFFSETS: u8 = 1;

fn pair(
    kind: u8,
    group: &GroupId,
    topic: Option<&TopicName>,
    write: impl FnOnce(&mut PayloadWriter),
) -> Pair {
    let (mut key, mut value) = (PayloadWriter::default(), PayloadWriter::default());
    key.u8(kind);
    codec::put_text(&mut key, group.as_str());
    topic.into_iter().for_each(|topic| codec::put_text(&mut key, topic.as_str()));
    value.u8(VERSION);
    write(&mut value);
    (Bytes::from(key.finish().concat()), Bytes::from(value.finish().concat()))
}

pub(crate) fn encode(groups: &Groups) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (id, group) in groups.iter() {
        pairs.push(pair(GROUP, id, None, |out| {
            out.i64(group.since_ms);
            out.u8(u8::from(group.generation.is_some()));
            group.generation.iter().for_each(|generation| codec::put_generation(out, generation));
        }));
        for (topic, offsets) in &group.offsets {
            pairs.push(pair(OFFSETS, id, Some(topic), |out| {
                codec::put_count(out, offsets.len());
                for (partition, offset) in offsets {
                    out.i32(*partition);
                    codec::put_offset(out, offset);
                }
            }));
        }
    }
    pairs.sort();
    pairs
}

pub(crate) fn restore(groups: &mut Groups, key: Bytes, value: Bytes) -> Result<(), Corrupt> {
    let (mut key, mut input) = (PayloadReader::new(key), PayloadReader::new(value));
    let (kind, id) = (key.u8()?, codec::text::<GroupId>(&mut key)?);
    if input.u8()? != VERSION {
        return Err(Corrupt("a group snapshot of an unknown version"));
    }
    match kind {
        GROUP => {
            let since_ms = input.i64()?;
            let generation = match input.u8()? {
                0 => None,
                1 => Some(Arc::new(codec::generation(&mut input)?)),
                _ => return Err(Corrupt("a generation that is neither there nor not")),
            };
            let group = group(groups, id);
            group.since_ms = since_ms;
            group.generation = generation;
        }
        OFFSETS => {
            let topic = codec::topic(&mut key)?;
            let count = input.count(41)?;
            let offsets = (0..count).map(|_| Ok((input.i32()?, Arc::new(codec::offset(&mut input)?))));
            let offsets = offsets.collect::<Result<TopicOffsets, Corrupt>>()?;
            group(groups, id).offsets.insert(topic, offsets);
        }
        _ => return Err(Corrupt("an unknown kind of group snapshot")),
    }
    key.finish()?;
    input.finish()
}

fn group(groups: &mut Groups, id: GroupId) -> &mut Group {
    Arc::make_mut(groups.groups.entry(id).or_default())
}
