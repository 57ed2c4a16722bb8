//! What a restart changes (leader epochs, fetch sessions) and what not (records, sequences, times). Of `klamm` only.

use klamm_conformance::{Raw, Server, batch, batch_of, records, to_fetch, unique};
use klamm_protocol::{ErrorCode, FetchRequest};

/// Small files and a small tail, so that reads come from sealed files, too.
const SMALL: [&str; 4] = ["-c", "klamm.journal.file.bytes=1MiB", "-c", "klamm.tail.bytes=1MiB"];

#[test]
fn old_leader_epochs_are_fenced() {
    let mut server = Server::start(&[]);
    let mut raw = Raw::connect(server.addr());
    let (disk, memory) = (unique("disk"), unique("memory"));
    let old = [
        raw.create(&disk, 1, &[]).partitions[0].leader_epoch,
        raw.create(&memory, 1, &[("klamm.storage.class", "memory")]).partitions[0].leader_epoch,
    ];
    let session = FetchRequest { session_epoch: 0, ..to_fetch(&disk, 0, 0) };
    let session = raw.ask(12, &session).session_id;
    server.restart();
    let mut raw = Raw::connect(server.addr());
    for (topic, old) in [&disk, &memory].into_iter().zip(old) {
        let new = raw.topic(topic).partitions[0].leader_epoch;
        assert!(new > old, "{topic}: epoch {new} after {old}");
        let end = raw.end(topic, 0);
        let mut request = to_fetch(topic, 0, end);
        for (epoch, expected) in [
            (old, ErrorCode::FENCED_LEADER_EPOCH),
            (new, ErrorCode::NONE),
            (new + 1, ErrorCode::UNKNOWN_LEADER_EPOCH),
            (-1, ErrorCode::NONE),
        ] {
            request.topics[0].partitions[0].current_leader_epoch = epoch;
            let code = raw.ask(12, &request).responses[0].partitions[0].error_code;
            assert_eq!(code, expected, "{topic}: Fetch in epoch {epoch} of {new}");
            assert_eq!(raw.offset(topic, 0, -1, epoch).error_code, expected, "{topic}: ListOffsets");
        }
    }
    let lost = FetchRequest { session_id: session, session_epoch: 1, ..to_fetch(&disk, 0, 0) };
    assert_eq!(raw.ask(12, &lost).error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[test]
fn producers_are_remembered_and_ids_not_given_twice() {
    let mut server = Server::start(&[]);
    let mut raw = Raw::connect(server.addr());
    let topic = unique("producers");
    raw.create(&topic, 1, &[]);
    let (id, epoch) = raw.producer();
    let of = |sequence| batch_of(Some((id, epoch, sequence)), &["x", "y"]);
    for (sequence, offset) in [(0, 0), (2, 2), (4, 4)] {
        assert_eq!(raw.append(&topic, 0, of(sequence)), offset);
    }
    for crash in [true, false] {
        if crash {
            server.kill9();
        }
        server.restart();
        let mut raw = Raw::connect(server.addr());
        assert_eq!(raw.append(&topic, 0, of(2)), 2, "a duplicate");
        let code = raw.produce(&topic, 0, of(8)).error_code;
        assert_eq!(code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_eq!(raw.end(&topic, 0), 6);
        assert!(raw.producer().0 > id, "an id that nobody had");
    }
}

#[test]
fn sealed_files_give_what_was_written() {
    let mut server = Server::start(&SMALL);
    let mut raw = Raw::connect(server.addr());
    let topic = unique("sealed");
    raw.create(&topic, 3, &[]);
    // 12 MiB over three partitions, each value its own.
    let value = |partition: i32, i: i64| format!("{partition} {i} {}", "x".repeat(20_000 + 37 * i as usize));
    for i in 0..200 {
        for partition in 0..3 {
            assert_eq!(raw.append(&topic, partition, batch(&[value(partition, i)])), i);
        }
    }
    for when in ["before", "after SIGTERM", "after kill -9"] {
        for partition in 0..3 {
            let mut offset = 0;
            while offset < 200 {
                let read = records(&raw.fetch(&topic, partition, offset));
                assert!(!read.is_empty(), "{when}: nothing at {offset} of {partition}");
                for (at, found) in read {
                    assert_eq!(at, offset, "{when}");
                    assert!(found == value(partition, offset), "{when}: another record at {offset}");
                    offset += 1;
                }
            }
            assert_eq!(raw.fetch(&topic, partition, 201).error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
            assert_eq!(raw.offset(&topic, partition, 1_790_000_000_000, -1).offset, 0, "{when}: by time");
        }
        if when == "after SIGTERM" {
            server.kill9();
        }
        server.restart();
        raw = Raw::connect(server.addr());
        assert_eq!(raw.end(&topic, 2), 200, "{when}, then started again");
    }
}
