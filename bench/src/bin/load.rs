//! A pipelined load on our own codec: `load produce` and `load fetch` against any broker that speaks Kafka. Prints MB/s,
//! the time to an answer (median, 99th percentile) and, given the server's process, its CPU seconds per GB.
#![allow(clippy::disallowed_methods, reason = "a tool beside the broker: it measures time and opens sockets")]

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use klamm_bench::{batch, cpu::Cpu, request};
use klamm_protocol::{
    CreateTopicsRequest, Decode as _, Decoder, DeleteTopicsRequest, ErrorCode, FetchRequest, ProduceRequest,
    Request, decode_response_header,
};

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum What {
    Produce,
    Fetch,
}

/// Loads a broker.
#[derive(Parser, Clone)]
struct Load {
    what: What,
    #[arg(long, default_value = "127.0.0.1:9092")]
    address: String,
    #[arg(long, default_value_t = 4)]
    connections: usize,
    #[arg(long, default_value_t = 1 << 20)]
    batch_bytes: usize,
    /// Batches in a produce request, each for another partition.
    #[arg(long, default_value_t = 1)]
    batches: usize,
    #[arg(long, default_value_t = 8)]
    partitions: i32,
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    acks: i16,
    /// Requests under way on a connection (produce).
    #[arg(long, default_value_t = 5)]
    depth: usize,
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// The topic's storage class.
    #[arg(long, default_value = "disk")]
    class: String,
    /// Bytes to be read over and over (fetch); within the tail, so that memory serves them.
    #[arg(long, default_value_t = 32 << 20)]
    resident_bytes: usize,
    /// The server's process.
    #[arg(long)]
    pid: Option<String>,
}

/// What a connection did.
#[derive(Default)]
struct Done {
    bytes: u64,
    answered_us: Vec<u32>,
}

