//! The persisted form of the cluster's state in snapshots, version 1: one pair for the counters, one for the producers that
//! may be forgotten if there are such, one a topic, one an effect. One codec, one file.

use std::sync::Arc;

use bytes::Bytes;
use klamm_machine::{Corrupt, Pair, PayloadReader, PayloadWriter};
use klamm_model::{ShardId, TopicId, TopicName};

use crate::{Cluster, Effect, EffectKind, Shard, record};

const VERSION: u8 = 1;
const COUNTERS: u8 = 0;
const TOPIC: u8 = 1;
const EFFECT: u8 = 2;
const FORGOTTEN: u8 = 3;

fn pair(kind: u8, id: &[u8], write: impl FnOnce(&mut PayloadWriter)) -> Pair {
    let mut out = PayloadWriter::default();
    out.u8(VERSION);
    write(&mut out);
    (Bytes::from([&[kind], id].concat()), Bytes::from(out.finish().concat()))
}

pub(crate) fn encode(cluster: &Cluster) -> Vec<Pair> {
    let mut pairs = vec![pair(COUNTERS, &[], |out| {
        out.bytes(cluster.id.as_ref().map_or(&[], |id| &id[..]));
        out.i64(cluster.next_producer_id);
        out.u64(cluster.next_effect);
        record::encode_shards(
            out,
            cluster.shards.iter().map(|(id, shard)| (*id, shard.role)).collect::<Vec<_>>().into_iter(),
        );
    })];
    for (id, topic) in &cluster.topics {
        pairs.push(pair(TOPIC, &id.0, |out| record::encode_topic(out, topic)));
    }
    for (sequence, effect) in &cluster.outbox {
        pairs.push(pair(EFFECT, &sequence.to_be_bytes(), |out| encode_effect(out, effect)));
    }
    if cluster.forgotten_below > 0 {
        pairs.push(pair(FORGOTTEN, &[], |out| out.i64(cluster.forgotten_below)));
    }
    pairs
}

pub(crate) fn restore(cluster: &mut Cluster, key: Bytes, value: Bytes) -> Result<(), Corrupt> {
    let (mut key, mut input) = (PayloadReader::new(key), PayloadReader::new(value));
    if input.u8()? != VERSION {
        return Err(Corrupt("a cluster snapshot of an unknown version"));
    }
    match key.u8()? {
        COUNTERS => {
            let id = input.bytes()?;
            cluster.id = if id.is_empty() { None } else { Some(PayloadReader::new(id).array()?) };
            cluster.next_producer_id = input.i64()?;
            cluster.next_effect = input.u64()?;
            for (id, role) in record::decode_shards(&mut input)? {
                cluster.shards.entry(id).or_insert(Shard { role, partitions: 0 }).role = role;
            }
        }
        TOPIC => {
            let topic = record::decode_topic(&mut input)?;
            if cluster.names.contains_key(&topic.name) || cluster.topics.contains_key(&topic.id) {
                return Err(Corrupt("a topic that is there twice in a cluster snapshot"));
            }
            cluster.insert(topic);
        }
        FORGOTTEN => cluster.forgotten_below = input.i64()?,
        EFFECT => {
            cluster.outbox.insert(key.u64()?, Arc::new(decode_effect(&mut input)?));
        }
        _ => return Err(Corrupt("an unknown kind of cluster snapshot")),
    }
    input.finish()
}

fn encode_effect(out: &mut PayloadWriter, effect: &Effect) {
    out.u32(effect.shard.0);
    out.raw(&effect.topic.0);
    match &effect.kind {
        EffectKind::Drop => out.u8(0),
        EffectKind::ForgetOffsets(name) => {
            out.u8(2);
            out.bytes(name.as_str().as_bytes());
        }
        EffectKind::Create(partitions) => {
            out.u8(1);
            out.u32(partitions.len() as u32);
            for (index, start, end) in partitions {
                out.i32(*index);
                out.i64(*start);
                out.i64(*end);
            }
        }
    }
}

fn decode_effect(input: &mut PayloadReader) -> Result<Effect, Corrupt> {
    let (shard, topic) = (ShardId(input.u32()?), TopicId(input.array()?));
    let kind = match input.u8()? {
        0 => EffectKind::Drop,
        1 => {
            let count = input.count(20)?;
            let partitions = (0..count).map(|_| Ok((input.i32()?, input.i64()?, input.i64()?)));
            EffectKind::Create(partitions.collect::<Result<_, Corrupt>>()?)
        }
        2 => {
            let name = TopicName::parse(&input.text()?).map_err(|_| Corrupt("a topic's name"))?;
            EffectKind::ForgetOffsets(name)
        }
        _ => return Err(Corrupt("an unknown kind of effect")),
    };
    Ok(Effect { shard, topic, kind })
}
