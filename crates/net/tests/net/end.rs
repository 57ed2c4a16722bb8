//! How connections and servers end.

use std::time::{Duration, Instant};

use klamm_net::Limits;
use tokio::{io::AsyncWriteExt as _, time::sleep};

use crate::service::{Setup, frame};

#[tokio::test]
async fn a_closed_peer_is_noticed_while_a_call_is_parked() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    client.send(&frame(b'f', 0, b"parked")).await;
    setup.log.wait("start parked").await;
    drop(client);
    setup.log.wait("drop parked").await;
    setup.server.shutdown(Duration::from_secs(1)).await;
    assert_eq!(setup.server.counts().open, 0);
}

#[tokio::test]
async fn what_waits_behind_a_parked_call_is_bounded() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    client.send(&frame(b'f', 0, b"parked")).await;
    setup.log.wait("start parked").await;
    let flood = tokio::time::timeout(Duration::from_millis(300), async {
        loop {
            client.send(&frame(b'o', 0, &[0; 1000])).await;
        }
    });
    assert!(flood.await.is_err());
    assert!(setup.server.counts().bytes_in <= 8192 + 13, "{:?}", setup.server.counts());
}

#[tokio::test]
async fn what_was_sent_before_the_end_takes_effect() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    let frames = [frame(b'o', 50, b"a"), frame(b'a', 50, b"b"), frame(b'n', 0, b"c")];
    client.send(&frames.concat()).await;
    client.0.shutdown().await.unwrap();
    assert_eq!(client.text().await.unwrap(), "a");
    assert_eq!(client.text().await.unwrap(), "b");
    assert_eq!(client.answer().await, None);
    assert!(setup.log.has("start c"));

    let mut client = setup.client().await;
    client.send(&[frame(b'a', 50, b"d"), frame(b'n', 0, b"e")].concat()).await;
    drop(client);
    setup.log.wait("start e").await;
}

#[tokio::test]
async fn the_service_may_close() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    let frames = [frame(b'o', 30, b"a"), frame(b'c', 0, b"b"), frame(b'o', 0, b"c")];
    client.send(&frames.concat()).await;
    assert_eq!(client.text().await.unwrap(), "a");
    assert_eq!(client.answer().await, None);
    assert!(!setup.log.has("call c"));
    assert_eq!(setup.server.counts().closed_by_service, 1);
}

#[tokio::test]
async fn a_panic_closes_only_its_connection() {
    let setup = Setup::new(Limits::default()).await;
    let mut other = setup.client().await;
    for letter in *b"pP" {
        let mut client = setup.client().await;
        client.send(&[frame(b'o', 30, b"a"), frame(letter, 0, b"b")].concat()).await;
        assert_eq!(client.text().await.unwrap(), "a");
        assert_eq!(client.answer().await, None);
    }
    other.send(&frame(b'o', 0, b"x")).await;
    assert!(other.answer().await.is_some());
    assert_eq!(setup.server.counts().panics, 2);
}

#[tokio::test]
async fn shutdown_answers_what_is_under_way() {
    let setup = Setup::new(Limits::default()).await;
    let (mut client, mut idle) = (setup.client().await, setup.client().await);
    idle.send(&frame(b'a', 0, b"x")).await;
    assert!(idle.answer().await.is_some());
    client.send(&[frame(b'o', 200, b"a"), frame(b'a', 0, b"b"), frame(b'o', 0, b"c")].concat()).await;
    setup.log.wait("call b").await;
    let receiving = async {
        assert_eq!(client.text().await.unwrap(), "a");
        assert_eq!(client.text().await.unwrap(), "b");
        assert_eq!(client.answer().await, None);
        assert_eq!(idle.answer().await, None);
    };
    tokio::join!(setup.server.shutdown(Duration::from_secs(5)), receiving);
    assert!(!setup.log.has("call c"));
    assert!(setup.env.net.connect(&setup.address().to_string()).await.is_err());
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test measures real time")]
async fn shutdown_waits_no_longer_than_its_grace() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    client.send(&frame(b'f', 0, b"parked")).await;
    setup.log.wait("start parked").await;
    let start = Instant::now();
    setup.server.shutdown(Duration::from_millis(100)).await;
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(setup.log.has("drop parked"));
    setup.server.shutdown(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    client.send(&frame(b'f', 0, b"parked")).await;
    setup.log.wait("start parked").await;
    let address = setup.address().to_string();
    drop(setup.server);
    assert_eq!(client.answer().await, None);
    setup.log.wait("drop parked").await;
    while setup.env.net.connect(&address).await.is_ok() {
        sleep(Duration::from_millis(5)).await;
    }
}
