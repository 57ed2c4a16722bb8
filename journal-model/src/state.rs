//! One state of the model: the carrier, what is still on the way, the brokers, and what was promised to clients.
//!
//! Invariants: `sent` is sorted by number; at most one sent entry is stored at a key. A state is `Copy` and holds
//! no references; `encode` gives compact bytes, the same bytes for states that differ only in the brokers' names.

use crate::bounds::{AHEAD_MAX, BROKERS_MAX};
use crate::entry::Id;

/// The most entries that are sent in one run.
pub const ENTRIES_MAX: usize = 15;

/// The longest encoded state.
pub const STATE_BYTES_MAX: usize = 16 + ENTRIES_MAX * 4 + BROKERS_MAX * PROC_BYTES_MAX;
const PROC_BYTES_MAX: usize = 12 + 4 * (1 + AHEAD_MAX);

/// A sent entry: its put may land at any time, any number of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Which entry.
    pub id: Id,
    /// A set of the constants below.
    pub flags: u8,
}

impl Sent {
    /// The entry is at its key now.
    pub const STORED: u8 = 1;
    /// A put has succeeded, so the writer may learn that the entry is durable.
    pub const LANDED: u8 = 2;
    /// The carrier damaged the bytes at the key.
    pub const DAMAGED: u8 = 4;
    /// A head marker that names this entry is on the way.
    pub const MARKER: u8 = 8;
    /// A candidate became owner by this Takeover (kept only without nonces).
    pub const OWNED: u8 = 16;

    /// Whether all of `flags` are set.
    pub fn has(self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

/// What a scan found under a key that it read before its turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// It was not read.
    #[default]
    Unread,
    /// It was absent, or held this entry as it was then.
    Read(Option<Sent>),
}

/// What a scan found under the expected key and under those that follow it, if no Takeover comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window(pub [Seen; 1 + AHEAD_MAX]);

impl Window {
    /// The window of the next key.
    #[must_use]
    pub fn shifted(mut self) -> Window {
        self.0[0] = Seen::Unread;
        self.0.rotate_left(1);
        self
    }
}

/// What a scan met at the place where it stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finding {
    /// The key is absent: the journal ends here.
    #[default]
    Tail,
    /// The entry at the expected key does not chain, or the marker's entry is missing.
    Damage,
    /// The key is absent but later entries prove that it was not.
    Loss,
}

/// Where a broker is in its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Knows nothing. The state after a start, a crash, or being fenced.
    #[default]
    Idle,
    /// Scanning; about to read the key after `last` (the marker's own entry if `last` is none).
    Reading,
    /// Found the key after `last` absent; about to look for later entries.
    Beyond,
    /// Found later entries; about to read the key after `last` again.
    Again,
    /// Stopped; about to read the marker again.
    Recheck(Finding),
    /// The scan counts: the journal ends after `last`.
    Tail,
    /// Its Takeover, `last`, is on the way.
    Candidate,
    /// Its Takeover is in place; about to read the marker.
    Confirm,
    /// Owns `last`'s epoch.
    Owner,
    /// Has reported damage.
    Halted,
}

impl Phase {
    fn code(self) -> u8 {
        match self {
            Phase::Idle => 0,
            Phase::Reading => 1,
            Phase::Beyond => 2,
            Phase::Again => 3,
            Phase::Recheck(finding) => 4 + finding as u8,
            Phase::Tail => 7,
            Phase::Candidate => 8,
            Phase::Confirm => 9,
            Phase::Owner => 10,
            Phase::Halted => 11,
        }
    }

    fn from_code(code: u8) -> Phase {
        match code {
            0 => Phase::Idle,
            1 => Phase::Reading,
            2 => Phase::Beyond,
            3 => Phase::Again,
            4 => Phase::Recheck(Finding::Tail),
            5 => Phase::Recheck(Finding::Damage),
            6 => Phase::Recheck(Finding::Loss),
            7 => Phase::Tail,
            8 => Phase::Candidate,
            9 => Phase::Confirm,
            10 => Phase::Owner,
            11 => Phase::Halted,
            _ => unreachable!("encode wrote a known phase"),
        }
    }
}

