//! Three brokers with a claim on one shard, by fixed seeds. Every call of every broker stops at its driver; a seeded
//! scheduler lets one go on at a time, lands puts late and again, loses answers, fails other calls, puts brokers to sleep, crashes them,
//! starts appends, checkpoints, trims, scans and takeovers. Checked:
//! 1. what was acknowledged before a scan began is on the chain that the scan found, in its slot (so no two are
//!    acknowledged for one slot); 2. the head marker names no slot above an acknowledged checkpoint;
//!    3. an owner's chain has all that was acknowledged before its Takeover landed; 4. nobody finds damage;
//!    5. in the end somebody can take over, and reads back the chain from the head marker on.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use klamm_model::Slot;
use tokio::task::JoinHandle;

use super::{
    Harness, Held, Op, journal_over, open,
    owner::{Owner, chain, claim, head},
};
use crate::{
    AcquireError, AppendError, Carrier, Driver as _, EntryHash, EntryKind, Head, Header, Journal, ReadError,
    Tail, TrimError, Written,
};

const BROKERS: usize = 3;
const STEPS: usize = 1000;
const IN_FLIGHT_MAX: usize = 4;
/// Each comes about in some seed, else the others say little.
const COUNTED: [&str; 7] = [
    "answers lost after the put took effect",
    "brokers crashed",
    "entries acknowledged",
    "owners fenced",
    "puts lost, or late",
    "puts that landed late or again",
    "reads and deletions failed",
];
/// How many gets brokers make at a time, seed by seed.
const GETS_AHEAD: [usize; 2] = [1, 3];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}

/// How often what went wrong.
type Faults = BTreeMap<&'static str, u64>;
type Acknowledged = BTreeMap<Slot, EntryHash>;

struct Broker<H: Harness> {
    held: Arc<Held<H::Driver>>,
    journal: Arc<Carrier<Held<H::Driver>>>,
    life: u8,
    /// Calls that were looked at, and the puts among them.
    noted: usize,
    puts: Vec<usize>,
    acquiring: Option<JoinHandle<Result<Owner, AcquireError>>>,
    owner: Option<Owner>,
    /// In slot order; acknowledged from the front.
    appends: Vec<(Header, JoinHandle<Result<(), AppendError>>)>,
    /// Own entries that are acknowledged, the Takeover first: candidates for the head marker.
    mine: Vec<Header>,
    /// And what was acknowledged when it began.
    scan: Option<(Acknowledged, JoinHandle<Result<Tail, ReadError>>)>,
    trim: Option<JoinHandle<Result<(), TrimError>>>,
}

/// What the world knows, brokers do not.
#[derive(Default)]
struct Truth {
    acknowledged: Acknowledged,
    checkpoint: Option<Slot>,
    faults: Faults,
    /// Every entry that was ever put: its header by its hash.
    entries: HashMap<EntryHash, Header>,
}

impl Truth {
    fn count(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }

    fn acknowledge(&mut self, header: &Header) {
        let before = self.acknowledged.insert(header.key.slot, header.hash());
        assert!(before.is_none(), "slot {} was acknowledged twice", header.key.slot);
        if header.kind == EntryKind::Checkpoint {
            self.checkpoint = self.checkpoint.max(Some(header.key.slot)); // answers may come late
        }
    }

    /// The chain that ends with this hash has all of these.
    fn holds(&self, end: EntryHash, acknowledged: &Acknowledged, who: &str) {
        let (mut hash, mut left) = (end, acknowledged.len());
        while let Some(header) = self.entries.get(&hash) {
            if let Some(expected) = acknowledged.get(&header.key.slot) {
                assert_eq!(*expected, hash, "{who}: slot {} is not what was acknowledged", header.key.slot);
                left -= 1;
            }
            hash = header.previous;
        }
        assert_eq!(hash, EntryHash::default(), "{who}: the chain has an entry that nobody wrote");
        assert_eq!(left, 0, "{who}: acknowledged entries are not on the chain");
    }

    fn audit(&self, tail: &Tail, before: &Acknowledged) {
        self.holds(tail.hash, before, "a scan");
        let marker = tail.head.as_ref().map(|head| head.slot);
        assert!(marker <= self.checkpoint, "marker {marker:?} is above checkpoint {:?}", self.checkpoint);
    }
}

impl<H: Harness> Broker<H> {
    async fn new(harness: &H, gets_ahead: usize) -> Self {
        let held = Held::ahead(harness.handle().await, gets_ahead);
        held.hold(|_| true);
        let journal = journal_over(&held);
        Self {
            held,
            journal,
            life: 0,
            noted: 0,
            puts: Vec::new(),
            acquiring: None,
            owner: None,
            appends: Vec::new(),
            mine: Vec::new(),
            scan: None,
            trim: None,
        }
    }

