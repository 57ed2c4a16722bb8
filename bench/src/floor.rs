//! The floor as a server: it reads frames, takes the CRC32C of each, writes it and syncs in groups; it answers every Produce, and
//! every Fetch, with the same bytes. A thread a connection and one that syncs. So the same load runs against it as against a broker.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use klamm_protocol::{
    ApiKey, FetchResponse, Message, ProduceResponse, Records, encode_response_frame,
    fetch::{FetchableTopicResponse, PartitionData},
};

use crate::{batch, request};

/// The size of a file; the disk has promised the space before it is written.
pub const FILE_BYTES: u64 = 64 << 20;
/// What a connection's reader holds.
const READ_BYTES: usize = 64 << 10;

/// What a floor does.
#[derive(Debug, Clone)]
pub struct Floor {
    /// Where its files go.
    pub folder: PathBuf,
    /// Whether a Produce is answered when it is written; else when it is durable.
    pub early: bool,
    /// The size of the batch that answers a Fetch, and of its records' values.
    pub answer_bytes: usize,
    /// See `answer_bytes`.
    pub record_bytes: usize,
    /// So many bytes of answers lie in memory and are sent in turn: a broker's are not in the processor's cache, either.
    pub resident_bytes: usize,
    /// If not 0, a Fetch is answered from a file of so many bytes that is not in the page cache at first.
    pub cold_bytes: u64,
}

/// A file with its space.
pub fn allocated(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, FILE_BYTES)?;
    Ok(file)
}

/// What is shared by the connections and the thread that syncs.
struct Shared {
    log: Mutex<Log>,
    written: Condvar,
    folder: PathBuf,
    early: bool,
    produced: Bytes,
    fetched: Fetched,
    /// Fetches so far: each gets the next answer.
    fetches: AtomicUsize,
}

struct Log {
    file: Arc<File>,
    number: u64,
    used: u64,
    /// Full files with bytes that are not synced.
    full: Vec<Arc<File>>,
    /// Who waits for the next sync, once for each answer.
    waiting: Vec<Arc<TcpStream>>,
}

/// The answer to a Fetch: before, records, after.
struct Fetched {
    before: Bytes,
    /// The same records, again and again.
    copies: Vec<Vec<u8>>,
    after: Bytes,
    cold: Option<(File, u64)>,
}

impl Floor {
    /// Serves until the process ends; calls `ready` when its files are there.
    pub fn serve(&self, listener: &TcpListener, ready: impl FnOnce()) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let file = Arc::new(allocated(&self.folder.join("0.log"))?);
        let log = Log { file, number: 0, used: 0, full: Vec::new(), waiting: Vec::new() };
        let produced = answer(request::PRODUCE_VERSION, &ProduceResponse::default()).concat();
        let shared = Arc::new(Shared {
            log: Mutex::new(log),
            written: Condvar::new(),
            folder: self.folder.clone(),
            early: self.early,
            produced: produced.into(),
            fetched: self.fetched()?,
            fetches: AtomicUsize::new(0),
        });
        let syncer = Arc::clone(&shared);
        std::thread::spawn(move || syncer.sync_for_ever());
        ready();
        for stream in listener.incoming() {
            let (shared, stream) = (Arc::clone(&shared), stream?);
            stream.set_nodelay(true)?;
            std::thread::spawn(move || {
                if let Err(error) = shared.connection(stream) {
                    eprintln!("floor: a connection failed: {error}");
                }
            });
        }
        Ok(())
    }

    fn fetched(&self) -> io::Result<Fetched> {
        let records =
            batch::of_records(batch::records_in(self.answer_bytes, self.record_bytes), self.record_bytes);
        let partition = PartitionData {
            records: Some(Records::from(records.clone())),
            high_watermark: i64::MAX,
            ..Default::default()
        };
        let topic = FetchableTopicResponse { partitions: vec![partition], ..Default::default() };
        let response = FetchResponse { responses: vec![topic], ..Default::default() };
        let whole = Bytes::from(answer(request::FETCH_VERSION, &response).concat());
        let at = whole.windows(records.len()).position(|piece| piece == records);
        let at = at.expect("the answer holds the records");
        let (before, after) = (whole.slice(..at), whole.slice(at + records.len()..));
        let cold = if self.cold_bytes == 0 { None } else { Some(self.cold(&records)?) };
        let copies = if cold.is_some() { 1 } else { (self.resident_bytes / records.len()).max(1) };
        Ok(Fetched { before, copies: vec![records.to_vec(); copies], after, cold })
    }

    fn cold(&self, records: &[u8]) -> io::Result<(File, u64)> {
        let path = self.folder.join("cold.log");
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        let count = self.cold_bytes.div_ceil(records.len() as u64);
        (0..count).try_for_each(|_| file.write_all(records))?;
        file.sync_data()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok((file, count))
    }
}

