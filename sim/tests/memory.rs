//! Topics in memory on a broker whose disk is full: their offsets are not used again.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use klamm::{Config, Env, Klamm, StartError};
use klamm_env::{OsClock, OsEntropy, OsNet};
use klamm_protocol::{
    CreateTopicsRequest, Decode as _, Decoder, ErrorCode, ProduceRequest, Records, Request,
    create_topics::{CreatableTopic, CreatableTopicConfig},
    decode_response_header, encode_request_frame,
    produce::{PartitionProduceData, TopicProduceData},
};
use klamm_records::{BatchBuilder, Codec, Compression};
use klamm_sim::{Dice, Log, Time, disk::SimDisk};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Partitions of a topic: their offsets are reserved one after the other.
const PARTITIONS: i32 = 1000;
/// More topics than a disk of a few small files has room for.
const TOPICS_MAX: usize = 500;

async fn start(disk: &SimDisk) -> Result<Klamm, StartError> {
    let env = Env {
        clock: Arc::new(OsClock::new()),
        entropy: Arc::new(OsEntropy),
        disk: disk.mount(),
        net: Arc::new(OsNet),
    };
    let config = Config {
        listen: "127.0.0.1:0".to_owned(),
        data: "/data".into(),
        klamm_journal_file_bytes: 128 << 10,
        ..Config::default()
    };
    Klamm::start(config, env).await
}

async fn ask<R: Request, T>(
    address: SocketAddr,
    version: i16,
    request: &R,
    see: impl FnOnce(R::Response<'_>) -> T,
) -> T {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&encode_request_frame(version, 1, None, request).unwrap().concat()).await.unwrap();
    let mut frame = vec![0; stream.read_u32().await.unwrap() as usize];
    stream.read_exact(&mut frame).await.unwrap();
    let mut decoder = Decoder::trusting(&frame);
    decode_response_header(&mut decoder, R::API, version).unwrap();
    see(R::Response::decode_all(decoder, version).unwrap())
}

async fn create(address: SocketAddr, name: &str) -> ErrorCode {
    let config = CreatableTopicConfig { name: "klamm.storage.class".into(), value: Some("memory".into()) };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: PARTITIONS,
        replication_factor: 1,
        configs: vec![config],
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
    ask(address, 7, &request, |response| response.topics[0].error_code).await
}

/// Writes a record into the last partition of the topic `m`; gives its offset.
async fn write(address: SocketAddr) -> Result<i64, ErrorCode> {
    let mut builder = BatchBuilder::new(Compression::of(Codec::None));
    builder.push(0, None, Some(b"x"), &[]);
    let records = Some(Records::from(builder.build().unwrap()));
    let partition_data = vec![PartitionProduceData { index: PARTITIONS - 1, records }];
    let topic_data = vec![TopicProduceData { name: "m".into(), partition_data, ..Default::default() }];
    let request = ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data, ..Default::default() };
    ask(address, 9, &request, |response| {
        let told = &response.responses[0].partition_responses[0];
        if told.error_code.is_ok() { Ok(told.base_offset) } else { Err(told.error_code) }
    })
    .await
}

#[tokio::test]
async fn offsets_that_a_full_disk_does_not_let_reserve_are_not_lent() {
    let disk = SimDisk::new("disk", Dice::new(1, "disk"), Log::new(Time::default()));
    let mut klamm = start(&disk).await.unwrap();
    assert_eq!(create(klamm.address(), "m").await, ErrorCode::NONE);
    let mut offsets = vec![write(klamm.address()).await.unwrap()];
    disk.fill(true);
    let mut names = (0..TOPICS_MAX).map(|number| format!("t{number}"));
    loop {
        let name = names.next().expect("the disk is full some time");
        if create(klamm.address(), &name).await.is_err() {
            break;
        }
    }
    klamm.stop().await;
    klamm = start(&disk).await.unwrap();
    assert_eq!(write(klamm.address()).await, Err(ErrorCode::NOT_ENOUGH_REPLICAS));
    disk.fill(false);
    // The refusal asked for offsets; so does each one that follows.
    let written = async {
        loop {
            if let Ok(offset) = write(klamm.address()).await {
                break offset;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let written = tokio::time::timeout(Duration::from_secs(60), written).await;
    offsets.push(written.expect("space is there, and so are offsets"));
    klamm.stop().await;
    klamm = start(&disk).await.unwrap();
    offsets.push(write(klamm.address()).await.unwrap());
    klamm.stop().await;
    assert!(offsets.is_sorted_by(|before, after| before < after), "{offsets:?}");
}
