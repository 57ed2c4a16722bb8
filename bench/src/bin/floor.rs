//! The floor: a program that only moves the same bytes. `floor receive` reads from TCP, takes the CRC32C of each piece,
//! writes it to allocated files of 64 MiB and makes it durable every 4 MiB; `floor send` sends from memory. Both print their own CPU
//! seconds per GB. `floor run` does both in two processes. `floor serve` is the floor as a server (`klamm_bench::floor`).
#![allow(clippy::disallowed_methods, reason = "a tool beside the broker: it measures time and opens sockets")]

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    time::Instant,
};

use clap::{Args, Parser, Subcommand};
use klamm_bench::{
    cpu::Cpu,
    floor::{FILE_BYTES, Floor, allocated},
};

/// How much is written between two syncs, in bytes.
const SYNC_BYTES: usize = 4 << 20;

#[derive(Parser)]
#[command(about = "Moves bytes, and nothing else")]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Receives from as many connections as are said, then prints what it cost.
    Receive(Receive),
    /// Sends, then prints what it cost.
    Send(Send),
    /// Both, in two processes.
    Run(Receive),
    /// Answers Produce and Fetch with the same bytes for ever, so that a broker's load runs against it. Prints its address.
    Serve(Serve),
}

#[derive(Args, Clone)]
struct Receive {
    #[arg(long, default_value = "127.0.0.1:19999")]
    address: String,
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Bytes that are read, checked and written at a time.
    #[arg(long, default_value_t = 1 << 20)]
    piece_bytes: usize,
    /// The folder for the files; those stay until the end, as a log's do.
    #[arg(long, default_value = "/tmp")]
    folder: PathBuf,
    /// Bytes in all (`run` only).
    #[arg(long, default_value_t = 4_000_000_000)]
    bytes: u64,
    #[arg(long)]
    no_crc: bool,
    #[arg(long)]
    no_write: bool,
    #[arg(long)]
    no_sync: bool,
}

#[derive(Args)]
struct Serve {
    /// The folder for the files.
    #[arg(long)]
    folder: PathBuf,
    /// Answer a Produce when it is written, not when it is durable.
    #[arg(long)]
    early: bool,
    /// The size of the batch that answers a Fetch.
    #[arg(long, default_value_t = 1 << 20)]
    answer_bytes: usize,
    /// The size of its records' values.
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Bytes of answers in memory, which are sent in turn.
    #[arg(long, default_value_t = 1)]
    resident_bytes: usize,
    /// Answer Fetches from a file of that size, which is not in the page cache.
    #[arg(long, default_value_t = 0)]
    cold_bytes: u64,
}

#[derive(Args)]
struct Send {
    #[arg(long, default_value = "127.0.0.1:19999")]
    address: String,
    #[arg(long, default_value_t = 4)]
    connections: usize,
    #[arg(long, default_value_t = 1 << 20)]
    piece_bytes: usize,
    #[arg(long, default_value_t = 4_000_000_000)]
    bytes: u64,
}

fn main() -> io::Result<()> {
    match Cli::parse().role {
        Role::Receive(receive) => run_receiver(&receive, TcpListener::bind(&receive.address)?),
        Role::Send(send) => run_sender(&send),
        Role::Serve(Serve { folder, early, answer_bytes, record_bytes, resident_bytes, cold_bytes }) => {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let floor = Floor { folder, early, answer_bytes, record_bytes, resident_bytes, cold_bytes };
            floor.serve(&listener, || println!("{address}"))
        }
        Role::Run(receive) => {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let mut sender = Command::new(std::env::current_exe()?)
                .args(["send", "--address", &listener.local_addr()?.to_string()])
                .args(["--connections", &receive.connections.to_string()])
                .args(["--piece-bytes", &receive.piece_bytes.to_string()])
                .args(["--bytes", &receive.bytes.to_string()])
                .spawn()?;
            run_receiver(&receive, listener)?;
            sender.wait().map(drop)
        }
    }
}

fn run_receiver(receive: &Receive, listener: TcpListener) -> io::Result<()> {
    let streams: Vec<_> =
        (0..receive.connections).map(|_| Ok(listener.accept()?.0)).collect::<io::Result<_>>()?;
    let (began, before) = (Instant::now(), Cpu::own());
    let total = std::thread::scope(|scope| {
        let each = streams.into_iter().enumerate();
        let threads: Vec<_> =
            each.map(|(number, stream)| scope.spawn(move || drain(receive, number, stream))).collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).sum::<io::Result<u64>>()
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let steps = [(!receive.no_crc, "+crc"), (!receive.no_write, "+write"), (syncs(receive), "+sync")];
    let steps: String = steps.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    println!(
        "receive{steps}, pieces of {}: {:.0} MB/s, {}",
        receive.piece_bytes,
        total as f64 / 1e6 / seconds,
        Cpu::own().since(before, total)
    );
    Ok(())
}

fn syncs(receive: &Receive) -> bool {
    !receive.no_write && !receive.no_sync
}

fn drain(receive: &Receive, number: usize, mut stream: TcpStream) -> io::Result<u64> {
    let name = receive.folder.join(format!("klamm-floor-{}-{number}", std::process::id()));
    let mut output = if receive.no_write { None } else { Some(Output::open(name, syncs(receive))?) };
    let mut piece = vec![0; receive.piece_bytes];
    let (mut total, mut crc) = (0, 0);
    loop {
        let mut filled = 0;
        while filled < piece.len() {
            match stream.read(&mut piece[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        if filled == 0 {
            break;
        }
        total += filled as u64;
        if !receive.no_crc {
            crc ^= crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &piece[..filled]);
        }
        if let Some(output) = &mut output {
            output.write(&piece[..filled])?;
        }
    }
    std::hint::black_box(crc);
    Ok(total)
}

/// Files that are filled one after the other, and removed at the end.
struct Output {
    name: PathBuf,
    files: Vec<PathBuf>,
    file: File,
    left: u64,
    unsynced: usize,
    syncs: bool,
}

impl Output {
    fn open(name: PathBuf, syncs: bool) -> io::Result<Self> {
        let path = name.with_extension("0");
        let file = allocated(&path)?;
        Ok(Self { name, files: vec![path], file, left: FILE_BYTES, unsynced: 0, syncs })
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.left < piece.len() as u64 {
            let path = self.name.with_extension(self.files.len().to_string());
            self.file = allocated(&path)?;
            self.files.push(path);
            (self.left, self.unsynced) = (FILE_BYTES, 0);
        }
        self.file.write_all(piece)?;
        self.left -= piece.len() as u64;
        self.unsynced += piece.len();
        if self.unsynced >= SYNC_BYTES && self.syncs {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.files.iter().for_each(|path| drop(fs::remove_file(path)));
    }
}

fn run_sender(send: &Send) -> io::Result<()> {
    let piece: Vec<u8> = (0..send.piece_bytes).map(|at| (at * 31 + at / 7) as u8).collect();
    let pieces = send.bytes / send.connections as u64 / piece.len() as u64;
    let total = pieces * piece.len() as u64 * send.connections as u64;
    let streams: Vec<_> =
        (0..send.connections).map(|_| TcpStream::connect(&send.address)).collect::<io::Result<_>>()?;
    let before = Cpu::own();
    std::thread::scope(|scope| {
        let piece = &piece;
        let push = |mut stream: TcpStream| move || (0..pieces).try_for_each(|_| stream.write_all(piece));
        let threads: Vec<_> = streams.into_iter().map(|stream| scope.spawn(push(stream))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    println!("send, pieces of {}: {}", piece.len(), Cpu::own().since(before, total));
    Ok(())
}
