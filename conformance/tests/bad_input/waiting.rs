//! Peers that are slow: a frame that does not come is given 10 s, an idle connection its configured time.

use std::thread;
use std::time::{Duration, Instant};

use klamm_conformance::{Raw, batch, to_fetch};
use klamm_protocol::{ApiVersionsRequest, FetchRequest};

use crate::{Attacked, MIB};

#[test]
fn a_dribbled_frame_is_closed_after_ten_seconds() {
    let attacked = Attacked::start(&[]);
    let began = Instant::now();
    let metadata = [0, 0, 0, 30, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff];
    let starts: [(&str, &[u8]); 4] = [
        ("silence", &[]),
        ("half a length", &metadata[..2]),
        ("a length", &metadata[..4]),
        ("a header", &metadata),
    ];
    thread::scope(|scope| {
        let attacked = &attacked;
        for (what, start) in starts {
            scope.spawn(move || {
                let mut raw = attacked.connect();
                raw.write(start);
                let closed = raw.is_closed_within(Duration::from_secs(14));
                let after = began.elapsed();
                assert!(closed && after > Duration::from_secs(9), "{what}: closed {closed} after {after:?}");
            });
        }
        scope.spawn(move || {
            let mut raw = attacked.connect();
            for byte in metadata {
                raw.write(&[byte]);
                if raw.is_closed_within(Duration::from_secs(1)) {
                    break;
                }
            }
            let after = began.elapsed();
            assert!(
                after > Duration::from_secs(9) && after < Duration::from_secs(14),
                "a byte a second: {after:?}"
            );
        });
        scope.spawn(move || {
            // One that was served before is treated alike, from the frame's first byte on.
            let mut raw = attacked.connect();
            raw.ask(0, &ApiVersionsRequest::default());
            raw.write(&metadata);
            assert!(raw.is_closed_within(Duration::from_secs(14)), "after a good request");
        });
        scope.spawn(move || {
            // A slow upload is none of these.
            let mut raw = attacked.connect();
            let frame = klamm_protocol::encode_request_frame(
                9,
                1,
                None,
                &klamm_conformance::to_produce(&attacked.name, 0, batch(&["x".repeat(100_000)])),
            );
            for piece in frame.expect("a frame").concat().chunks(9_000) {
                raw.write(piece);
                thread::sleep(Duration::from_secs(1));
            }
            assert!(raw.frame().is_some(), "a slow upload passes");
        });
    });
    attacked.survived(4 * MIB);
}

#[test]
fn an_idle_connection_is_closed_and_a_waiting_one_is_not() {
    let attacked = Attacked::start(&["-c", "connections.max.idle.ms=1000"]);
    let mut idle = attacked.connect();
    idle.ask(0, &ApiVersionsRequest::default());
    let mut waits = attacked.connect();
    let request = FetchRequest { max_wait_ms: 3000, ..to_fetch(&attacked.name, 0, 1) };
    let sent = waits.send(12, &request);
    let began = Instant::now();
    assert!(idle.is_closed_within(Duration::from_secs(5)), "idle");
    assert!(began.elapsed() > Duration::from_millis(800), "{:?}", began.elapsed());
    let answer = waits.receive::<FetchRequest<'_>>(sent);
    assert!(
        answer.error_code.is_ok() && began.elapsed() > Duration::from_millis(2500),
        "it waited to the end"
    );
    attacked.survived(2 * MIB);
}

#[test]
fn a_peer_that_goes_away_while_it_waits_is_forgotten() {
    let attacked = Attacked::start(&["-c", "max.connections=30"]);
    for _ in 0..5 {
        let mut crowd = crowd(&attacked);
        for raw in &mut crowd {
            let request = FetchRequest { max_wait_ms: i32::MAX, ..to_fetch(&attacked.name, 0, 1) };
            raw.send(12, &request);
        }
        thread::sleep(Duration::from_millis(100));
    }
    drop(crowd(&attacked));
    attacked.survived(4 * MIB);
}

/// 25 connections that are all served: as many as there is room for once. Of those before them a call that waits is dropped
/// a second after its peer.
fn crowd(attacked: &Attacked) -> Vec<Raw> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut crowd: Vec<Raw> = (0..25).map(|_| attacked.connect()).collect();
        if crowd.iter_mut().all(|raw| raw.try_ask(0, &ApiVersionsRequest::default()).is_some()) {
            return crowd;
        }
        assert!(Instant::now() < deadline, "peers that went away are still counted");
        thread::sleep(Duration::from_millis(100));
    }
}
