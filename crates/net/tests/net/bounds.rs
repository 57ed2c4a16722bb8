//! Bad input and slow peers.

use std::time::Duration;

use klamm_net::Limits;
use tokio::time::sleep;

use crate::service::{Setup, frame};

#[tokio::test]
async fn bad_lengths_close() {
    let setup = Setup::new(Limits::default()).await;
    for length in [-1, 0, i32::MIN, i32::MAX, 104_857_601] {
        let mut client = setup.client().await;
        client.send(&length.to_be_bytes()).await;
        assert_eq!(client.answer().await, None, "{length}");
    }
    assert_eq!(setup.server.counts().closed_bad_length, 5);
    assert!(setup.log.events().is_empty());
}

#[tokio::test]
async fn calls_before_a_bad_length_are_answered() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    client.send(&[frame(b'o', 50, b"a"), vec![0xff; 4]].concat()).await;
    assert_eq!(client.text().await.unwrap(), "a");
    assert_eq!(client.answer().await, None);
}

#[tokio::test]
async fn a_frame_above_the_limit_closes() {
    let setup = Setup::new(Limits { frame_bytes_max: 100, ..Limits::default() }).await;
    let mut client = setup.client().await;
    client.send(&frame(b'a', 0, &[b'x'; 97])).await;
    assert!(client.answer().await.is_some());
    client.send(&frame(b'a', 0, &[b'x'; 98])).await;
    assert_eq!(client.answer().await, None);
    assert_eq!(setup.server.counts().closed_bad_length, 1);
}

#[tokio::test]
async fn a_dribbled_frame_is_read_if_it_is_in_time() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    for byte in frame(b'a', 0, b"dribbled") {
        client.send(&[byte]).await;
        sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(client.text().await.unwrap(), "dribbled");
}

#[tokio::test]
async fn silence_before_the_first_frame_closes() {
    let limits = Limits { first_request_max: Duration::from_millis(100), ..Limits::default() };
    let setup = Setup::new(limits).await;
    assert_eq!(setup.client().await.answer().await, None);
    assert_eq!(setup.server.counts().closed_slow, 1);
}

#[tokio::test]
async fn a_frame_that_is_dribbled_too_slowly_closes() {
    let limits = Limits { first_request_max: Duration::from_millis(1500), ..Limits::default() };
    let setup = Setup::new(limits).await;
    let mut client = setup.client().await;
    client.send(&frame(b'a', 0, b"first")).await;
    assert_eq!(client.text().await.unwrap(), "first");
    sleep(Duration::from_millis(2000)).await;
    client.send(&frame(b'a', 0, b"second")).await;
    assert_eq!(client.text().await.unwrap(), "second", "between frames there is time");
    client.send(&100_000_u32.to_be_bytes()).await;
    client.send(&[0; 1000]).await;
    assert_eq!(client.answer().await, None);
    assert_eq!(setup.server.counts().closed_slow, 1);
}

#[tokio::test]
async fn a_slow_upload_that_makes_progress_goes_on() {
    let limits = Limits { first_request_max: Duration::from_millis(1500), ..Limits::default() };
    let setup = Setup::new(limits).await;
    let mut client = setup.client().await;
    // Longer than the limit in all, and each piece brings a second more.
    for piece in frame(b'a', 0, &[b'x'; 60_000]).chunks(6_000) {
        client.send(piece).await;
        sleep(Duration::from_millis(200)).await;
    }
    assert!(client.answer().await.is_some());
}

#[tokio::test]
async fn idle_connections_are_closed_and_busy_ones_are_not() {
    let setup = Setup::new(Limits { idle_max: Duration::from_millis(2000), ..Limits::default() }).await;
    let (mut idle, mut busy, mut waiting) =
        (setup.client().await, setup.client().await, setup.client().await);
    idle.send(&frame(b'a', 0, b"x")).await;
    waiting.send(&frame(b'a', 3000, b"x")).await;
    for _ in 0..6 {
        busy.send(&frame(b'a', 0, b"x")).await;
        assert!(busy.answer().await.is_some());
        sleep(Duration::from_millis(400)).await;
    }
    assert!(idle.answer().await.is_some());
    assert_eq!(idle.answer().await, None);
    assert_eq!(setup.server.counts().closed_idle, 1);
    assert!(waiting.answer().await.is_some(), "a call under way is not idleness");
}

#[tokio::test]
async fn a_peer_that_takes_no_answers_is_closed() {
    let setup = Setup::new(Limits { idle_max: Duration::from_millis(300), ..Limits::default() }).await;
    let mut client = setup.client().await;
    let big = frame(b'a', 0, &vec![b'x'; 8 << 20]);
    let sending = tokio::time::timeout(Duration::from_secs(30), async {
        use tokio::io::AsyncWriteExt as _;
        loop {
            if client.0.write_all(&big).await.is_err() {
                break;
            }
        }
    });
    sending.await.expect("the server closes");
    assert_eq!(setup.server.counts().open, 0);
}

#[tokio::test]
async fn answers_that_are_not_taken_stop_the_reading() {
    const CALLS: usize = 100;
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    client.send(&frame(b'b', 1024, b"large").repeat(CALLS)).await;
    let called = || setup.log.events().iter().filter(|event| *event == "call large").count();
    let mut before = 0;
    while before == 0 || called() > before {
        before = called();
        sleep(Duration::from_millis(200)).await;
    }
    // What the kernel takes is a few of them.
    assert!(called() <= 24, "{} answers of a mebibyte wait", called());
    for _ in 0..CALLS {
        assert_eq!(client.answer().await.unwrap().len(), 1 << 20);
    }
}

#[tokio::test]
async fn what_calls_keep_beside_their_frames_counts() {
    let setup = Setup::new(Limits { in_flight_bytes_max: 1 << 20, ..Limits::default() }).await;
    let mut client = setup.client().await;
    for (letter, second) in [(b'o', "beside"), (b'k', "behind")] {
        let two = [frame(letter, 300, b"first"), frame(b'o', 0, second.as_bytes())].concat();
        client.send(&two).await;
        assert_eq!(client.text().await.unwrap(), "first");
        assert_eq!(client.text().await.unwrap(), second);
    }
    let events = setup.log.events();
    let at = |event: &str| events.iter().rposition(|had| had == event).unwrap();
    assert!(at("call beside") < events.iter().position(|had| had == "end first").unwrap(), "{events:?}");
    assert!(at("call behind") > at("end first"), "{events:?}");
}

#[tokio::test]
async fn floods_are_refused() {
    let limits = Limits { connections_max: 3, connections_per_address_max: 2, ..Limits::default() };
    let setup = Setup::new(limits).await;
    let (mut first, mut second) = (setup.client().await, setup.client().await);
    for client in [&mut first, &mut second] {
        client.send(&frame(b'a', 0, b"x")).await;
        assert!(client.answer().await.is_some());
    }
    for _ in 0..5 {
        assert_eq!(setup.client().await.answer().await, None);
    }
    assert_eq!(setup.server.counts().refused_address, 5);
    drop(first);
    while setup.server.counts().open > 1 {
        sleep(Duration::from_millis(5)).await;
    }
    let mut again = setup.client().await;
    again.send(&frame(b'a', 0, b"x")).await;
    assert!(again.answer().await.is_some());

    let setup = Setup::new(Limits { connections_max: 0, ..Limits::default() }).await;
    assert_eq!(setup.client().await.answer().await, None);
    assert_eq!(setup.server.counts().refused_total, 1);
}
