//! kcat, an old librdkafka: a file in, the same file out.

use std::fs;

use klamm_conformance::{Broker, TempDir, Tool, unique};
use serde_json::Value;

const LINES: usize = 20_000;

#[test]
fn file_in_file_out() {
    let broker = Broker::start();
    let dir = TempDir::new();
    let file = dir.file("lines");
    let text: String = (0..LINES).map(|i| format!("line {i} {}\n", "x".repeat(i % 300))).collect();
    fs::write(&file, &text).expect("a file in a temporary folder");

    for compression in klamm_conformance::COMPRESSIONS {
        let topic = unique(compression);
        let to = ["-b", broker.addr(), "-t", &topic, "-p", "0"];
        let path = file.to_str().expect("text");
        let options =
            ["-P", "-X", "acks=all", "-X", "enable.idempotence=true", "-z", compression, "-l", path];
        Tool::Kcat.run(&[&to[..], &options].concat(), vec![]);
        let read =
            Tool::Kcat.run(&[&to[..], &["-C", "-e", "-q", "-o", "beginning", "-f", "%s\n"]].concat(), vec![]);
        assert!(read == text.as_bytes(), "{compression}: kcat read other bytes than it wrote");
        let offsets =
            Tool::Kcat.run(&[&to[..], &["-C", "-e", "-q", "-o", "beginning", "-f", "%o\n"]].concat(), vec![]);
        let expected: String = (0..LINES).map(|i| format!("{i}\n")).collect();
        assert!(offsets == expected.as_bytes(), "{compression}: offsets are 0..{LINES} in order");
    }
}

#[test]
fn metadata_and_offsets() {
    let broker = Broker::start();
    let topic = unique("kcat");
    Tool::Kcat.run(&["-b", broker.addr(), "-P", "-t", &topic, "-p", "0"], b"a\nb\nc\n".to_vec());
    let listed = Tool::Kcat.run(&["-b", broker.addr(), "-L", "-J", "-t", &topic], vec![]);
    let listed: Value = serde_json::from_slice(&listed).expect("JSON");
    assert_eq!(listed["topics"][0]["topic"], topic.as_str(), "{listed}");
    assert_eq!(listed["topics"][0]["partitions"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed["brokers"][0]["name"], broker.addr(), "{listed}");
    let query = |at: &str| {
        let asked = format!("{topic}:0:{at}");
        String::from_utf8(Tool::Kcat.run(&["-b", broker.addr(), "-Q", "-t", &asked], vec![])).expect("text")
    };
    assert_eq!(query("-2"), format!("{topic} [0] offset 0\n"));
    assert_eq!(query("-1"), format!("{topic} [0] offset 3\n"));
}

#[test]
fn a_group_goes_on_where_it_stopped() {
    let broker = Broker::start_with(&["-c", "group.initial.rebalance.delay.ms=0"]);
    let (topic, group) = (unique("grouped"), unique("group"));
    let write = |lines: &str| {
        Tool::Kcat.run(&["-b", broker.addr(), "-P", "-t", &topic, "-p", "0"], lines.as_bytes().to_vec());
    };
    let read = || {
        let options = ["-X", "auto.offset.reset=earliest", "-e", "-q", "-G", &group, &topic];
        String::from_utf8(Tool::Kcat.run(&[&["-b", broker.addr()][..], &options].concat(), vec![]))
            .expect("text")
    };
    write("a\nb\nc\n");
    assert_eq!(read(), "a\nb\nc\n");
    write("d\n");
    assert_eq!(read(), "d\n");
}
