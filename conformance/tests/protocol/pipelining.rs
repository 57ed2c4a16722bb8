//! Many requests at once on a connection: answered in order, appended in order.

use klamm_conformance::{Raw, batch, batch_of, records, to_fetch, to_produce, unique};
use klamm_protocol::{ErrorCode, FetchRequest, MetadataRequest, ProduceRequest};

use crate::pair;

#[test]
fn produces_are_appended_and_answered_in_order() {
    let (_broker, mut raw) = pair();
    let topic = unique("pipeline");
    raw.create(&topic, 1, &[]);
    let sent: Vec<_> =
        (0..300).map(|i| raw.send(9, &to_produce(&topic, 0, batch(&[format!("{i}")])))).collect();
    for (i, sent) in (0..).zip(sent) {
        let answer = raw.receive::<ProduceRequest<'_>>(sent);
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (ErrorCode::NONE, i));
    }
    let expected: Vec<_> = (0..300).map(|i| (i, i.to_string())).collect();
    assert_eq!(records(&raw.fetch(&topic, 0, 0)), expected);
}

#[test]
fn an_idempotent_producer_keeps_five_in_flight() {
    let (broker, mut raw) = pair();
    let topic = unique("pipeline");
    raw.create(&topic, 1, &[]);
    let (id, epoch) = raw.producer();
    let mut producer = Raw::connect(broker.addr());
    for round in 0..20 {
        let sent: Vec<_> = (0..5)
            .map(|i| {
                let batch = batch_of(Some((id, epoch, round * 5 + i)), &["x"]);
                producer.send(9, &to_produce(&topic, 0, batch))
            })
            .collect();
        for (i, sent) in (0..).zip(sent) {
            let answer = producer.receive::<ProduceRequest<'_>>(sent);
            let partition = &answer.responses[0].partition_responses[0];
            assert_eq!(
                (partition.error_code, partition.base_offset),
                (ErrorCode::NONE, i64::from(round) * 5 + i)
            );
        }
    }
}

#[test]
fn answers_of_different_apis_keep_their_order() {
    let (_broker, mut raw) = pair();
    let topic = unique("pipeline");
    raw.create(&topic, 1, &[]);
    let mut sent = vec![];
    for i in 0..20 {
        let produce = raw.send(9, &to_produce(&topic, 0, batch(&["x"])));
        let metadata = raw.send(9, &MetadataRequest { topics: Some(vec![]), ..Default::default() });
        let fetch = raw.send(12, &to_fetch(&topic, 0, i));
        sent.push((produce, metadata, fetch));
    }
    for (i, (produce, metadata, fetch)) in (0..).zip(sent) {
        let answer = raw.receive::<ProduceRequest<'_>>(produce);
        assert_eq!(answer.responses[0].partition_responses[0].base_offset, i);
        assert_eq!(raw.receive::<MetadataRequest<'_>>(metadata).brokers.len(), 1);
        let answer = raw.receive::<FetchRequest<'_>>(fetch);
        assert_eq!(
            records(&answer.responses[0].partitions[0])[0],
            (i, "x".to_owned()),
            "one reads what it wrote"
        );
    }
}

#[test]
fn what_was_sent_before_the_end_is_answered() {
    let (_broker, mut raw) = pair();
    let topic = unique("pipeline");
    raw.create(&topic, 1, &[]);
    let sent: Vec<_> = (0..10).map(|_| raw.send(9, &to_produce(&topic, 0, batch(&["x"])))).collect();
    raw.end_sending();
    for sent in sent {
        let answer = raw.receive::<ProduceRequest<'_>>(sent);
        assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::NONE);
    }
    assert!(raw.frame().is_none(), "then the broker closes, too");
}
