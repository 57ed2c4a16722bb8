//! Too many connections, and peers that ask and take no answers.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use klamm_conformance::{Raw, Server, unique};
use klamm_protocol::{ApiVersionsRequest, MetadataRequest, encode_request_frame};

use crate::{Attacked, MIB};

#[test]
fn connections_above_the_limit_are_closed() {
    for limit in ["max.connections=20", "max.connections.per.ip=20"] {
        let server = Server::start(&["-c", limit]);
        let mut crowd: Vec<_> = (0..60).map(|_| Raw::connect(server.addr())).collect();
        let served =
            crowd.iter_mut().filter_map(|raw| raw.try_ask(0, &ApiVersionsRequest::default())).count();
        assert_eq!(served, 20, "{limit}");
        drop(crowd);
        thread::sleep(Duration::from_millis(300));
        let mut raw = Raw::connect(server.addr());
        assert!(raw.try_ask(0, &ApiVersionsRequest::default()).is_some(), "{limit}: there is room again");
    }
}

#[test]
fn a_peer_that_takes_no_answers_is_not_heaped_up_for() {
    let attacked = Attacked::start(&[]);
    let mut raw = attacked.connect();
    raw.create(&unique("wide"), 2000, &[]);
    let base = attacked.grew_bytes();
    let frame = encode_request_frame(1, 1, None, &MetadataRequest { topics: None, ..Default::default() });
    let frame = frame.expect("a frame").concat();
    let greedy: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(attacked.server.addr()).expect("a connection");
            stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a limit");
            let many = frame.repeat(1000);
            // Some MiB, or until it reads no more.
            for _ in 0..200 {
                if stream.write_all(&many).is_err() {
                    break;
                }
            }
            stream
        })
        .collect();
    let grew = attacked.grew_bytes() - base.min(attacked.grew_bytes());
    assert!(grew < 48 * MIB, "its memory grew by {grew} bytes");
    drop(greedy);
    attacked.survived(96 * MIB);
}
