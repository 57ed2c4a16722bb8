//! What `acks=all` acknowledged is there after `kill -9` and after SIGTERM; a client that stays connects again.
//! Of `klamm` only: not run against another broker.

use klamm_conformance::{Broker, Client, Record, Tool, offsets_from, unique};
use serde_json::json;

const COUNT: usize = 50;

with_each_client!(check);

fn check(tool: Tool) {
    let Broker::Klamm(mut server) = Broker::start() else {
        println!("not run: the broker is not ours to restart");
        return;
    };
    let mut client = Client::start(tool, server.addr());
    let topic = unique("restart");
    let mut records: Vec<Record> = vec![];
    for round in ["first", "after kill -9", "after SIGTERM"] {
        match round {
            "after kill -9" => server.kill9(),
            "after SIGTERM" => {
                assert!(server.terminate().success(), "a stop that was asked for is a success")
            }
            _ => {}
        }
        if round != "first" {
            server.restart();
        }
        let more: Vec<_> = Record::rich(COUNT, round).into_iter().map(|r| tool.sendable(r)).collect();
        let offsets =
            client.produce(&topic, &more, json!({"acks": "all", "idempotence": true, "compression": "lz4"}));
        let base = records.len() as i64;
        assert_eq!(offsets, (base..base + COUNT as i64).collect::<Vec<_>>(), "{round}");
        records.extend(more);
        let read = client.consume(&topic, "earliest", records.len());
        for (got, want) in read.iter().zip(offsets_from(0, &records)) {
            assert!(*got == want, "{round}:\n got {got:?}\nwant {want:?}");
        }
        assert_eq!(read.len(), records.len(), "{round}");
    }
}
