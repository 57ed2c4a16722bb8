//! Lengths and counts that lie, APIs that are not there: the connection is closed, nothing is allocated.

use std::time::Duration;

use klamm_conformance::{Raw, to_fetch};
use klamm_protocol::ErrorCode;

use crate::{Attacked, MIB};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_length_that_is_not_positive_or_above_the_limit_closes() {
    let attacked = Attacked::start(&[]);
    for length in [i32::MIN, -1, 0, 104_857_601, i32::MAX] {
        let mut raw = attacked.connect();
        raw.write(&length.to_be_bytes());
        assert!(raw.is_closed_within(SOON), "length {length}");
    }
    attacked.survived(2 * MIB);
    let small = Attacked::start(&["-c", "socket.request.max.bytes=100000", "-c", "message.max.bytes=50000"]);
    let mut raw = small.connect();
    raw.write(&100_001i32.to_be_bytes());
    assert!(raw.is_closed_within(SOON), "the configured limit");
    small.survived(2 * MIB);
}

#[test]
fn a_claim_is_not_believed_before_bytes_come() {
    let attacked = Attacked::start(&[]);
    let claims: Vec<_> = (0..300)
        .map(|_| {
            let mut raw = attacked.connect();
            raw.write(&104_857_600i32.to_be_bytes());
            raw.write(&[0; 64]);
            raw
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    attacked.survived(300 * 40 * 1024);
    drop(claims);
}

#[test]
fn counts_above_what_the_frame_holds_close() {
    let attacked = Attacked::start(&[]);
    let huge = [0xff, 0xff, 0xff, 0xff, 0x07]; // As an unsigned varint: 2^31 - 1.
    let classic = i32::MAX.to_be_bytes();
    for (what, frame) in [
        ("Metadata v1: topics", request(3, 1, false, &classic)),
        ("Metadata v1: topics, negative", request(3, 1, false, &i32::MIN.to_be_bytes())),
        ("Metadata v12: topics", request(3, 12, true, &huge)),
        ("a header's tags", [&header(3, 12)[..], &huge].concat()),
        ("a header's tag of a huge size", [&header(3, 12)[..], &[1, 0], &huge].concat()),
        ("a varint without end", [&header(3, 12)[..], &[0xff; 20]].concat()),
        ("Fetch v11: topics", request(1, 11, false, &[&[0; 25][..], &classic].concat())),
        ("Produce v9: a name", request(0, 9, true, &[&[0, 0xff, 0xff, 0, 0, 0, 1, 2][..], &huge].concat())),
        (
            "Produce v3: a null name",
            request(0, 3, false, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff]),
        ),
        ("CreateTopics v7: topics", request(19, 7, true, &huge)),
        ("nothing at all", vec![0]),
        ("half a header", vec![0, 3, 0, 12, 0]),
        ("a client id that is not UTF-8", [&[0, 3, 0, 1, 0, 0, 0, 1, 0, 2][..], &[0xc3, 0x28]].concat()),
    ] {
        let mut raw = attacked.connect();
        send(&mut raw, &frame);
        assert!(raw.is_closed_within(SOON), "{what}");
    }
    attacked.survived(3 * MIB);
}

#[test]
fn apis_and_versions_that_are_not_there_close() {
    let attacked = Attacked::start(&[]);
    // Gone, the controller's, unknown; not served yet.
    for key in [-1, 4, 7, 52, 62, 999, i16::MAX, i16::MIN, 8] {
        let mut raw = attacked.connect();
        send(&mut raw, &request(key, 0, false, &[0; 16]));
        assert!(raw.is_closed_within(SOON), "API {key}");
    }
    for (key, version) in [(3, -1), (3, 14), (3, i16::MAX), (0, 2), (0, 14), (1, 3), (19, 1), (2, 0)] {
        let mut raw = attacked.connect();
        send(&mut raw, &request(key, version, false, &[0; 16]));
        assert!(raw.is_closed_within(SOON), "API {key} version {version}");
    }
    attacked.survived(3 * MIB);
}

#[test]
fn a_follower_needs_to_be_a_broker() {
    let attacked = Attacked::start(&[]);
    let mut raw = attacked.connect();
    let mut request = to_fetch(&attacked.name, 0, 0);
    request.replica_id = 2;
    assert_eq!(raw.ask(12, &request).error_code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    let old = raw.ask(4, &request);
    let code = old.responses[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED, "v4 has partitions' codes only");
    let mut request = to_fetch(&attacked.name, 0, 0);
    request.replica_state.replica_id = 2;
    let answer = raw.ask(17, &request);
    assert_eq!(answer.error_code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    assert!(answer.responses.is_empty(), "no records for it");
    attacked.survived(2 * MIB);
}

fn header(key: i16, version: i16) -> Vec<u8> {
    [&key.to_be_bytes()[..], &version.to_be_bytes(), &7i32.to_be_bytes(), &[0xff, 0xff]].concat()
}

fn request(key: i16, version: i16, flexible: bool, body: &[u8]) -> Vec<u8> {
    [&header(key, version)[..], if flexible { &[0] } else { &[] }, body].concat()
}

fn send(raw: &mut Raw, frame: &[u8]) {
    raw.write(&[&(frame.len() as i32).to_be_bytes()[..], frame].concat());
}
