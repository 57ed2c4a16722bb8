//! What clients choose cannot forge lines of the log, or colour them.

use klamm_conformance::{Raw, Server, batch, to_produce};
use klamm_protocol::metadata::MetadataRequestTopic;
use klamm_protocol::{
    ApiVersionsRequest, CreateTopicsRequest, MetadataRequest, create_topics::CreatableTopic,
};

const FORGED: &str = "x\r\nFORGED line\n\x1b[31mred\x1b[0m\u{9b}31m\u{2028}\x07\x08";

#[test]
fn control_characters_are_escaped() {
    let mut server = Server::start(&["-c", "klamm.log=trace"]);
    let mut raw = Raw::connect(server.addr());
    raw.client_id = FORGED.into();
    raw.ask(
        3,
        &ApiVersionsRequest { client_software_name: FORGED.into(), client_software_version: FORGED.into() },
    );
    let topic = MetadataRequestTopic { name: Some(FORGED.into()), ..Default::default() };
    raw.ask(9, &MetadataRequest { topics: Some(vec![topic]), ..Default::default() });
    let topic = CreatableTopic {
        name: FORGED.into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    raw.ask(7, &CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() });
    raw.produce(FORGED, 0, batch(&[FORGED]));
    raw.fetch(FORGED, 0, 0);
    let mut bad = to_produce(FORGED, 0, batch(&[FORGED]));
    bad.acks = 0;
    raw.send(9, &bad);
    // A request that closes its connection, which is logged with the reason.
    let mut raw = Raw::connect(server.addr());
    raw.client_id = FORGED.into();
    raw.write(&[0, 0, 0, 20, 0, 3, 0, 99]);
    raw.write(&[b'\n'; 16]);
    assert!(raw.frame().is_none());
    assert!(server.terminate().success());
    let log = server.whole_log();
    let bad = |c: char| c.is_control() && c != '\n' && c != '\t' || c == '\u{2028}';
    for line in log.lines() {
        assert!(!line.contains(bad), "{}", line.escape_debug());
        assert!(!line.starts_with("FORGED"), "a forged line:\n{log}");
    }
    assert!(log.contains("connection closed"), "the log is there: {log}");
}