/// One broker process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proc {
    /// Where it is in its work.
    pub phase: Phase,
    /// The marker that its chain starts at.
    pub start: Id,
    /// The end of the chain that it has read and, as owner, appended.
    pub last: Id,
    /// In a scan: what was read before its turn.
    pub seen: Window,
    /// As owner: the last entry that it has acknowledged.
    pub acked: Id,
    /// As owner: the entry named by the head marker that it is writing.
    pub marker: Id,
    /// The number of its acquisition, in its entries' bytes.
    pub nonce: u8,
    /// What its scan has to see: the highest slot that was acknowledged when the scan started.
    pub required: u8,
    /// Its last Takeover as owner, remembered over restarts (kept only without rule 5's new Takeover).
    pub held: Id,
}

/// One state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    sent: [Sent; ENTRIES_MAX],
    sent_len: u8,
    /// The entry that the head marker names.
    pub marker: Id,
    /// Keys below this slot are being deleted; each delete takes effect at any time, any number of times.
    pub deletes_below: u8,
    /// The end of the true chain, as an all-seeing observer follows it.
    pub tail: Id,
    /// The last acknowledged entry of the true chain.
    pub acked: Id,
    /// Takeovers put so far.
    pub takeovers: u8,
    /// Checkpoint entries appended so far.
    pub trims: u8,
    /// Normal entries appended so far.
    pub appends: u8,
    /// Faults so far.
    pub faults: u8,
    /// The brokers; those beyond the bounds stay idle.
    pub procs: [Proc; BROKERS_MAX],
}

impl State {
    /// The first broker owns epoch 1, whose Takeover is the only entry and the head marker.
    pub fn initial() -> State {
        let g = Id::GENESIS;
        let mut sent = [Sent::default(); ENTRIES_MAX];
        sent[0] = Sent { id: g, flags: Sent::STORED };
        let mut procs = [Proc::default(); BROKERS_MAX];
        procs[0] = Proc { phase: Phase::Owner, start: g, last: g, acked: g, ..Proc::default() };
        State {
            sent,
            sent_len: 1,
            marker: g,
            deletes_below: 0,
            tail: g,
            acked: g,
            takeovers: 0,
            trims: 0,
            appends: 0,
            faults: 0,
            procs,
        }
    }

    /// Everything that was sent.
    pub fn sent(&self) -> &[Sent] {
        &self.sent[..usize::from(self.sent_len)]
    }

    /// What was sent, to change its flags.
    pub fn sent_mut(&mut self) -> &mut [Sent] {
        &mut self.sent[..usize::from(self.sent_len)]
    }

    /// The flags of a sent entry.
    pub fn flags(&mut self, id: Id) -> &mut u8 {
        let at = self.sent().binary_search_by_key(&id, |sent| sent.id).expect("the entry was sent");
        &mut self.sent[at].flags
    }

    /// Whether a sent entry has all of `flags`.
    pub fn has(&self, id: Id, flags: u8) -> bool {
        self.sent().iter().any(|sent| sent.id == id && sent.has(flags))
    }

    /// Puts an entry on its way; repeating the same bytes changes nothing.
    pub fn send(&mut self, id: Id) {
        let Err(at) = self.sent().binary_search_by_key(&id, |sent| sent.id) else { return };
        let len = usize::from(self.sent_len);
        self.sent.copy_within(at..len, at + 1);
        self.sent[at] = Sent { id, flags: 0 };
        self.sent_len += 1;
    }