fn answer<M: Message>(version: i16, body: &M) -> Vec<Bytes> {
    encode_response_frame(version, 1, body).expect("the version carries it")
}

impl Shared {
    fn connection(&self, stream: TcpStream) -> io::Result<()> {
        let stream = Arc::new(stream);
        let mut reader = BufReader::with_capacity(READ_BYTES, &*stream);
        let mut frame = Vec::new();
        loop {
            let mut length = [0; 4];
            match reader.read_exact(&mut length) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                read => read?,
            }
            frame.resize(u32::from_be_bytes(length) as usize, 0);
            reader.read_exact(&mut frame)?;
            let api = frame.first_chunk().map(|key| i16::from_be_bytes(*key));
            if api == Some(ApiKey::Fetch.key()) {
                self.fetch(&stream)?;
            } else {
                self.produce(&stream, &frame)?;
            }
        }
    }

    fn produce(&self, stream: &Arc<TcpStream>, frame: &[u8]) -> io::Result<()> {
        std::hint::black_box(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, frame));
        let mut log = self.log.lock().expect("no panic");
        if log.used + frame.len() as u64 > FILE_BYTES {
            log.number += 1;
            let next = Arc::new(allocated(&self.folder.join(format!("{}.log", log.number)))?);
            let full = std::mem::replace(&mut log.file, next);
            log.full.push(full);
            log.used = 0;
        }
        log.file.write_all_at(frame, log.used)?;
        log.used += frame.len() as u64;
        if !self.early {
            log.waiting.push(Arc::clone(stream));
        }
        drop(log);
        self.written.notify_one();
        if self.early { (&mut &**stream).write_all(&self.produced) } else { Ok(()) }
    }

    fn fetch(&self, stream: &Arc<TcpStream>) -> io::Result<()> {
        let (fetched, turn) = (&self.fetched, self.fetches.fetch_add(1, Ordering::Relaxed));
        let mut read;
        let records: &[u8] = match &fetched.cold {
            Some((file, count)) => {
                let bytes = fetched.copies[0].len();
                read = vec![0; bytes];
                file.read_exact_at(&mut read, turn as u64 % count * bytes as u64)?;
                &read
            }
            None => &fetched.copies[turn % fetched.copies.len()],
        };
        let mut out = &**stream;
        [&fetched.before, records, &fetched.after].into_iter().try_for_each(|piece| out.write_all(piece))
    }

    /// One sync for all that was written meanwhile. Where the answers do not wait for it, a group is what comes in 100 ms.
    fn sync_for_ever(&self) {
        let mut seen = (0, 0);
        loop {
            let mut log = self.log.lock().expect("no panic");
            while (log.number, log.used) == seen {
                log = self.written.wait(log).expect("no panic");
            }
            seen = (log.number, log.used);
            let mut files = std::mem::take(&mut log.full);
            files.push(Arc::clone(&log.file));
            let waiting = std::mem::take(&mut log.waiting);
            drop(log);
            let synced: io::Result<()> = files.iter().try_for_each(|file| file.sync_data());
            synced.expect("the disk syncs");
            for stream in waiting {
                // Whoever left does not wait.
                let _ = (&mut &*stream).write_all(&self.produced);
            }
            if self.early {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        }
    }
}
