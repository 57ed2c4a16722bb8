//! What each client writes, every client reads: one topic per compression, to which all write in turn.

use klamm_conformance::{
    Broker, CONSOLE_FORMAT, Client, KCAT_FORMAT, Read, Record, Tool, console_line, kcat_line, offsets_from,
    unique,
};
use serde_json::json;

const COUNT: usize = 30;

#[test]
fn none() {
    check("none");
}

#[test]
fn gzip() {
    check("gzip");
}

#[test]
fn snappy() {
    check("snappy");
}

#[test]
fn lz4() {
    check("lz4");
}

#[test]
fn zstd() {
    check("zstd");
}

fn check(compression: &str) {
    let broker = Broker::start();
    let topic = unique(compression);
    let mut clients = Tool::CLIENTS.map(|tool| Client::start(tool, broker.addr()));
    let mut written: Vec<Read> = vec![];

    for client in &mut clients {
        let salt = format!("{:?}", client.tool());
        let records: Vec<_> =
            Record::rich(COUNT, &salt).into_iter().map(|r| client.tool().sendable(r)).collect();
        client.produce(&topic, &records, json!({"compression": compression}));
        written.extend(offsets_from(written.len() as i64, &records));
    }
    for tool in [Tool::Kcat, Tool::ConsoleProducer] {
        let records = Record::text(COUNT, &format!("{tool:?}"));
        write_lines(tool, broker.addr(), &topic, compression, &records);
        written.extend(offsets_from(written.len() as i64, &records));
    }

    for client in &mut clients {
        let read = client.consume(&topic, "earliest", written.len());
        assert_eq!(read.len(), written.len(), "{:?}: how many records it read", client.tool());
        for (got, want) in read.iter().zip(&written) {
            // The tools give their records the time of sending.
            let mut want = want.clone();
            if want.offset >= (COUNT * Tool::CLIENTS.len()) as i64 {
                want.record.timestamp_ms = got.record.timestamp_ms;
            }
            assert!(*got == want, "{:?}:\n got {got:?}\nwant {want:?}", client.tool());
        }
    }
    let read = Tool::Kcat.run(
        &[
            "-b",
            broker.addr(),
            "-C",
            "-t",
            &topic,
            "-p",
            "0",
            "-o",
            "beginning",
            "-e",
            "-q",
            "-f",
            KCAT_FORMAT,
        ],
        vec![],
    );
    same_lines(Tool::Kcat, &read, written.iter().map(kcat_line));

    let count = written.len().to_string();
    let mut arguments = vec!["--bootstrap-server", broker.addr(), "--topic", &topic, "--partition", "0"];
    arguments.extend(["--offset", "earliest", "--max-messages", &count, "--timeout-ms", "60000"]);
    arguments.extend(CONSOLE_FORMAT.iter().flat_map(|property| ["--formatter-property", property]));
    let read = Tool::ConsoleConsumer.run(&arguments, vec![]);
    same_lines(Tool::ConsoleConsumer, &read, written.iter().map(console_line));
}

/// Produces `records` as lines of text: key, tab, value.
fn write_lines(tool: Tool, address: &str, topic: &str, compression: &str, records: &[Record]) {
    let no_key: &[u8] = if tool == Tool::Kcat { b"" } else { b"NULL\t" };
    let line = |record: &Record| {
        let key = record.key.as_ref().map_or(no_key.to_vec(), |key| [key, &b"\t"[..]].concat());
        [&key[..], record.value.as_deref().expect("text records have values"), b"\n"].concat()
    };
    let lines = records.iter().flat_map(line).collect();
    let arguments: &[&str] = match tool {
        Tool::Kcat => &["-P", "-b", address, "-t", topic, "-p", "0", "-z", compression, "-K", "\t"],
        _ => &[
            "--bootstrap-server",
            address,
            "--topic",
            topic,
            "--compression-codec",
            compression,
            "--reader-property",
            "parse.key=true",
            "--reader-property",
            "null.marker=NULL",
        ],
    };
    tool.run(arguments, lines);
}

/// Compares what `tool` printed with the lines of the records (which may contain line ends).
fn same_lines(tool: Tool, mut read: &[u8], expected: impl Iterator<Item = Vec<u8>>) {
    for line in expected {
        let Some(rest) = read.strip_prefix(&line[..]) else {
            let short = |bytes: &[u8]| bytes[..bytes.len().min(300)].escape_ascii().to_string();
            panic!("{tool:?}:\n got {}\nwant {}", short(read), short(&line));
        };
        read = rest;
    }
    assert!(read.is_empty(), "{tool:?} read more: {}", read[..read.len().min(300)].escape_ascii());
}
