//! The persisted form of a partition's state in snapshots, version 3. One codec, one file. An earlier version is written where it
//! says the same, so that older checkpoints keep their hashes: version 2 without foreign producers, version 1 where also nothing is
//! known of who was forgotten.

use std::collections::BTreeMap;

use bytes::Bytes;
use klamm_machine::{Corrupt, PayloadReader, PayloadWriter};
use klamm_model::{Epoch, ProducerId};

use crate::{
    EpochStart,
    producer::{Producer, Written},
    state::Partition,
};

const VERSION_1: u8 = 1;
const VERSION_2: u8 = 2;
const VERSION: u8 = 3;

pub(crate) fn encode(partition: &Partition) -> Bytes {
    let mut out = PayloadWriter::default();
    let version = match partition.forgotten_below {
        _ if partition.producers.values().any(|producer| producer.foreign) => VERSION,
        ProducerId::MAX => VERSION_1,
        _ => VERSION_2,
    };
    out.u8(version);
    out.i64(partition.log_start_offset);
    out.i64(partition.next_offset);
    out.i64(partition.reserved_end);
    out.i64(partition.expired_at_ms);
    if version >= VERSION_2 {
        out.i64(partition.forgotten_below);
    }
    out.u32(partition.epochs.len() as u32);
    for epoch in &partition.epochs {
        out.u32(epoch.epoch.0);
        out.i64(epoch.start_offset);
    }
    out.u32(partition.producers.len() as u32);
    for producer in partition.producers.values() {
        out.i64(producer.id);
        out.i32(i32::from(producer.epoch));
        out.i64(producer.last_time_ms);
        if version >= VERSION {
            out.u8(producer.foreign.into());
        }
        out.u32(producer.window.len() as u32);
        for written in &producer.window {
            out.i32(written.base_sequence);
            out.i32(written.last_sequence);
            out.i64(written.base_offset);
            out.i64(written.last_offset);
            out.i64(written.append_time_ms);
        }
    }
    Bytes::from(out.finish().concat())
}

pub(crate) fn decode(bytes: Bytes) -> Result<Partition, Corrupt> {
    let mut input = PayloadReader::new(bytes);
    let version = input.u8()?;
    if !(VERSION_1..=VERSION).contains(&version) {
        return Err(Corrupt("a partition snapshot of an unknown version"));
    }
    let mut partition = Partition::new(input.i64()?, 0, ProducerId::MAX);
    partition.next_offset = input.i64()?;
    partition.reserved_end = input.i64()?;
    partition.expired_at_ms = input.i64()?;
    if version >= VERSION_2 {
        partition.forgotten_below = input.i64()?;
    }
    for _ in 0..input.count(12)? {
        partition.epochs.push(EpochStart { epoch: Epoch(input.u32()?), start_offset: input.i64()? });
    }
    let mut producers = BTreeMap::new();
    for _ in 0..input.count(24)? {
        let (id, epoch) = (input.i64()?, input.i32()?);
        let mut producer =
            Producer::new(id, i16::try_from(epoch).map_err(|_| Corrupt("a producer's epoch"))?);
        producer.last_time_ms = input.i64()?;
        if version >= VERSION {
            producer.foreign = match input.u8()? {
                flag @ (0 | 1) => flag == 1,
                _ => return Err(Corrupt("a producer's flag")),
            };
        }
        for _ in 0..input.count(32)? {
            producer.window.push_back(Written {
                base_sequence: input.i32()?,
                last_sequence: input.i32()?,
                base_offset: input.i64()?,
                last_offset: input.i64()?,
                append_time_ms: input.i64()?,
            });
        }
        producers.insert(id, producer);
    }
    partition.producers = producers;
    input.finish()?;
    Ok(partition)
}
