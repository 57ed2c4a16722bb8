//! What a crash may leave behind, and what a restart makes of it.

use klamm_store::{Entry, PutError};

use crate::temp::{Temp, entry, get, key, keys, put, put_head};

/// `count` entries of epoch 1, from slot 0, with a few bytes each.
fn some(count: u64) -> Vec<Entry> {
    (0..count).map(|slot| entry(1, slot, format!("payload {slot}").as_bytes())).collect()
}

async fn filled(count: u64) -> (Temp, Vec<Entry>) {
    let (temp, entries) = (Temp::fast(), some(count));
    let opened = temp.open().await;
    for entry in &entries {
        put(&opened.files, entry).await.unwrap();
    }
    opened.files.close().await;
    (temp, entries)
}

#[tokio::test]
async fn all_is_there_after_a_restart() {
    let (temp, entries) = filled(300).await;
    for round in 0..3 {
        let opened = temp.open().await;
        assert_eq!((opened.report.files, opened.report.entries), (1, 300 + round));
        assert_eq!((opened.report.torn_bytes, opened.report.gaps.len()), (0, 0));
        for entry in &entries {
            assert_eq!(get(&opened.files, entry.header.key).await.unwrap().header, entry.header);
        }
        put(&opened.files, &entry(1, 300 + round, b"more")).await.unwrap();
        let again = put(&opened.files, &entry(1, 300 + round, b"other")).await;
        assert!(matches!(again, Err(PutError::Exists)));
        opened.files.close().await;
    }
}

#[tokio::test]
async fn torn_at_every_byte_of_the_last_entries() {
    let (temp, entries) = filled(4).await;
    let (path, second, size) = temp.find(key(1, 2)).unwrap();
    let (_, third, _) = temp.find(key(1, 3)).unwrap();
    let end = third + size;
    let whole = std::fs::read(&path).unwrap();
    for cut in second..=end {
        // Zeros from the cut on; garbage instead; or the file ends there.
        for fill in [Some(0), Some(0xff), None] {
            let mut bytes = whole.clone();
            match fill {
                Some(byte) => bytes[cut..end].fill(byte),
                None => bytes.truncate(cut),
            }
            std::fs::write(&path, &bytes).unwrap();
            let opened = temp.open().await;
            let survivors = if cut < third { 2 } else { 3 + u64::from(cut == end) };
            let expected: Vec<_> = (0..survivors).map(|slot| (1, slot)).collect();
            assert_eq!(keys(&opened.files).await, expected, "cut at {cut}, {fill:?}");
            let start = [second, third, end][survivors as usize - 2];
            let torn = match fill {
                Some(0) | None => {
                    bytes[start..cut].iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
                }
                Some(_) => end - start,
            };
            assert_eq!(opened.report.torn_bytes, torn as u64, "cut at {cut}, {fill:?}");
            // The next entry goes right after the last valid one, and nothing of the torn ones is left.
            put(&opened.files, &entry(2, survivors, b"x")).await.unwrap();
            opened.files.close().await;
            let after = std::fs::read(&path).unwrap();
            assert_eq!(after.len(), 64 << 10);
            assert_eq!(after[..start], whole[..start]);
            assert!(after[start + 97..].iter().all(|byte| *byte == 0), "cut at {cut}, {fill:?}");
            assert_eq!(temp.find(key(2, survivors)).unwrap().1, start);
        }
    }
    assert_eq!(entries.len(), 4);
}

#[tokio::test]
async fn a_damaged_middle_keeps_what_follows() {
    let (temp, _) = filled(6).await;
    let whole = std::fs::read(&temp.logs()[0]).unwrap();
    for slot in 0..5 {
        let (path, at, size) = temp.find(key(1, slot)).unwrap();
        for bad in [at + 4, at + 50, at + 95, at + 96, at + size - 1] {
            let mut bytes = whole.clone();
            bytes[bad] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let opened = temp.open().await;
            let left: Vec<_> = (0..6).filter(|other| *other != slot).map(|slot| (1, slot)).collect();
            assert_eq!(keys(&opened.files).await, left);
            assert_eq!(opened.report.torn_bytes, 0);
            let gap = &opened.report.gaps[..];
            assert!(matches!(gap, [gap] if gap.bytes == (at as u64..(at + size) as u64)), "{gap:?}");
            opened.files.close().await;
            assert!(std::fs::read(&path).unwrap() == bytes, "nothing is written over damage");
        }
        std::fs::write(&path, &whole).unwrap();
    }
}

