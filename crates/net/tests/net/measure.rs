//! Measurements, run by hand: `cargo test --release -p klamm-net --test net -- --ignored --nocapture`.

use std::{path::Path, time::Duration};

use klamm_net::Limits;
use tokio::{io::AsyncWriteExt as _, time::sleep};

use crate::service::{Setup, frame};

/// Resident KiB, and CPU milliseconds, of this process.
async fn used(setup: &Setup) -> (u64, u64) {
    let read = async |path: &str| {
        let bytes = setup.env.disk.read(Path::new(path)).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let words = text.split_whitespace();
        words.map(|word| word.parse().unwrap_or(0)).collect::<Vec<u64>>()
    };
    let stat = read("/proc/self/stat").await;
    (read("/proc/self/statm").await[1] * 4, (stat[13] + stat[14]) * 10)
}

#[tokio::test]
#[ignore = "a measurement"]
async fn idle_connections() {
    const COUNT: u64 = 5000;
    let setup = Setup::new(Limits::default()).await;
    let (before, _) = used(&setup).await;
    let mut clients = Vec::new();
    for _ in 0..COUNT {
        let mut client = setup.client().await;
        client.send(&frame(b'o', 0, b"x")).await;
        assert!(client.answer().await.is_some());
        clients.push(client);
    }
    let (after, cpu) = used(&setup).await;
    println!("{} bytes a connection, both ends", (after - before) * 1024 / COUNT);
    sleep(Duration::from_secs(15)).await;
    println!("{} CPU ms in 15 s of idleness", used(&setup).await.1 - cpu);
}

#[tokio::test]
#[ignore = "a measurement"]
async fn receiving() {
    for bytes in [100, 1 << 10, 16 << 10, 64 << 10, 1 << 20] {
        let setup = Setup::new(Limits::default()).await;
        let frames = (1 << 20) / bytes;
        let piece: Vec<u8> = (0..frames).flat_map(|_| frame(b'n', 0, &vec![0; bytes])).collect();
        let address = setup.address().to_string();
        let net = setup.env.net.clone();
        let (_, before) = used(&setup).await;
        let mut to = net.connect(&address).await.unwrap();
        for _ in 0..1000 {
            to.write_all(&piece).await.unwrap();
        }
        while setup.server.counts().frames < 1000 * frames as u64 {
            sleep(Duration::from_millis(1)).await;
        }
        println!("frames of {bytes}: {} CPU ms a GiB, both ends", used(&setup).await.1 - before);
    }
}
