//! The bytes of one file: what is durable, what readers see, and the writes between the two, in order.

use crate::Dice;

/// What a disk writes as one step, in bytes.
pub(super) const SECTOR_BYTES: usize = 512;

/// A write that no sync has covered.
#[derive(Debug)]
struct Unsynced {
    number: u64,
    position: usize,
    bytes: Vec<u8>,
}

/// What became of a write in a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Lost,
    Kept,
    Torn,
}

#[derive(Debug, Default)]
pub(super) struct Content {
    durable: Vec<u8>,
    seen: Vec<u8>,
    unsynced: Vec<Unsynced>,
    written: u64,
}

fn put(into: &mut Vec<u8>, position: usize, bytes: &[u8]) {
    let end = position + bytes.len();
    if into.len() < end {
        into.resize(end, 0);
    }
    into[position..end].copy_from_slice(bytes);
}

impl Content {
    /// What readers see.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.seen
    }

    /// How many writes there were.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn write(&mut self, position: u64, bytes: &[u8]) {
        let position = usize::try_from(position).expect("files fit in memory");
        put(&mut self.seen, position, bytes);
        self.unsynced.push(Unsynced { number: self.written, position, bytes: bytes.to_vec() });
        self.written += 1;
    }

    /// Makes the first so many writes durable.
    pub(super) fn sync(&mut self, written: u64) {
        for write in self.unsynced.extract_if(.., |write| write.number < written) {
            put(&mut self.durable, write.position, &write.bytes);
        }
    }

    /// Makes all durable, then the file so long; what is new reads as zeros.
    pub(super) fn resize(&mut self, bytes: usize) {
        self.sync(u64::MAX);
        self.durable.resize(bytes, 0);
        self.seen.resize(bytes, 0);
    }

    /// Flips a bit of what is durable.
    pub(super) fn flip(&mut self, position: usize, bit: u32) {
        self.sync(u64::MAX);
        self.durable[position] ^= 1 << bit;
        self.seen.clone_from(&self.durable);
    }

    /// Decides about every unsynced write; tells what became of each that was not empty.
    pub(super) fn cut_power(&mut self, dice: &mut Dice) -> Vec<Fate> {
        let mut fates = Vec::new();
        for write in std::mem::take(&mut self.unsynced).into_iter().filter(|write| !write.bytes.is_empty()) {
            let fate = *dice.pick(&[Fate::Lost, Fate::Kept, Fate::Torn]);
            match fate {
                Fate::Lost => {}
                Fate::Kept => put(&mut self.durable, write.position, &write.bytes),
                Fate::Torn => tear(&mut self.durable, &write, dice),
            }
            fates.push(fate);
        }
        self.seen.clone_from(&self.durable);
        fates
    }
}

/// Writes some sectors of a write: a part before a seeded place, after it, or each by a throw.
fn tear(durable: &mut Vec<u8>, write: &Unsynced, dice: &mut Dice) {
    let end = write.position + write.bytes.len();
    let sectors = write.position / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
    let (how, place) =
        (dice.within(0..3), dice.within(sectors.start as u64..sectors.end as u64 + 1) as usize);
    for sector in sectors {
        let kept = match how {
            0 => sector < place,
            1 => sector >= place,
            _ => dice.one_in(2),
        };
        if kept {
            let from = (sector * SECTOR_BYTES).max(write.position);
            let to = ((sector + 1) * SECTOR_BYTES).min(end);
            put(durable, from, &write.bytes[from - write.position..to - write.position]);
        }
    }
}
