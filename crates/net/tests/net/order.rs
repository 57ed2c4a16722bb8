//! Calls start, and answers leave, in order.

use std::time::Duration;

use klamm_net::Limits;
use tokio::{io::AsyncWriteExt as _, time::sleep};

use crate::service::{Setup, frame};

#[tokio::test]
async fn overlapping_calls_run_together_and_are_answered_in_order() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    let frames = [frame(b'o', 120, b"a"), frame(b'o', 60, b"b"), frame(b'o', 0, b"c")].concat();
    client.send(&frames).await;
    for text in ["a", "b", "c"] {
        assert_eq!(client.text().await.unwrap(), text);
    }
    let expected = [
        "call a", "start a", "call b", "start b", "call c", "start c", "end c", "drop c", "end b", "drop b",
        "end a", "drop a",
    ];
    assert_eq!(setup.log.events(), expected);
}

#[tokio::test]
async fn a_call_that_runs_alone_is_a_barrier() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    let frames = [frame(b'o', 50, b"a"), frame(b'a', 50, b"b"), frame(b'o', 0, b"c"), frame(b'a', 0, b"d")];
    client.send(&frames.concat()).await;
    for text in ["a", "b", "c", "d"] {
        assert_eq!(client.text().await.unwrap(), text);
    }
    let expected = [
        "call a", "start a", "call b", "end a", "drop a", "start b", "end b", "drop b", "call c", "start c",
        "end c", "drop c", "call d", "start d", "end d", "drop d",
    ];
    assert_eq!(setup.log.events(), expected);
}

#[tokio::test]
async fn no_answer_to_some() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    client.send(&[frame(b'n', 0, b"a"), frame(b'a', 0, b"b")].concat()).await;
    assert_eq!(client.text().await.unwrap(), "b");
}

#[tokio::test]
async fn no_more_calls_than_allowed_are_under_way() {
    let setup = Setup::new(Limits { in_flight_max: 3, ..Limits::default() }).await;
    let mut client = setup.client().await;
    let frames: Vec<u8> = (0..10).flat_map(|n| frame(b'o', 60, n.to_string().as_bytes())).collect();
    client.send(&frames).await;
    for n in 0..10 {
        assert_eq!(client.text().await.unwrap(), n.to_string());
    }
    let (mut under_way, mut most) = (0, 0);
    for event in setup.log.events() {
        match event.split(' ').next().unwrap() {
            "start" => under_way += 1,
            "end" => under_way -= 1,
            _ => {}
        }
        most = most.max(under_way);
    }
    assert_eq!(most, 3);
}

#[tokio::test]
async fn no_more_bytes_than_allowed_are_under_way() {
    let setup = Setup::new(Limits { in_flight_bytes_max: 50_000, ..Limits::default() }).await;
    let mut client = setup.client().await;
    let frames: Vec<u8> = (0..6_u8).flat_map(|n| frame(b'o', 30, &vec![b'0' + n; 60_000])).collect();
    client.send(&frames).await;
    for n in 0..6 {
        assert_eq!(client.answer().await.unwrap()[3..], vec![b'0' + n; 60_000]);
    }
    let names: Vec<_> =
        setup.log.events().iter().map(|event| event.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["call", "start", "end", "drop"].repeat(6), "one at a time");
}

#[tokio::test]
async fn frames_of_all_sizes_come_back_the_same() {
    let setup = Setup::new(Limits::default()).await;
    let connection = setup.client().await;
    let (mut read, mut write) = tokio::io::split(connection.0);
    let sizes =
        [1, 5, 100, 4000, 4096, 5000, 8188, 8192, 16_384, 70_000, 1 << 20, 3 << 20, 20, 9 << 20, 1, 40_000];
    let text = |size: usize| -> Vec<u8> { (0..size).map(|at| (at % 251) as u8 ^ size as u8).collect() };
    let sending = async {
        for size in sizes.repeat(3) {
            write.write_all(&frame(b'o', 0, &text(size))).await.unwrap();
        }
    };
    let receiving = async {
        for size in sizes.repeat(3) {
            use tokio::io::AsyncReadExt as _;
            let mut answer = vec![0; read.read_u32().await.unwrap() as usize];
            read.read_exact(&mut answer).await.unwrap();
            assert!(answer[3..] == text(size), "frame of {size}");
        }
    };
    tokio::join!(sending, receiving);
    let counts = setup.server.counts();
    assert_eq!((counts.frames, counts.bytes_in), (48, counts.bytes_out));
}

#[tokio::test]
async fn many_segments_leave_in_order() {
    let setup = Setup::new(Limits::default()).await;
    let mut client = setup.client().await;
    for count in [1, 15, 16, 17, 1023, 1024, 5000_u16] {
        client.send(&frame(b's', count, b"")).await;
        let expected: Vec<u8> = (0..count).flat_map(|n| [n as u8; 2]).collect();
        assert_eq!(client.answer().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_client_that_reads_late_gets_everything() {
    let setup = Setup::new(Limits { in_flight_bytes_max: 1 << 20, ..Limits::default() }).await;
    let (mut read, mut write) = tokio::io::split(setup.client().await.0);
    let sending = tokio::spawn(async move {
        for _ in 0..400 {
            write.write_all(&frame(b'o', 0, &[7; 100_000])).await.unwrap();
        }
        write
    });
    sleep(Duration::from_millis(300)).await;
    assert!(setup.server.counts().frames < 200, "it must stop reading: {:?}", setup.server.counts());
    for _ in 0..400 {
        use tokio::io::AsyncReadExt as _;
        let mut answer = vec![0; read.read_u32().await.unwrap() as usize];
        read.read_exact(&mut answer).await.unwrap();
    }
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_on_two_threads() {
    let setup = Setup::new(Limits::default()).await;
    let mut tasks = Vec::new();
    for n in 0..20_u16 {
        let mut client = setup.client().await;
        tasks.push(tokio::spawn(async move {
            for round in 0..50_u16 {
                let letter = if round % 7 == 0 { b'a' } else { b'o' };
                let frames: Vec<u8> = (0..8)
                    .flat_map(|k| frame(letter, (n + round + k) % 3, format!("{round}-{k}").as_bytes()))
                    .collect();
                client.send(&frames).await;
                for k in 0..8 {
                    assert_eq!(client.text().await.unwrap(), format!("{round}-{k}"));
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(setup.server.counts().frames, 20 * 50 * 8);
}
