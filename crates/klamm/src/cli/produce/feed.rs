//! Feeds a producer with the records of standard input or files, and shows how far it is.

use std::{
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use klamm_client::{Client, Producer};
use klamm_env::OpenMode;
use tokio::io::AsyncReadExt as _;

use super::ProduceArgs;
use crate::cli::{
    Stop,
    lines::{LineFormat, Splitter},
    serve::signals,
};

/// While a terminal waits for the next line, what it has typed goes out after this time.
const LINGER: Duration = Duration::from_millis(10);
const CHUNK_BYTES: usize = 256 << 10;
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
const BAD_LINES_MAX: u64 = 10;

/// Where records come from and go to.
pub(super) struct Feed {
    pub(super) client: Client,
    pub(super) producer: Producer,
    topic: String,
    partition: Option<i32>,
    format: LineFormat,
    splitter: Splitter,
    delimiter: Vec<u8>,
    line: u64,
    /// Lines that are no records.
    pub(super) bad: u64,
    pub(super) began: Duration,
    /// When progress was shown last, if it is shown.
    shown: Option<Duration>,
}

impl Feed {
    pub(super) fn new(client: Client, producer: Producer, args: &ProduceArgs) -> Self {
        let began = client.env().clock.monotonic();
        let terminal = std::io::stderr().is_terminal() && !args.quiet && !std::io::stdin().is_terminal();
        Self {
            client,
            producer,
            topic: args.topic.clone(),
            partition: args.partition.filter(|partition| *partition != -1),
            format: LineFormat {
                key_separator: args.key_separator.clone().map(|separator| separator.0),
                empty_is_null: args.empty_is_null,
                json: args.json,
                headers: args.headers.clone(),
            },
            splitter: Splitter::new(args.delimiter.0.clone()),
            delimiter: args.delimiter.0.clone(),
            line: 0,
            bad: 0,
            began,
            shown: terminal.then_some(began),
        }
    }

    /// Reads everything; a signal ends the reading, and what was read is still written.
    pub(super) async fn all(&mut self, files: &[PathBuf]) -> Result<(), Stop> {
        let (mut term, mut int) = signals()?;
        let reading = async {
            if files.is_empty() {
                return self.standard_input().await;
            }
            for file in files {
                self.file(file).await?;
            }
            Ok(())
        };
        tokio::select! { biased;
            _ = term.recv() => Err(Stop::failed("stopped by a signal; what was read before was sent")),
            _ = int.recv() => Err(Stop::failed("stopped by a signal; what was read before was sent")),
            done = reading => done,
        }
    }

    async fn standard_input(&mut self) -> Result<(), Stop> {
        let mut input = tokio::io::stdin();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let wait = if self.producer.open_bytes() > 0 { LINGER } else { Duration::from_secs(3600) };
            let read = match tokio::time::timeout(wait, input.read(&mut chunk)).await {
                Ok(read) => {
                    read.map_err(|error| Stop::failed(format!("can't read standard input: {error}")))?
                }
                Err(_) => {
                    self.producer.flush().await?;
                    continue;
                }
            };
            if read == 0 {
                return self.end().await;
            }
            self.bytes(&chunk[..read]).await?;
        }
    }

    async fn file(&mut self, path: &Path) -> Result<(), Stop> {
        let unreadable = |error| Stop::failed(format!("can't read {}: {error}", path.display()));
        let disk = self.client.env().disk.clone();
        let file = disk.open(path, OpenMode::Read).await.map_err(unreadable)?;
        let mut position = 0;
        self.line = 0;
        loop {
            let chunk = file.read_at(position, CHUNK_BYTES).await.map_err(unreadable)?;
            if chunk.is_empty() {
                return self.end().await;
            }
            position += chunk.len() as u64;
            self.bytes(&chunk).await?;
        }
    }

    async fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.splitter.push(bytes);
        while let Some(piece) = self.splitter.next_piece() {
            self.piece(piece).await?;
        }
        self.progress();
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Stop> {
        match self.splitter.rest() {
            // `printf 'a;b\n' | klamm produce -D ';'`: the line's end is not meant.
            Some(rest) if self.delimiter != b"\n" && rest == "\n" => Ok(()),
            Some(rest) => self.piece(rest).await,
            None => Ok(()),
        }
    }

    async fn piece(&mut self, piece: Bytes) -> Result<(), Stop> {
        self.line += 1;
        let now_ms = self.client.env().clock.wall_ms();
        match self.format.read(&piece, now_ms) {
            Ok(None) => {}
            Ok(Some((record, partition))) => {
                self.producer.send(&self.topic, partition.or(self.partition), &record).await?;
            }
            Err(why) => {
                self.bad += 1;
                if self.bad <= BAD_LINES_MAX {
                    self.clear_progress();
                    eprintln!("klamm: line {}: {why}", self.line);
                }
            }
        }
        Ok(())
    }

    fn progress(&mut self) {
        let now = self.client.env().clock.monotonic();
        if self.shown.is_some_and(|shown| now - shown >= PROGRESS_EVERY) {
            let records = self.producer.so_far().records;
            let seconds = (now - self.began).as_secs_f64();
            eprint!("\r{records} records, {seconds:.0} s, {:.0} records/s ", records as f64 / seconds);
            let _ = std::io::stderr().flush();
            self.shown = Some(now);
        }
    }

    pub(super) fn clear_progress(&self) {
        if self.shown.is_some_and(|shown| shown > self.began) {
            eprint!("\r\x1b[K");
        }
    }
}
