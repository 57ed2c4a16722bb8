//! Reads a file's entries from its bytes: checks headers and payloads, and after bytes that are not an entry searches
//! on for the next one. Which entries count is not decided here but by the chain (`klamm_store::Carrier`).

use std::{io, ops::Range, sync::Arc};

use bytes::Bytes;
use klamm_env::File;
use klamm_model::{Bug, ShardId, planted};
use klamm_store::{
    EntryKind, Header,
    entry::{EntryError, HEADER_BYTES, PAYLOAD_BYTES_MAX},
};

/// How much is read at once.
const CHUNK_BYTES: u64 = 1 << 20;
/// The unit in which zeros are skipped.
const PAGE_BYTES: usize = 4096;
const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];
/// How an entry begins.
const ENTRY_MAGIC: [u8; 4] = *b"KLJE";
/// A search verifies at most this many times the file's bytes: payloads may be made to look like entries.
const SEARCH_FACTOR_MAX: u64 = 4;

/// What a file has.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Where the last valid entry ends.
    pub(crate) end: u64,
    /// How many valid entries there are.
    pub(crate) entries: u64,
    /// Bytes before `end` that are no valid entry.
    pub(crate) gaps: Vec<Range<u64>>,
    /// Where the bytes after `end` that are not zero end; `end` if all are zero.
    pub(crate) torn_end: u64,
}

/// Why a file can't be scanned.
#[derive(Debug)]
pub(crate) enum ScanError {
    Io(u64, io::Error),
    Newer(u8),
    /// The search for the next entry, from here on, would not end.
    Maze(u64),
}

struct Scanner<'a> {
    file: &'a Arc<dyn File>,
    shard: ShardId,
    limit: u64,
    chunk_at: u64,
    chunk: Bytes,
    search_bytes_left: u64,
}

/// Scans from `from` to `limit`; tells `found` every valid entry and its position.
pub(crate) async fn scan(
    file: &Arc<dyn File>,
    shard: ShardId,
    range: Range<u64>,
    mut found: impl FnMut(&Header, u64),
) -> Result<Scan, ScanError> {
    let search_bytes_left = range.end.saturating_mul(SEARCH_FACTOR_MAX);
    let mut scanner =
        Scanner { file, shard, limit: range.end, chunk_at: 0, chunk: Bytes::new(), search_bytes_left };
    let mut scan = Scan { end: range.start, torn_end: range.start, ..Scan::default() };
    let mut position = range.start;
    loop {
        let entry = match scanner.header(position).await? {
            Some(header) => scanner.payload(position, &header).await?.then_some(header),
            None => None,
        };
        let header = match entry {
            Some(header) => header,
            None => match scanner.search(position, &mut scan.torn_end).await? {
                Some((at, header)) => {
                    position = at;
                    header
                }
                None => break,
            },
        };
        if position > scan.end {
            scan.gaps.push(scan.end..position);
        }
        found(&header, position);
        position += entry_bytes(&header);
        scan.end = position;
        scan.entries += 1;
    }
    scan.torn_end = scan.torn_end.max(scan.end);
    Ok(scan)
}

/// The size of an entry, header included.
pub(crate) fn entry_bytes(header: &Header) -> u64 {
    HEADER_BYTES as u64 + u64::from(header.payload_bytes)
}

/// Whether the entry outlives a trim.
pub(crate) fn is_takeover(header: &Header) -> bool {
    header.kind == EntryKind::Takeover
}

impl Scanner<'_> {
    /// Bytes from `position` on, at most up to the limit; at least `bytes` of them unless the limit cuts them short.
    async fn bytes(&mut self, position: u64, bytes: u64) -> Result<&[u8], ScanError> {
        let end = (position + bytes).min(self.limit);
        if position < self.chunk_at || end > self.chunk_at + self.chunk.len() as u64 {
            let want = bytes.max(CHUNK_BYTES).min(self.limit.saturating_sub(position));
            let read = self.file.read_at(position, want as usize).await;
            self.chunk = read.map_err(|error| ScanError::Io(position, error))?;
            self.chunk_at = position;
        }
        Ok(self.chunk.get((position - self.chunk_at) as usize..).unwrap_or_default())
    }

    /// The valid header of this shard at a position whose payload would fit.
    async fn header(&mut self, position: u64) -> Result<Option<Header>, ScanError> {
        let bytes = self.bytes(position, HEADER_BYTES as u64).await?;
        let header = match Header::decode(bytes) {
            Ok(header) => header,
            Err(EntryError::Version(found)) => return Err(ScanError::Newer(found)),
            Err(_) => return Ok(None),
        };
        let fits = header.payload_bytes as usize <= PAYLOAD_BYTES_MAX
            && position + entry_bytes(&header) <= self.limit;
        Ok((header.shard == self.shard && fits).then_some(header))
    }

    /// Whether the payload of a header at a position is whole.
    async fn payload(&mut self, position: u64, header: &Header) -> Result<bool, ScanError> {
        let end = position + entry_bytes(header);
        let mut at = position + HEADER_BYTES as u64;
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        while at < end {
            let want = (end - at).min(CHUNK_BYTES);
            let bytes = self.bytes(at, want).await?;
            let Some(bytes) = bytes.get(..want as usize) else { return Ok(false) };
            digest.update(bytes);
            at += want;
        }
        Ok(digest.finalize() as u32 == header.payload_crc || planted(Bug::IgnoreHashChain))
    }

    /// The next valid entry after `position`, where none begins. Notes where the last bytes that are not zero end.
    async fn search(
        &mut self,
        position: u64,
        torn_end: &mut u64,
    ) -> Result<Option<(u64, Header)>, ScanError> {
        let (mut at, mut from) = (position, position + 1);
        // A whole header with a broken payload tells where the next entry may begin.
        if let Some(header) = self.header(position).await? {
            from = position + entry_bytes(&header);
        }
        while at < self.limit {
            // A magic number may begin in this page and end in the next.
            let bytes = self.bytes(at, (PAGE_BYTES + ENTRY_MAGIC.len() - 1) as u64).await?;
            let page = &bytes[..bytes.len().min(PAGE_BYTES)];
            if page.is_empty() {
                break;
            }
            if *page == ZEROS[..page.len()] {
                at += page.len() as u64;
                continue;
            }
            let last = page.iter().rposition(|byte| *byte != 0).expect("the page is not all zero");
            *torn_end = at + last as u64 + 1;
            let size = page.len() as u64;
            let window = &bytes[..bytes.len().min(PAGE_BYTES + ENTRY_MAGIC.len() - 1)];
            let candidates: Vec<u64> = window
                .windows(ENTRY_MAGIC.len())
                .enumerate()
                .filter(|(_, four)| **four == ENTRY_MAGIC)
                .map(|(offset, _)| at + offset as u64)
                .filter(|candidate| *candidate >= from)
                .collect();
            for candidate in candidates {
                let Some(header) = self.header(candidate).await? else { continue };
                let left = self.search_bytes_left.checked_sub(entry_bytes(&header));
                self.search_bytes_left = left.ok_or(ScanError::Maze(position))?;
                if self.payload(candidate, &header).await? {
                    return Ok(Some((candidate, header)));
                }
            }
            at += size;
        }
        Ok(None)
    }
}
