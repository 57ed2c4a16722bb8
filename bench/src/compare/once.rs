//! What is measured once, on a new server: the start, and memory when idle, with many connections, with many partitions.

use std::{
    io,
    time::{Duration, Instant},
};

use klamm_bench::{batch, client::Client, request};

use super::{process, report::Once, server::Server};

/// How long memory may settle before it is read.
const SETTLE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);
const PARTITIONS_OF_A_TOPIC: i32 = 100;

/// Measures a server that `start` starts, in an empty folder.
pub(crate) fn measure(
    subject: &str,
    connections: usize,
    partitions: i32,
    start: impl FnOnce() -> io::Result<Server>,
) -> Once {
    let mut once = Once { subject: subject.to_owned(), connections, partitions, ..Default::default() };
    if let Err(error) = fill_in(&mut once, start) {
        once.errors.push(error.to_string());
    }
    once
}

fn fill_in(once: &mut Once, start: impl FnOnce() -> io::Result<Server>) -> io::Result<()> {
    let server = start()?;
    server.create_topic("first", 1, &[], PATIENCE)?;
    first_answer(&server)?;
    once.start_to_first_answer_ms = process::age_s(server.pid).map(|age| age * 1e3);
    std::thread::sleep(SETTLE);
    once.idle_mb = resident_mb(&server);
    match crowd(&server, once.connections) {
        Ok(mb) => once.connections_mb = mb,
        Err(error) => once.errors.push(format!("{} connections: {error}", once.connections)),
    }
    let began = Instant::now();
    for topic in 0..once.partitions / PARTITIONS_OF_A_TOPIC {
        server.create_topic(&format!("many-{topic}"), PARTITIONS_OF_A_TOPIC, &[], PATIENCE).map_err(
            |error| io::Error::other(format!("after {} partitions: {error}", topic * PARTITIONS_OF_A_TOPIC)),
        )?;
    }
    once.partitions_create_s = Some(began.elapsed().as_secs_f64());
    std::thread::sleep(SETTLE);
    once.partitions_mb = resident_mb(&server);
    Ok(())
}

/// Sends a record until it is taken.
fn first_answer(server: &Server) -> io::Result<()> {
    let frame = request::produce("first", &[0], &batch::of_records(1, 100), -1);
    let until = Instant::now() + PATIENCE;
    loop {
        let sent = Client::connect(&server.address).and_then(|mut client| {
            client.send(&frame)?;
            client.produced()
        });
        match sent {
            Err(_) if Instant::now() < until && server.alive() => {
                std::thread::sleep(Duration::from_millis(2))
            }
            sent => return sent,
        }
    }
}

/// Memory with so many connections that have asked one thing and are idle.
fn crowd(server: &Server, connections: usize) -> io::Result<Option<f64>> {
    let mut held = Vec::with_capacity(connections);
    for number in 0..connections {
        let mut client = Client::connect(&server.address)?;
        client.greet().map_err(|error| io::Error::other(format!("number {number}: {error}")))?;
        held.push(client);
    }
    std::thread::sleep(SETTLE);
    Ok(resident_mb(server))
}

fn resident_mb(server: &Server) -> Option<f64> {
    Some(process::memory_bytes(server.pid, "VmRSS:")? as f64 / 1e6)
}
