//! SIGTERM and SIGINT: exit code 0, soon, whatever clients do; what was acknowledged stays.

use std::time::{Duration, Instant};

use klamm_conformance::{Raw, Server, Signal, batch, records, to_fetch, to_produce, unique};
use klamm_protocol::{ErrorCode, FetchRequest, ProduceRequest};

#[test]
fn signals_end_it_with_success_while_clients_wait() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start(&[]);
        let topic = unique("stop");
        let mut raw = Raw::connect(server.addr());
        raw.create(&topic, 1, &[]);
        let mut waits = Raw::connect(server.addr());
        let request = FetchRequest { max_wait_ms: 60_000, ..to_fetch(&topic, 0, 0) };
        waits.send(12, &request);
        let mut half = Raw::connect(server.addr());
        half.write(&[0, 0, 0]);
        let sent: Vec<_> = (0..50).map(|_| raw.send(9, &to_produce(&topic, 0, batch(&["x"])))).collect();
        raw.receive::<ProduceRequest<'_>>(sent[0]);
        let began = Instant::now();
        assert_eq!(server.stop_by(signal).code(), Some(0), "{signal:?}");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(15), "{signal:?}: it took {took:?}");
        println!("{signal:?}: {took:?}");
        let mut answered = 1;
        while let Some(_frame) = raw.frame() {
            answered += 1;
        }
        server.restart();
        let mut raw = Raw::connect(server.addr());
        assert!(raw.end(&topic, 0) >= answered, "{signal:?}: what was acknowledged is there");
        assert_eq!(raw.fetch(&topic, 0, 0).error_code, ErrorCode::NONE);
        assert_eq!(records(&raw.fetch(&topic, 0, 0))[0], (0, "x".to_owned()));
    }
}
