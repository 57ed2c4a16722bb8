//! Topics in memory (`klamm.storage.class=memory`). Of `klamm` only.

use klamm_conformance::{Raw, Server, batch, records, unique};
use klamm_protocol::ErrorCode;

const MEMORY: [(&str, &str); 1] = [("klamm.storage.class", "memory")];

#[test]
fn readable_then_empty_after_a_restart_and_no_offset_twice() {
    let mut server = Server::start(&[]);
    let mut raw = Raw::connect(server.addr());
    let (topic, kept) = (unique("memory"), unique("disk"));
    let made = raw.create(&topic, 2, &MEMORY);
    raw.create(&kept, 1, &[]);
    assert_eq!(raw.append(&kept, 0, batch(&["kept"])), 0);
    assert_eq!(raw.append(&topic, 1, batch(&["a", "b"])), 0);
    assert_eq!(raw.append(&topic, 1, batch(&["c"])), 2);
    assert_eq!(records(&raw.fetch(&topic, 1, 1)).len(), 3);

    let mut end = 3;
    for round in ["SIGTERM", "kill -9"] {
        if round == "kill -9" {
            server.kill9();
        }
        server.restart();
        let mut raw = Raw::connect(server.addr());
        assert_eq!(raw.topic(&topic).topic_id, made.topic_id, "{round}: the topic is there");
        let (start, latest) = (raw.offset(&topic, 1, -2, -1).offset, raw.end(&topic, 1));
        assert_eq!(start, latest, "{round}: it is empty");
        assert!(start >= end, "{round}: offset {start} would be used again");
        let code = raw.fetch(&topic, 1, end - 1).error_code;
        assert_eq!(code, ErrorCode::OFFSET_OUT_OF_RANGE, "{round}: what is gone is not silently skipped");
        assert_eq!(raw.append(&topic, 1, batch(&["d"])), start);
        assert_eq!(records(&raw.fetch(&topic, 1, start)), [(start, "d".to_owned())]);
        end = start + 1;
        assert_eq!(records(&raw.fetch(&kept, 0, 0)), [(0, "kept".to_owned())], "{round}: the disk keeps");
    }
}

#[test]
fn as_the_default_class() {
    let mut server = Server::start(&["-c", "klamm.storage.class=memory"]);
    let mut raw = Raw::connect(server.addr());
    let (topic, kept) = (unique("memory"), unique("disk"));
    raw.create(&topic, 1, &[]);
    raw.create(&kept, 1, &[("klamm.storage.class", "disk")]);
    for name in [&topic, &kept] {
        raw.append(name, 0, batch(&["x"]));
    }
    server.restart();
    let mut raw = Raw::connect(server.addr());
    assert_eq!(records(&raw.fetch(&kept, 0, 0)).len(), 1);
    assert_eq!(raw.offset(&topic, 0, -2, -1).offset, raw.end(&topic, 0));
}