    /// Writes the state's bytes, the brokers sorted if `sorted`, and returns their number.
    pub fn encode(&self, brokers: usize, sorted: bool, out: &mut [u8; STATE_BYTES_MAX]) -> usize {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&[self.sent_len, self.deletes_below, self.takeovers, self.trims, self.appends, self.faults]);
        for id in [self.marker, self.tail, self.acked] {
            put(&short(id));
        }
        for sent in self.sent() {
            put(&short(sent.id));
            put(&[sent.flags]);
        }
        let mut procs = [([0; PROC_BYTES_MAX], 0); BROKERS_MAX];
        for (proc, bytes) in self.procs.iter().zip(&mut procs) {
            *bytes = encode_proc(proc);
        }
        if sorted {
            procs[..brokers].sort_unstable();
        }
        for (bytes, len) in &procs[..brokers] {
            put(&bytes[..*len]);
        }
        at
    }

    /// Reads what `encode` wrote unsorted; returns the state and the number of its bytes.
    pub fn decode(brokers: usize, bytes: &[u8]) -> (State, usize) {
        let mut at = 0;
        let mut byte = || {
            at += 1;
            bytes[at - 1]
        };
        let mut state = State::initial();
        state.sent_len = byte();
        state.deletes_below = byte();
        state.takeovers = byte();
        state.trims = byte();
        state.appends = byte();
        state.faults = byte();
        state.marker = long(&mut byte);
        state.tail = long(&mut byte);
        state.acked = long(&mut byte);
        for at in 0..usize::from(state.sent_len) {
            state.sent[at] = Sent { id: long(&mut byte), flags: byte() };
        }
        for proc in &mut state.procs[..brokers] {
            *proc = decode_proc(&mut byte);
        }
        (state, at)
    }
}

fn short(id: Id) -> [u8; 3] {
    let [a, b, c, high] = id.0.to_le_bytes();
    assert_eq!(high, 0, "a run meets fewer than 2^24 entries");
    [a, b, c]
}

fn long(byte: &mut impl FnMut() -> u8) -> Id {
    Id(u32::from_le_bytes([byte(), byte(), byte(), 0]))
}

fn encode_proc(proc: &Proc) -> ([u8; PROC_BYTES_MAX], usize) {
    let mut out = [0; PROC_BYTES_MAX];
    out[0] = proc.phase.code();
    out[1..4].copy_from_slice(&short(proc.held));
    if proc.phase == Phase::Idle || proc.phase == Phase::Halted {
        return (out, 4);
    }
    out[4] = proc.nonce;
    out[5] = proc.required;
    out[6..9].copy_from_slice(&short(proc.start));
    out[9..12].copy_from_slice(&short(proc.last));
    if proc.phase == Phase::Reading {
        for (at, seen) in proc.seen.0.iter().enumerate() {
            out[12 + 4 * at..16 + 4 * at].copy_from_slice(&encode_seen(*seen));
        }
        return (out, PROC_BYTES_MAX);
    }
    if proc.phase != Phase::Owner {
        return (out, 12);
    }
    out[12..15].copy_from_slice(&short(proc.acked));
    out[15..18].copy_from_slice(&short(proc.marker));
    (out, 18)
}

fn decode_proc(byte: &mut impl FnMut() -> u8) -> Proc {
    let mut proc = Proc { phase: Phase::from_code(byte()), held: long(byte), ..Proc::default() };
    if proc.phase == Phase::Idle || proc.phase == Phase::Halted {
        return proc;
    }
    proc.nonce = byte();
    proc.required = byte();
    proc.start = long(byte);
    proc.last = long(byte);
    if proc.phase == Phase::Reading {
        proc.seen = Window(std::array::from_fn(|_| decode_seen(byte)));
    }
    if proc.phase == Phase::Owner {
        proc.acked = long(byte);
        proc.marker = long(byte);
    }
    proc
}

/// What was found, and whether it was read.
fn encode_seen(seen: Seen) -> [u8; 4] {
    let Seen::Read(found) = seen else { return [0; 4] };
    let Sent { id, flags } = found.unwrap_or_default();
    let [a, b, c] = short(id);
    [a, b, c, 1 | flags << 1]
}

fn decode_seen(byte: &mut impl FnMut() -> u8) -> Seen {
    let (id, read) = (long(byte), byte());
    let found = id.is_some().then_some(Sent { id, flags: read >> 1 });
    if read == 0 { Seen::Unread } else { Seen::Read(found) }
}
