//! Batches made by Java's kafka-clients 4.1.0 and PyPI's kafka-python 3.0.12 (`golden/*.txt`, one a line): they decode
//! to what was put in, and what has one right encoding is encoded alike. `print_ours` writes ours for those libraries.
//! `golden/Gen.java` and `gen.py` made the batches; `Read.java` and `read.py` read ours.

#![cfg(feature = "zstd")]

use bytes::Bytes;
use klamm_records::*;

const JAVA: &str = include_str!("golden/java-kafka-clients-4.1.0.txt");
const PYTHON: &str = include_str!("golden/kafka-python-3.0.12.txt");
const T: i64 = 1_700_000_000_000;

type Row = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn rows(big: bool) -> Vec<Row> {
    let some = |bytes: &[u8]| Some(bytes.to_vec());
    let mut rows = vec![
        (
            T,
            some(b"k0"),
            some(b"K. arrived late in the evening"),
            vec![(b"h1".to_vec(), some(b"v1")), (b"h2".to_vec(), None)],
        ),
        (T + 5, None, some(&b"abc".repeat(40)), vec![]),
        (T + 3, some(b""), None, vec![(vec![], some(b""))]),
    ];
    if big {
        rows.push((T + 4, some(b"big"), some(&[b'z'; 70_000]), vec![]));
    }
    rows
}

fn hex(text: &str) -> Bytes {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

fn lines(file: &'static str) -> impl Iterator<Item = (&'static str, Bytes)> {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).map(|(name, text)| (name, hex(text)))
}

fn golden(file: &'static str, wanted: &str) -> Bytes {
    lines(file).find(|(name, _)| *name == wanted).unwrap().1
}

fn decode(batch: &ValidBatch) -> Vec<Row> {
    let payload = decompress(batch.codec(), &batch.payload(), DecompressCap::default()).unwrap();
    let row = |record: Record<'_>| -> Row {
        let headers = record.headers.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
        let [key, value] = [record.key, record.value].map(|field| field.map(<[u8]>::to_vec));
        (record.timestamp(batch.header()), key, value, headers)
    };
    RecordIter::new(&payload, batch.header().record_count).map(|record| row(record.unwrap())).collect()
}

fn ours(codec: Codec, big: bool) -> BatchBuilder {
    let mut builder = BatchBuilder::new(Compression::of(codec)).producer(4711, 3, 17).transactional();
    push(&mut builder, big);
    builder
}

fn push(builder: &mut BatchBuilder, big: bool) {
    for (timestamp_ms, key, value, headers) in rows(big) {
        let headers: Vec<HeaderRef<'_>> =
            headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
        builder.push(timestamp_ms, key.as_deref(), value.as_deref(), &headers);
    }
}

#[test]
fn produced_batches_of_others() {
    let mut seen = 0;
    for (name, bytes) in lines(JAVA).chain(lines(PYTHON)) {
        let (codec, big) = name.strip_suffix("-big").map_or((name, false), |codec| (codec, true));
        let Ok(codec) = codec.parse::<Codec>() else { continue };
        let batch = validate(single(&bytes).unwrap(), &Limits::client(1 << 20)).unwrap();
        assert_eq!(batch.codec(), codec);
        assert_eq!(decode(&batch), rows(big), "{name}");
        let info = validate_records(&batch, true, DecompressCap::default()).unwrap().unwrap();
        assert_eq!((info.max_timestamp, info.max_timestamp_offset_delta, info.has_keyless), (T + 5, 1, true));
        let header = batch.header();
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (4711, 3, 17));
        assert_eq!(
            (header.base_timestamp, header.max_timestamp, header.last_sequence()),
            (T, T + 5, if big { 20 } else { 19 })
        );
        assert!(header.attributes.is_transactional());
        let found = first_at_or_after(header, &batch.payload(), 0, T + 1, DecompressCap::default()).unwrap();
        assert_eq!(found, Some(TimestampOffset { offset: 1, timestamp: T + 5 }));
        seen += 1;
    }
    assert_eq!(seen, 18);
}

#[test]
fn uncompressed_batches_are_encoded_alike() {
    let bytes = ours(Codec::None, false).build().unwrap();
    assert_eq!(bytes, golden(JAVA, "none"));
    assert_eq!(ours(Codec::None, false).leader_epoch(0).build().unwrap(), golden(PYTHON, "none"));
}

#[test]
fn append_time_as_java_writes_it() {
    let mut builder = BatchBuilder::new(Compression::default());
    push(&mut builder, false);
    let batch = validate(single(&builder.build().unwrap()).unwrap(), &Limits::client(1 << 20)).unwrap();
    let (head, rest) = PatchedHead::place(&batch, 1_234_567_890_123, 42);
    assert_eq!(head.with_append_time(T + 9_999).join(&rest), golden(JAVA, "append-time"));
}

#[test]
fn markers_and_empty_batches_as_java_writes_them() {
    for (name, commit) in [("marker-commit", true), ("marker-abort", false)] {
        let marker = EndTxnMarker { commit, coordinator_epoch: 77 };
        let (head, rest) = PatchedHead::place(&marker.batch(4711, 3, T).unwrap(), 100, 6);
        let java = golden(JAVA, name);
        assert_eq!(head.join(&rest), java, "{name}");
        let refused =
            validate(single(&java).unwrap(), &Limits { batch_bytes_max: 1000, origin: Origin::Client });
        assert!(refused.is_err());
    }
    let empty = validate(single(&golden(JAVA, "empty")).unwrap(), &Limits::broker()).unwrap();
    assert_eq!((empty.header().base_offset, empty.header().next_offset()), (500, 510));
    assert_eq!(decode(&empty), vec![]);
}

/// By hand: `cargo test -p klamm-records --test golden print_ours -- --ignored --nocapture | grep '^[a-z0-9-]* 00'`,
/// then read the lines with another library.
#[test]
#[ignore = "prints batches for other libraries to read"]
fn print_ours() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for codec in Codec::ALL {
        for big in [false, true] {
            println!("{codec}{} {}", if big { "-big" } else { "" }, hex(&ours(codec, big).build().unwrap()));
        }
    }
    let mut horizon =
        BatchBuilder::new(Compression::default()).base_offset(500).last_offset_delta(9).delete_horizon(T + 1);
    horizon.push_at(3, T, Some(b"k"), Some(b"v"), &[]);
    println!("horizon {}", hex(&horizon.build().unwrap()));
    let empty =
        BatchBuilder::new(Compression::default()).base_offset(500).last_offset_delta(9).build().unwrap();
    println!("empty {}", hex(&empty));
    let mut recompressed =
        validate(single(&ours(Codec::None, true).build().unwrap()).unwrap(), &Limits::broker()).unwrap();
    for codec in [Codec::Lz4, Codec::Zstd, Codec::Snappy] {
        let plain =
            decompress(recompressed.codec(), &recompressed.payload(), DecompressCap::default()).unwrap();
        recompressed = recompress(&recompressed, &plain, Compression::of(codec), &Limits::broker()).unwrap();
        let (head, rest) = PatchedHead::place(&recompressed, 7_000_000_000, 5);
        println!("append-time-{codec} {}", hex(&head.with_append_time(T + 99).join(&rest)));
    }
}