    /// Ends without warning; its puts may still land.
    fn crash(&mut self) {
        self.owner = None;
        self.appends.drain(..).for_each(|(_, append)| append.abort());
        self.acquiring.take().inspect(JoinHandle::abort);
        self.scan.take().inspect(|(_, scan)| scan.abort());
        self.trim.take().inspect(JoinHandle::abort);
        self.mine.clear();
        self.journal = journal_over(&self.held);
    }

    fn busy(&self) -> usize {
        let appends = self.appends.iter().filter(|(_, append)| !append.is_finished()).count();
        let acquiring = self.acquiring.as_ref().is_some_and(|task| !task.is_finished());
        let scan = self.scan.as_ref().is_some_and(|(_, task)| !task.is_finished());
        let trim = self.trim.as_ref().is_some_and(|task| !task.is_finished());
        appends + usize::from(acquiring) + usize::from(scan) + usize::from(trim)
    }

    /// Waits until whatever is under way waits at the driver.
    async fn settle(&self) {
        loop {
            // A task waits for one call, or for several gets.
            let (waiting, busy) = (self.held.waiting().len(), self.busy());
            if waiting == busy || waiting > busy && self.held.gets_ahead() > 1 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Takes note of what came to an end.
    async fn collect(&mut self, truth: &mut Truth, id: usize) {
        for (put, value) in self.held.puts(self.noted) {
            self.noted = put + 1;
            self.puts.push(put);
            if let Some(header) = value.first().and_then(|bytes| Header::decode(bytes).ok()) {
                truth.entries.insert(header.hash(), header);
            }
        }
        if let Some(task) = self.acquiring.take_if(|task| task.is_finished()) {
            match task.await.expect("no panic") {
                Ok(owner) => {
                    let takeover = truth.entries[&owner.previous];
                    // What was acknowledged since, by others, is above the Takeover and found by the next scan.
                    let mut before = truth.acknowledged.clone();
                    before.split_off(&takeover.key.slot);
                    truth.holds(owner.previous, &before, &format!("broker {id} as owner"));
                    truth.acknowledge(&takeover);
                    self.mine = vec![takeover];
                    self.owner = Some(owner);
                }
                // Others were faster, or the store did not answer.
                Err(
                    AcquireError::Overtaken | AcquireError::Append(_) | AcquireError::Read(ReadError::Io(_)),
                ) => {}
                Err(error @ AcquireError::Read(_)) => panic!("broker {id}: {error}"),
            }
        }
        while self.appends.first().is_some_and(|(_, append)| append.is_finished()) {
            let (header, append) = self.appends.remove(0);
            match append.await.expect("no panic") {
                Ok(()) => {
                    truth.acknowledge(&header);
                    self.mine.push(header);
                    if let Some(owner) = &mut self.owner {
                        owner.durable = header.key.slot.next();
                    }
                }
                // Fenced, or unanswered: all state is dropped, nothing more is acknowledged.
                Err(error) => {
                    if matches!(error, AppendError::Occupied(_)) {
                        truth.count("owners fenced");
                    }
                    self.crash();
                }
            }
        }
        if let Some((before, task)) = self.scan.take_if(|(_, task)| task.is_finished()) {
            match task.await.expect("no panic") {
                Ok(tail) => truth.audit(&tail, &before),
                Err(ReadError::Io(_)) => {}
                Err(error) => panic!("broker {id}: {error}"),
            }
        }
        if let Some(task) = self.trim.take_if(|task| task.is_finished()) {
            let _ = task.await.expect("no panic");
        }
    }

    /// One call goes on, one way or another.
    async fn advance(&mut self, truth: &mut Truth, random: &mut Random) {
        let waiting = self.held.waiting();
        if waiting.is_empty() {
            return;
        }
        let (call, op) = waiting[random.below(waiting.len())];
        match op {
            Op::Put(_) if random.percent(15) => {
                truth.count("puts lost, or late");
                self.held.lose(call);
            }
            Op::Put(_) if random.percent(15) => {
                truth.count("answers lost after the put took effect");
                self.held.go_unanswered(call).await;
            }
            Op::Get(_) | Op::List(_) | Op::Delete if random.percent(2) => {
                truth.count("reads and deletions failed");
                self.held.lose(call);
            }
            _ => self.held.go(call).await,
        }
    }

    /// A put that was on its way at some time lands, perhaps not for the first time.
    async fn land_again(&mut self, truth: &mut Truth, random: &mut Random) {
        if !self.puts.is_empty() {
            truth.count("puts that landed late or again");
            self.held.land(self.puts[random.below(self.puts.len())]).await.ok();
        }
    }

    fn start(&mut self, truth: &Truth, random: &mut Random, id: usize) {
        let journal = Arc::clone(&self.journal);
        if self.scan.is_none() && random.percent(15) {
            // A scan has a carrier of its own: another process that looks on.
            let journal = journal_over(&self.held);
            let scan = tokio::spawn(async move { journal.tail().await });
            self.scan = Some((truth.acknowledged.clone(), scan));
            return;
        }
        let Some(owner) = &mut self.owner else {
            if self.acquiring.is_none() {
                self.life += 1;
                let claim = claim(i32::try_from(id % 2).expect("small"), self.life * 8 + id as u8);
                self.acquiring = Some(tokio::spawn(async move { Owner::tries(&*journal, claim).await }));
            }
            return;
        };
        if self.trim.is_none() && random.percent(40) {
            let checkpoint = self.mine.iter().rposition(|header| header.kind == EntryKind::Checkpoint);
            if let Some(checkpoint) = checkpoint {
                // The marker may name an earlier entry than the checkpoint.
                let back = if random.percent(50) { 0 } else { random.below(checkpoint + 1) };
                let marker: Head = head(&self.mine[checkpoint - back], "k");
                self.trim = Some(tokio::spawn(async move { journal.trim(marker).await }));
                return;
            }
        }
        if self.appends.len() < IN_FLIGHT_MAX {
            let kind = if random.percent(35) { EntryKind::Checkpoint } else { EntryKind::Records };
            let entry = owner.entry(kind, Vec::new());
            let header = entry.header;
            let append = tokio::spawn(async move { journal.append(entry, Written::ignore()).await });
            self.appends.push((header, append));
        }
    }
}

async fn run<H: Harness>(seed: u64) -> Faults {
    let harness = H::fresh().await;
    let (mut random, mut truth, mut brokers) = (Random(seed), Truth::default(), Vec::new());
    for _ in 0..BROKERS {
        brokers.push(Broker::new(&harness, GETS_AHEAD[(seed % 2) as usize]).await);
    }
    // Some seeds have calm owners, some have many takeovers.
    let (crashes, starts) = (1 + random.below(4), 10 + random.below(30));
    let (mut asleep, mut wakes_at) = (0, 0);
    for step in 0..STEPS {
        let mut id = random.below(BROKERS);
        if step >= wakes_at && random.percent(3) {
            (asleep, wakes_at) = (id, step + random.below(150));
        }
        if step < wakes_at && id == asleep {
            id = (id + 1) % BROKERS;
        }
        match random.below(100) {
            dice if dice < crashes => {
                truth.count("brokers crashed");
                brokers[id].crash();
            }
            dice if dice < crashes + 8 => brokers[id].land_again(&mut truth, &mut random).await,
            dice if dice < crashes + 8 + starts => brokers[id].start(&truth, &mut random, id),
            _ => brokers[id].advance(&mut truth, &mut random).await,
        }
        brokers[id].settle().await;
        brokers[id].collect(&mut truth, id).await;
    }
    // Everything that was ever on its way lands now.
    for (id, broker) in brokers.iter_mut().enumerate() {
        broker.crash();
        broker.collect(&mut truth, id).await;
        for put in &broker.puts {
            broker.held.go(*put).await;
        }
    }
    let journal = open(&harness).await;
    truth.audit(&journal.tail().await.expect("whole"), &truth.acknowledged);
    let mut owner = Owner::takes(&*journal, 9, 0).await;
    owner.append(&*journal, "the end").await;
    let (tail, entries) = chain(&*journal, 200).await.expect("whole");
    let first = tail.head.map_or(Slot(0), |head| head.slot);
    let read: Acknowledged =
        entries.iter().map(|entry| (entry.header.key.slot, entry.header.hash())).collect();
    for (slot, hash) in truth.acknowledged.range(first..) {
        assert_eq!(read.get(slot), Some(hash), "slot {slot} reads back");
    }
    truth.faults.insert("entries acknowledged", truth.acknowledged.len() as u64);
    truth.faults
}

pub(super) async fn owners_crash_and_trim<H: Harness>(_: H) {
    let mut sum = Faults::new();
    for seed in 0..H::SEEDS {
        let task = tokio::spawn(async move { Box::pin(run::<H>(seed)).await });
        match task.await {
            Ok(faults) => {
                faults.into_iter().for_each(|(fault, times)| *sum.entry(fault).or_default() += times)
            }
            Err(error) => {
                let panic = error.into_panic();
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                panic!("seed {seed}: {}", text.unwrap_or_default());
            }
        }
    }
    println!("{} seeds: {sum:?}", H::SEEDS);
    let never: Vec<_> =
        COUNTED.iter().filter(|what| sum.get(*what).is_none_or(|times| *times == 0)).collect();
    assert!(never.is_empty(), "not tried in any seed: {never:?}");
}
