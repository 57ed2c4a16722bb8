//! Pieces that records and snapshots of this crate are made of. They change only with a new tag or version.

use std::sync::Arc;

use klamm_machine::{Corrupt, PayloadReader, PayloadWriter};
use klamm_model::{TopicId, TopicName};

use crate::{CommittedOffset, Generation, GenerationMember};

pub(crate) fn put_text(out: &mut PayloadWriter, text: &str) {
    out.bytes(text.as_bytes());
}

pub(crate) fn text<T: From<String>>(input: &mut PayloadReader) -> Result<T, Corrupt> {
    input.text().map(T::from)
}

fn put_option(out: &mut PayloadWriter, text: Option<&str>) {
    out.u8(u8::from(text.is_some()));
    text.into_iter().for_each(|text| put_text(out, text));
}

fn option<T: From<String>>(input: &mut PayloadReader) -> Result<Option<T>, Corrupt> {
    match input.u8()? {
        0 => Ok(None),
        1 => text(input).map(Some),
        _ => Err(Corrupt("an option that is neither there nor not")),
    }
}

pub(crate) fn put_count(out: &mut PayloadWriter, count: usize) {
    out.u32(u32::try_from(count).expect("things are counted in 32 bits"));
}

pub(crate) fn topic(input: &mut PayloadReader) -> Result<TopicName, Corrupt> {
    TopicName::parse(&input.text()?).map_err(|_| Corrupt("a topic's name"))
}

pub(crate) fn put_generation(out: &mut PayloadWriter, generation: &Generation) {
    out.i32(generation.id);
    put_text(out, &generation.protocol_type);
    put_option(out, generation.protocol.as_deref());
    put_option(out, generation.leader.as_ref().map(|leader| leader.as_str()));
    put_count(out, generation.members.len());
    for member in &generation.members {
        put_text(out, member.id.as_str());
        put_option(out, member.instance.as_ref().map(|instance| instance.as_str()));
        put_text(out, &member.client_id);
        put_text(out, &member.client_host);
        out.i32(member.rebalance_timeout_ms);
        out.i32(member.session_timeout_ms);
        out.bytes(&member.metadata);
        out.bytes(&member.assignment);
    }
}

pub(crate) fn generation(input: &mut PayloadReader) -> Result<Generation, Corrupt> {
    let (id, protocol_type) = (input.i32()?, text::<Arc<str>>(input)?);
    let (protocol, leader) = (option(input)?, option(input)?);
    let count = input.count(29)?;
    let members = (0..count).map(|_| {
        Ok(GenerationMember {
            id: text(input)?,
            instance: option(input)?,
            client_id: text(input)?,
            client_host: text(input)?,
            rebalance_timeout_ms: input.i32()?,
            session_timeout_ms: input.i32()?,
            metadata: input.bytes()?,
            assignment: input.bytes()?,
        })
    });
    let members = members.collect::<Result<_, Corrupt>>()?;
    Ok(Generation { id, protocol_type, protocol, leader, members })
}

pub(crate) fn put_offset(out: &mut PayloadWriter, offset: &CommittedOffset) {
    out.raw(&offset.topic_id.0);
    out.i64(offset.offset);
    out.i32(offset.leader_epoch);
    put_text(out, &offset.metadata);
    out.i64(offset.committed_ms);
    out.u8(u8::from(offset.expire_ms.is_some()));
    offset.expire_ms.into_iter().for_each(|expire_ms| out.i64(expire_ms));
}

pub(crate) fn offset(input: &mut PayloadReader) -> Result<CommittedOffset, Corrupt> {
    Ok(CommittedOffset {
        topic_id: TopicId(input.array()?),
        offset: input.i64()?,
        leader_epoch: input.i32()?,
        metadata: text(input)?,
        committed_ms: input.i64()?,
        expire_ms: match input.u8()? {
            0 => None,
            1 => Some(input.i64()?),
            _ => return Err(Corrupt("an expiry that is neither there nor not")),
        },
    })
}

pub(crate) fn put_partitions(out: &mut PayloadWriter, partitions: &[(TopicName, i32)]) {
    put_count(out, partitions.len());
    for (topic, partition) in partitions {
        put_text(out, topic.as_str());
        out.i32(*partition);
    }
}

pub(crate) fn partitions(input: &mut PayloadReader) -> Result<Vec<(TopicName, i32)>, Corrupt> {
    let count = input.count(8)?;
    (0..count).map(|_| Ok((topic(input)?, input.i32()?))).collect()
}
