//! Reads a stream as a connection does, in pieces of any size: for tests and fuzzers.

use bytes::{BufMut as _, Bytes};

use super::{BadLength, Framer, Room, STEP_BYTES};

pub(super) struct Reader<'a> {
    pub(super) framer: Framer,
    /// What the socket has not given yet.
    pub(super) stream: &'a [u8],
    pub(super) frames: Vec<Bytes>,
    /// The most that ever waited.
    pub(super) pinned_max: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(stream: &'a [u8]) -> Self {
        Self { framer: Framer::default(), stream, frames: Vec::new(), pinned_max: 0 }
    }

    /// Reads once; the socket gives up to `size` bytes.
    pub(super) fn read(&mut self, size: usize, room: Room) -> Result<(), BadLength> {
        if self.framer.has_waiting() && room.open {
            self.feed(&[], room)?;
        }
        let mut given = self.stream;
        if let Some(mut buffer) = self.framer.direct() {
            given = &given[..given.len().min(size).min(buffer.remaining_mut())];
            buffer.put_slice(given);
            self.stream = &self.stream[given.len()..];
            if let Some(frame) = self.framer.filled() {
                self.frames.push(frame);
                self.framer.start(room)?;
            }
        } else {
            given = &given[..given.len().min(size).min(self.framer.piece_bytes_max())];
            self.stream = &self.stream[given.len()..];
            self.feed(given, room)?;
        }
        let held = self.framer.body.as_ref().map_or(0, |body| body.bytes.capacity());
        let came = self.framer.received();
        assert!(held <= 4 * came + STEP_BYTES, "{held} bytes held for {came}");
        Ok(())
    }

    /// Reads to the stream's end, by turns as `reads` say: how much the socket gives, and whether calls may start.
    pub(super) fn read_all(
        &mut self,
        reads: &[(usize, bool)],
        room: Room,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), BadLength> {
        for turn in 0.. {
            let (size, open) = reads[turn % reads.len()];
            // Now and then it must open, or nothing would ever end.
            let open = open || turn % 7 == 0;
            let last = self.stream.is_empty() && open && !self.framer.frame_waits();
            let read = self.read(size, Room { open, ..room });
            self.frames.drain(..).for_each(|frame| take(&frame));
            read?;
            if last {
                break;
            }
        }
        Ok(())
    }

    fn feed(&mut self, piece: &[u8], room: Room) -> Result<(), BadLength> {
        let all = self.framer.join(piece);
        let mut rest = &all[..];
        while let Some(frame) = self.framer.cut(&mut rest, room)? {
            self.frames.push(frame);
        }
        self.framer.wait(all.slice_ref(rest));
        self.pinned_max = self.pinned_max.max(self.framer.waiting.len());
        Ok(())
    }
}

/// Gives `take` the frames of a stream that comes in pieces: `reads` say by turns how many bytes (not 0) a read gives,
/// and whether calls may start. Whether the stream came to its end: false if a length is not within 1 and
/// `frame_bytes_max`.
#[cfg(feature = "pieces")]
pub fn frames(
    stream: &[u8],
    reads: &[(usize, bool)],
    frame_bytes_max: usize,
    take: &mut dyn FnMut(&[u8]),
) -> bool {
    let room = Room { open: true, bytes: usize::MAX, frame_bytes_max };
    Reader::new(stream).read_all(reads, room, take).is_ok()
}
