//! Requests with bytes changed, cut and added, from fixed seeds: an answer or a closed connection, never more.

use std::time::{Duration, Instant};

use klamm_conformance::{batch, to_fetch, to_produce};
use klamm_protocol::create_topics::CreatableTopic;
use klamm_protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_protocol::metadata::MetadataRequestTopic;
use klamm_protocol::{
    CreateTopicsRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, Request,
    encode_request_frame,
};

use crate::{Attacked, MIB};

const CHANGES_OF_EACH: u64 = 500;

#[test]
fn changed_requests() {
    let attacked = Attacked::start(&[]);
    let name = &attacked.name;
    let id = attacked.connect().topic_id(name);
    let mut frames = vec![];
    for version in [3, 9, 13] {
        let mut request = to_produce(name, 0, batch(&["x", "y"]));
        request.topic_data[0].topic_id = id;
        frames.push(frame(version, &request));
    }
    for version in [4, 11, 13, 18] {
        let mut request = to_fetch(name, 0, 0);
        request.topics[0].topic_id = id;
        frames.push(frame(version, &request));
    }
    let at = ListOffsetsPartition { timestamp: 5, ..Default::default() };
    let topics = vec![ListOffsetsTopic { name: name.clone().into(), partitions: vec![at] }];
    let list = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
    frames.extend([1, 7].map(|version| frame(version, &list)));
    let topic = MetadataRequestTopic { name: Some(name.clone().into()), ..Default::default() };
    let metadata = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    frames.extend([4, 12].map(|version| frame(version, &metadata)));
    let topic = CreatableTopic {
        name: "by-fuzz".into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let create = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10, validate_only: true };
    frames.extend([4, 7].map(|version| frame(version, &create)));
    frames.push(frame(4, &InitProducerIdRequest::default()));

    let mut random = Random(0x6b6c_616d_6d00);
    let (mut answered, mut closed, mut silent) = (0, 0, 0);
    for frame in &frames {
        for _ in 0..CHANGES_OF_EACH {
            let mut raw = attacked.connect();
            raw.write(&random.change(frame));
            raw.end_sending();
            let began = Instant::now();
            match raw.frame() {
                Some(_) => answered += 1,
                None if began.elapsed() > Duration::from_secs(8) => silent += 1,
                None => closed += 1,
            }
        }
    }
    println!("{answered} answered, {closed} closed, {silent} late");
    assert!(answered > 100 && closed > 100, "{answered} answered, {closed} closed");
    assert_eq!(silent, 0, "an end of the connection ends the wait");
    // Some changed frames are good batches; what was there before is still there.
    attacked.survived(16 * MIB);
}

fn frame<R: Request>(version: i16, request: &R) -> Vec<u8> {
    encode_request_frame(version, 1, Some("fuzz"), request).expect("a version that carries it").concat()
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// The frame with up to three changes in its body; API and length stay, so that it reaches a handler.
    fn change(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut body = frame[4..].to_vec();
        for _ in 0..=self.below(3) {
            let at = 8 + self.below(body.len() - 8);
            match self.below(5) {
                0 => body[at] ^= 1 << self.below(8),
                1 => body[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                2 => body.truncate(at.max(10)),
                3 => body.insert(at, self.below(256) as u8),
                _ => body.iter_mut().skip(at).take(4).for_each(|byte| *byte = 0xff),
            }
            if body.len() < 10 {
                break;
            }
        }
        [&(body.len() as i32).to_be_bytes()[..], &body].concat()
    }
}