fn main() -> io::Result<()> {
    let load = Load::parse();
    let topic = format!("load-{}", std::process::id());
    let mut control = Client::connect(&load.address)?;
    control.ask::<CreateTopicsRequest<'_>>(
        request::CREATE_VERSION,
        &request::create(&topic, load.partitions, &load.class),
    )?;
    let batch = batch::build(load.batch_bytes, None);
    let records = i64::from(batch::valid(batch.clone()).header().record_count);
    let each = (load.resident_bytes / load.partitions as usize).div_ceil(batch.len());
    if load.what == What::Fetch {
        for partition in 0..load.partitions {
            for _ in 0..each {
                control.produce(&request::produce(&topic, &[partition], &batch, -1))?;
            }
        }
    }
    let end = records * each as i64;
    let cpu = || load.pid.as_ref().map(|pid| Cpu::of(pid)).transpose();
    let (before, own, began) = (cpu()?, Cpu::own(), Instant::now());
    let until = began + Duration::from_secs_f64(load.seconds);
    let done = std::thread::scope(|scope| {
        let (load, topic, batch) = (&load, &topic, &batch);
        let run = |number: usize| {
            scope.spawn(move || match load.what {
                What::Produce => produce(load, topic, batch, number, until),
                What::Fetch => fetch(load, topic, end, number, until),
            })
        };
        let threads: Vec<_> = (0..load.connections).map(run).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<io::Result<Vec<_>>>()
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let (after, own_after) = (cpu()?, Cpu::own());
    let bytes = done.iter().map(|done| done.bytes).sum::<u64>();
    let mut times: Vec<u32> = done.into_iter().flat_map(|done| done.answered_us).collect();
    times.sort_unstable();
    let at = |share: f64| f64::from(times[(times.len() as f64 * share) as usize]) / 1e3;
    println!(
        "{:.0} MB/s, {} requests, answers p50 {:.2} ms, p99 {:.2} ms",
        bytes as f64 / 1e6 / seconds,
        times.len(),
        at(0.5),
        at(0.99)
    );
    if let (Some(before), Some(after)) = (before, after) {
        println!("server: {}", after.since(before, bytes));
    }
    println!("load:   {}", own_after.since(own, bytes));
    let delete = DeleteTopicsRequest {
        topic_names: vec![topic.as_str().into()],
        timeout_ms: 30_000,
        ..Default::default()
    };
    let version = 4;
    control.ask::<DeleteTopicsRequest<'_>>(version, &request::frame(version, 1, &delete))
}

fn produce(load: &Load, topic: &str, batch: &Bytes, number: usize, until: Instant) -> io::Result<Done> {
    let partition = |at: usize| (at % load.partitions as usize) as i32;
    let frames: Vec<Vec<u8>> = (0..load.partitions as usize)
        .map(|first| {
            let partitions: Vec<i32> = (0..load.batches).map(|more| partition(first + more)).collect();
            request::produce(topic, &partitions, batch, load.acks)
        })
        .collect();
    let mut client = Client::connect(&load.address)?;
    let (mut done, mut under_way) = (Done::default(), VecDeque::new());
    for turn in number.. {
        while under_way.len() >= load.depth || (Instant::now() >= until && !under_way.is_empty()) {
            client.answer::<ProduceRequest<'_>, _>(request::PRODUCE_VERSION, refused)?;
            let sent: Instant = under_way.pop_front().expect("one answer a request");
            done.answered_us.push(sent.elapsed().as_micros() as u32);
            done.bytes += (batch.len() * load.batches) as u64;
        }
        if Instant::now() >= until {
            break;
        }
        under_way.push_back(Instant::now());
        client.stream.write_all(&frames[turn % frames.len()])?;
    }
    Ok(done)
}

fn refused(response: &klamm_protocol::ProduceResponse<'_>) -> Result<(), ErrorCode> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.map(|p| p.error_code).find(|code| *code != ErrorCode::NONE).map_or(Ok(()), Err)
}

fn fetch(load: &Load, topic: &str, end: i64, number: usize, until: Instant) -> io::Result<Done> {
    let mut client = Client::connect(&load.address)?;
    let (mut done, mut partition, mut offset) = (Done::default(), number as i32 % load.partitions, 0);
    while Instant::now() < until {
        let sent = Instant::now();
        client.stream.write_all(&request::fetch(topic, &[(partition, offset)], 1 << 20, 1))?;
        let (bytes, next) = client.answer::<FetchRequest<'_>, _>(request::FETCH_VERSION, |response| {
            let data = &response.responses[0].partitions[0];
            if data.error_code != ErrorCode::NONE {
                return Err(data.error_code);
            }
            let records = data.records.as_ref().expect("records");
            Ok((records.len(), next_offset(records.pieces().next().unwrap_or_default())))
        })?;
        done.answered_us.push(sent.elapsed().as_micros() as u32);
        done.bytes += bytes as u64;
        offset = next.unwrap_or(end);
        if offset >= end {
            (partition, offset) = ((partition + 1) % load.partitions, 0);
        }
    }
    Ok(done)
}

/// The offset after the last whole batch.
fn next_offset(mut records: &[u8]) -> Option<i64> {
    let mut next = None;
    while let Some(Ok(header)) = records.first_chunk().map(klamm_records::BatchHeader::parse) {
        if header.batch_bytes() > records.len() {
            break;
        }
        next = Some(header.next_offset());
        records = &records[header.batch_bytes()..];
    }
    next
}

struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Reads one answer and looks at it.
    fn answer<R: Request, T>(
        &mut self,
        version: i16,
        look: impl FnOnce(&R::Response<'_>) -> Result<T, ErrorCode>,
    ) -> io::Result<T> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        self.stream.read_exact(&mut self.buffer[..length])?;
        let mut decoder = Decoder::trusting(&self.buffer[..length]);
        let response = decode_response_header(&mut decoder, R::API, version)
            .and_then(|_| R::Response::decode_all(decoder, version))
            .map_err(io::Error::other)?;
        look(&response).map_err(|code| io::Error::other(format!("{} was answered {code:?}", R::API)))
    }

    fn ask<R: Request>(&mut self, version: i16, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame)?;
        self.answer::<R, ()>(version, |_| Ok(()))
    }

    fn produce(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame)?;
        self.answer::<ProduceRequest<'_>, _>(request::PRODUCE_VERSION, refused)
    }
}
