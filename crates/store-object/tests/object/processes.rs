//! Processes of the operating system fight over one local folder; one of them is killed in the middle. The test starts itself
//! again as each of them: a child takes the shard over and over, appends until it is fenced, and writes what was
//! acknowledged to its standard output.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use klamm_env::{Entropy, OsEntropy};
use klamm_model::{Epoch, Slot};
use klamm_store::{
    AcquireError, AppendError, Carrier, Claim, EntryKind, Head, Journal, Nonce, Written, acquire,
};
use klamm_testing::TempDir;

use super::{SHARD, WRITER, client, entry_of};

const FOLDER: &str = "KLAMM_TEST_FOLDER";
const LIVES: usize = 12;
const APPENDS: usize = 40;
/// Each this many appends there is a checkpoint and a trim.
const CHECKPOINT_EVERY: usize = 15;

fn start(folder: &TempDir) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// One process; all have the same broker id.
#[tokio::test]
#[ignore = "the other test starts it"]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let journal = Carrier::new(client(folder.as_ref()), SHARD);
    let entropy: &dyn Entropy = &OsEntropy;
    let mut lives = 0;
    while lives < LIVES {
        let nonce = Nonce(entropy.bytes16());
        let claim = Claim { shard: SHARD, writer: WRITER, nonce, time_ms: 0, epoch_above: Epoch(0) };
        match acquire(&journal, claim).await {
            Ok(owned) => {
                lives += 1;
                let (mut next, mut previous) = (owned.next, owned.hash);
                for number in 0..APPENDS {
                    let payload = Bytes::from(format!("{number} of {:?}", owned.nonce));
                    let checkpoint = number % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1;
                    let kind = if checkpoint { EntryKind::Checkpoint } else { EntryKind::Records };
                    let entry = entry_of(&owned, kind, next, previous, payload);
                    let hash = entry.header.hash();
                    match journal.append(entry, Written::ignore()).await {
                        Ok(()) => println!("\nACK {} {:032x}", next.slot, hash.0),
                        Err(AppendError::Occupied(_)) => break,
                        Err(error) => panic!("{error}"),
                    }
                    if checkpoint {
                        let head =
                            Head { slot: next.slot, key_epoch: next.epoch, hash, checkpoint: Bytes::new() };
                        journal.trim(head).await.unwrap();
                    }
                    (next.slot, previous) = (next.slot.next(), hash);
                }
            }
            Err(AcquireError::Overtaken) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn fight_over_one_folder() {
    let folder = TempDir::new();
    let mut children: Vec<Child> = (0..3).map(|_| start(&folder)).collect();
    tokio::time::sleep(Duration::from_millis(150)).await;
    children[0].kill().unwrap();
    children.push(start(&folder));
    let mut acknowledged: BTreeMap<Slot, u128> = BTreeMap::new();
    for (number, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        assert!(number == 0 || output.status.success(), "process {number}: {:?}", output.status);
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let Some(("ACK", rest)) = line.split_once(' ') else { continue };
            let (slot, hash) = rest.split_once(' ').unwrap();
            // A killed process may leave half a line.
            let (Ok(slot), true) = (slot.parse().map(Slot), hash.len() == 32) else { continue };
            let before = acknowledged.insert(slot, u128::from_str_radix(hash, 16).unwrap());
            assert_eq!(before, None, "slot {slot} was acknowledged twice");
        }
    }
    let journal = Carrier::new(client(folder.path()), SHARD);
    let tail = journal.tail().await.unwrap();
    let head = tail.head.expect("there were trims").slot;
    let mut chain = BTreeMap::new();
    let mut epochs = BTreeSet::new();
    while head.0 + (chain.len() as u64) < tail.next.slot.0 {
        for entry in journal.read(Slot(head.0 + chain.len() as u64), 1 << 20).await.unwrap() {
            chain.insert(entry.header.key.slot, entry.header.hash().0);
            epochs.insert(entry.header.epoch);
        }
    }
    for (slot, hash) in acknowledged.range(head..) {
        assert_eq!(chain.get(slot), Some(hash), "slot {slot} was acknowledged and is on the chain");
    }
    let takeovers = tail.next.epoch.0;
    assert!(takeovers as usize > 2 * LIVES, "they did fight: {takeovers} takeovers");
    assert!(acknowledged.len() >= APPENDS, "and got something done: {} entries", acknowledged.len());
}
