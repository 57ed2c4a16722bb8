//! Every message in every version: what is encoded is decoded again; what a version lacks is refused or dropped.

use crate::codec::{all, encode};
use klamm_protocol::{Decode, Decoder, EncodeError, Records, metadata, *};

const SEEDS: u64 = 40;

#[test]
fn samples_survive() {
    for codec in all() {
        for version in codec.versions() {
            for seed in 0..SEEDS {
                (codec.round_trip)(seed, version);
            }
        }
    }
}

#[test]
fn defaults_survive() {
    for codec in all() {
        for version in codec.versions() {
            let bytes = (codec.default)(version).unwrap_or_else(|e| panic!("{} v{version}: {e}", codec.name));
            let (again, _) = (codec.again)(&bytes, version).unwrap_or_else(|e| panic!("{}: {e}", codec.name));
            assert_eq!(bytes, again, "{} v{version}", codec.name);
        }
    }
}

#[test]
fn fields_the_version_lacks() {
    let by_id = vec![metadata::MetadataRequestTopic { name: None, ..Default::default() }];
    let request = MetadataRequest { topics: Some(by_id), ..Default::default() };
    assert_eq!(encode(&request, 9), Err(EncodeError::Null { field: "MetadataRequestTopic.name" }));
    assert!(encode(&request, 10).is_ok());

    let request = MetadataRequest { topics: None, ..Default::default() };
    assert_eq!(encode(&request, 0), Err(EncodeError::Null { field: "MetadataRequest.topics" }));
    assert_eq!(encode(&request, 14), Err(EncodeError::Version { api: ApiKey::Metadata, version: 14 }));

    let request = JoinGroupRequest {
        group_instance_id: Some("i".into()),
        reason: Some("r".into()),
        ..Default::default()
    };
    let refused = EncodeError::NoField { field: "JoinGroupRequest.groupInstanceId", version: 4 };
    assert_eq!(encode(&request, 4), Err(refused));
    let bytes = encode(&request, 5).expect("the reason is ignorable");
    let back = JoinGroupRequest::decode_all(Decoder::new(&bytes), 5).expect("own bytes");
    assert_eq!((back.reason, back.group_instance_id), (None, Some("i".into())));

    let request = HeartbeatRequest { group_id: "g".repeat(40_000).into(), ..Default::default() };
    assert_eq!(
        encode(&request, 4),
        Err(EncodeError::TooLong { field: "HeartbeatRequest.groupId", length: 40_000 })
    );
}

#[test]
fn records_are_shared_not_copied() {
    let long = bytes::Bytes::from(vec![7; 5000]);
    let records =
        Some(Records::Segments(vec![long.clone(), bytes::Bytes::from_static(b"short"), long.clone()]));
    let partitions = vec![fetch::PartitionData { records, ..Default::default() }];
    let responses = vec![fetch::FetchableTopicResponse { partitions, ..Default::default() }];
    let response = FetchResponse { responses, ..Default::default() };
    let frame = encode_response_frame(13, 5, &response).expect("fits");
    let shared = frame.iter().filter(|segment| segment.as_ptr() == long.as_ptr()).count();
    assert_eq!((shared, frame.len()), (2, 5));

    let whole = bytes::Bytes::from(frame.concat()).slice(4..);
    let mut d = Decoder::new(&whole);
    decode_response_header(&mut d, ApiKey::Fetch, 13).expect("own bytes");
    let back = FetchResponse::decode_all(d, 13).expect("own bytes");
    assert_eq!(back, response);
    let records = back.responses[0].partitions[0].records.as_ref().expect("there are records");
    let part = records.in_frame(&whole);
    assert!(whole.as_ptr_range().contains(&part.as_ptr()));
    assert_eq!(part.len(), 10_005);
}