#[tokio::test]
async fn an_entry_within_a_payload_is_none() {
    let temp = Temp::new();
    let opened = temp.open().await;
    let inner = entry(1, 1, b"forged").encode().concat();
    put(&opened.files, &entry(1, 0, &inner)).await.unwrap();
    opened.files.close().await;
    let (path, at, size) = temp.find(key(1, 0)).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at + 96 + inner.len() - 1] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let opened = temp.open().await;
    assert_eq!(keys(&opened.files).await, [], "the outer header says where the next entry would be");
    assert_eq!(opened.report.torn_bytes, size as u64);
    opened.files.close().await;
}

#[tokio::test]
async fn an_entry_across_chunks_and_pages_is_found() {
    // The first entry's header breaks, so that the next one is searched for; it begins at any place around a page.
    for payload in (4096 - 32 - 96 - 100)..(4096 - 32 - 96 + 4) {
        let temp = Temp::fast();
        let opened = temp.open().await;
        put(&opened.files, &entry(1, 0, &vec![7; payload])).await.unwrap();
        put(&opened.files, &entry(1, 1, b"next")).await.unwrap();
        opened.files.close().await;
        let path = temp.logs().remove(0);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let opened = temp.open().await;
        assert_eq!(keys(&opened.files).await, [(1, 1)], "{payload}");
        opened.files.close().await;
    }
}

#[tokio::test]
async fn the_head_survives_and_late_puts_below_it_are_refused() {
    let (temp, entries) = filled(10).await;
    let opened = temp.open().await;
    put_head(&opened.files, 7).await.unwrap();
    opened.files.close().await;
    for _ in 0..2 {
        let opened = temp.open().await;
        for late in [entry(0, 3, b"takeover"), entry(1, 6, b""), entries[2].clone()] {
            assert!(matches!(put(&opened.files, &late).await, Err(PutError::Exists)));
        }
        assert_eq!(keys(&opened.files).await, [(1, 7), (1, 8), (1, 9)], "what is below is forgotten");
        opened.files.close().await;
    }
}

#[tokio::test]
async fn files_of_others_and_of_later_releases_are_refused() {
    let (temp, _) = filled(2).await;
    let path = temp.logs().remove(0);
    let whole = std::fs::read(&path).unwrap();
    let refused = async |bytes: &[u8], text: &str| {
        std::fs::write(&path, bytes).unwrap();
        let error = temp.try_open(crate::temp::small()).await.err().expect("it is refused").to_string();
        assert!(error.contains(text) && error.contains("00000.log"), "{error}");
    };
    let mut bytes = whole.clone();
    bytes[4] = 2;
    let crc = klamm_store::entry::crc32c([&bytes[..28]]);
    bytes[28..32].copy_from_slice(&crc.to_be_bytes());
    refused(&bytes, "has version 2; this release reads up to 1").await;
    bytes[8] ^= 1;
    refused(&bytes, "damaged at byte 0").await;
    refused(&bytes[..31], "damaged at byte 0: the file's header: it is cut short").await;
    let mut bytes = whole.clone();
    bytes[32 + 4] = 7;
    let crc = klamm_store::entry::crc32c([&bytes[32..124]]);
    bytes[124..128].copy_from_slice(&crc.to_be_bytes());
    refused(&bytes, "an entry has version 7; this release reads up to 1").await;
    std::fs::write(&path, &whole).unwrap();
    temp.open().await.files.close().await;
    // A file that is missing.
    std::fs::rename(&path, path.with_file_name("00000000000000000005.log")).unwrap();
    let error = temp.try_open(crate::temp::small()).await.err().expect("it is refused").to_string();
    assert!(error.contains("its header says shard 7, first slot 0"), "{error}");
}
