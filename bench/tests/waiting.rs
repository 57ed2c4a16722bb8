//! A fetch that waits is told of records also when its partition was loaded again meanwhile.

use std::time::Duration;

use klamm_bench::{batch, node, request};
use klamm_env::Env;
use klamm_model::Epoch;
use klamm_protocol::{
    Decode as _, Decoder, ErrorCode, FetchRequest, FetchResponse, ProduceResponse, decode_response_header,
    fetch::{FetchPartition, FetchTopic},
};
use klamm_store::{Claim, Nonce, acquire};
use tokio::time::{sleep, timeout};

fn fetch() -> bytes::Bytes {
    let of = FetchPartition { current_leader_epoch: -1, partition_max_bytes: 1 << 20, ..Default::default() };
    let topics = vec![FetchTopic { topic: "bench".into(), partitions: vec![of], ..Default::default() }];
    let request = FetchRequest {
        replica_id: -1,
        max_wait_ms: 60_000,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics,
        ..Default::default()
    };
    request::body(request::frame(request::FETCH_VERSION, 1, &request))
}

#[tokio::test]
async fn a_fetch_outlives_the_loading_of_its_shard() {
    let node = node::node(1).await;
    let mut waits = node.session();
    let fetched = tokio::spawn(async move { node::call(&mut waits, fetch()).await.concat() });
    sleep(Duration::from_millis(100)).await;

    // Another owner takes the shards over, so that the next append fails and they are loaded again.
    for (shard, store) in &node.stores {
        let nonce = Nonce(Env::os().entropy.bytes16());
        let claim = Claim { shard: *shard, writer: 2, nonce, time_ms: 0, epoch_above: Epoch(0) };
        acquire(&*store.journal, claim).await.expect("it is taken over");
    }
    let mut producer = node.session();
    let mut codes = Vec::new();
    while codes.last() != Some(&ErrorCode::NONE) {
        let frame = request::body(request::produce("bench", &[0], &batch::build(100, None), -1));
        let answer = node::call(&mut producer, frame).await.concat();
        let mut decoder = Decoder::new(&answer[4..]);
        decode_response_header(&mut decoder, klamm_protocol::ApiKey::Produce, request::PRODUCE_VERSION)
            .expect("a header");
        let answer = ProduceResponse::decode(&mut decoder, request::PRODUCE_VERSION).expect("an answer");
        codes.push(answer.responses[0].partition_responses[0].error_code);
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(codes[0], ErrorCode::NOT_LEADER_OR_FOLLOWER, "the shard was lost");

    let answer = timeout(Duration::from_secs(10), fetched).await.expect("it is told").expect("no panic");
    let mut decoder = Decoder::new(&answer[4..]);
    decode_response_header(&mut decoder, klamm_protocol::ApiKey::Fetch, request::FETCH_VERSION)
        .expect("a header");
    let answer = FetchResponse::decode(&mut decoder, request::FETCH_VERSION).expect("an answer");
    let partition = &answer.responses[0].partitions[0];
    assert_eq!((partition.error_code, partition.high_watermark), (ErrorCode::NONE, 1));
}
