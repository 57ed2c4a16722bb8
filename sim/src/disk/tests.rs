//! The disk's contract, and what crashes do.

use super::{content::SECTOR_BYTES, *};
use crate::Time;

fn disk(seed: u64) -> SimDisk {
    SimDisk::new("disk", Dice::new(seed, "disk"), Log::new(Time::default()))
}

fn path(name: &str) -> PathBuf {
    Path::new("/d").join(name)
}

fn write(file: &Arc<dyn File>, position: u64, bytes: &[u8]) {
    file.write_at(position, &mut [IoSlice::new(bytes)]).unwrap();
}

async fn folder(disk: &SimDisk) -> Arc<dyn Disk> {
    let mount = disk.mount();
    mount.create_folder(Path::new("/d")).await.unwrap();
    mount
}

async fn create(mount: &Arc<dyn Disk>, name: &str) -> Arc<dyn File> {
    mount.open(&path(name), OpenMode::Create).await.unwrap()
}

/// What is left of a file after a crash.
async fn left(disk: &SimDisk, crash: Crash, name: &str) -> Option<Vec<u8>> {
    disk.crash(crash);
    disk.mount().read(&path(name)).await.ok()
}

#[tokio::test(start_paused = true)]
async fn synced_writes_stay() {
    for seed in 0..50 {
        let disk = disk(seed);
        let file = create(&folder(&disk).await, "a").await;
        write(&file, 0, b"one");
        write(&file, 5, b"two");
        file.sync_data().await.unwrap();
        assert_eq!(left(&disk, Crash::PowerCut, "a").await.unwrap(), b"one\0\0two");
    }
}

#[tokio::test(start_paused = true)]
async fn unsynced_writes_are_lost_kept_or_torn_each_by_itself() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let disk = disk(seed);
        let file = create(&folder(&disk).await, "a").await;
        file.allocate(8 * SECTOR_BYTES as u64).await.unwrap();
        write(&file, 0, &[1; 2 * SECTOR_BYTES]);
        write(&file, 2 * SECTOR_BYTES as u64, &[2; 2 * SECTOR_BYTES]);
        let bytes = left(&disk, Crash::PowerCut, "a").await.unwrap();
        let sectors: Vec<u8> = bytes
            .chunks(SECTOR_BYTES)
            .map(|sector| {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is one step");
                sector[0]
            })
            .collect();
        assert_eq!(sectors[4..], [0; 4]);
        seen.insert(sectors[..4].to_vec());
    }
    let all: Vec<Vec<u8>> =
        (0..16u8).map(|n| (0..4).map(|s| if n >> s & 1 == 1 { s / 2 + 1 } else { 0 }).collect()).collect();
    assert!(
        all.iter().all(|outcome| seen.contains(outcome)),
        "every outcome comes, reordered ones too: {seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_during_a_sync_is_not_covered_by_it() {
    let mut lost = 0;
    for seed in 0..40 {
        let disk = disk(seed);
        let file = create(&folder(&disk).await, "a").await;
        write(&file, 0, b"1");
        let sync = file.sync_data();
        let mut sync = std::pin::pin!(sync);
        let pending =
            std::future::poll_fn(|context| std::task::Poll::Ready(sync.as_mut().poll(context))).await;
        write(&file, 0, b"2");
        if pending.is_pending() {
            sync.await.unwrap();
        }
        lost += u32::from(left(&disk, Crash::PowerCut, "a").await.unwrap() == b"1");
    }
    assert!((5..35).contains(&lost), "{lost} of 40");
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_loses_nothing_until_the_power_goes() {
    let mut kept = 0;
    for seed in 0..40 {
        let disk = disk(seed);
        let file = create(&folder(&disk).await, "a").await;
        write(&file, 0, b"x");
        assert_eq!(left(&disk, Crash::Kill, "a").await.unwrap(), b"x");
        kept += u32::from(left(&disk, Crash::PowerCut, "a").await.unwrap() == b"x");
    }
    assert!((5..35).contains(&kept), "{kept} of 40");
}

#[tokio::test(start_paused = true)]
async fn allocated_space_is_zero_and_a_cut_is_durable() {
    let disk = disk(1);
    let file = create(&folder(&disk).await, "a").await;
    file.allocate(10).await.unwrap();
    write(&file, 0, b"0123456789");
    file.truncate(4).await.unwrap();
    file.allocate(6).await.unwrap();
    file.allocate(5).await.unwrap();
    assert_eq!(file.size().await.unwrap(), 6);
    assert_eq!(file.read_at(2, 100).await.unwrap(), &b"23\0\0"[..]);
    assert_eq!(file.read_at(9, 1).await.unwrap(), &b""[..]);
    assert_eq!(left(&disk, Crash::PowerCut, "a").await.unwrap(), b"0123\0\0");
}

#[tokio::test(start_paused = true)]
async fn names_are_durable_when_the_call_returns() {
    for seed in 0..30 {
        let disk = disk(seed);
        let mount = folder(&disk).await;
        create(&mount, "a").await;
        mount.rename(&path("a"), &path("b")).await.unwrap();
        mount.replace(&path("c"), b"new").await.unwrap();
        mount.remove(&path("gone")).await.unwrap();
        create(&mount, "d").await;
        mount.remove(&path("d")).await.unwrap();
        disk.crash(Crash::PowerCut);
        let mount = disk.mount();
        assert_eq!(mount.list(Path::new("/d")).await.unwrap(), ["b", "c"]);
        assert_eq!(mount.read(&path("c")).await.unwrap(), b"new");
        assert_eq!(mount.list(Path::new("/")).await.unwrap(), ["d"]);
        assert!(mount.list(Path::new("/x")).await.is_err());
    }
}

/// Crashes in the middle of a replacement: the old or the new bytes, nothing else.
#[tokio::test(start_paused = true)]
async fn a_trap_stops_the_disk_and_half_done_replacements_are_whole() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..60 {
        let disk = disk(seed);
        let mount = folder(&disk).await;
        mount.replace(&path("a"), b"old").await.unwrap();
        disk.lay(Some(Trap { op: Some(Op::Replace), on: "", after: 1 }));
        mount.replace(&path("b"), b"b").await.unwrap();
        assert!(!disk.is_frozen());
        let (first, second) = (path("a"), path("b"));
        let replaced = tokio::time::timeout(Duration::from_secs(9), mount.replace(&first, b"new"));
        assert!(replaced.await.is_err(), "it never returns");
        assert!(disk.is_frozen());
        let removed = tokio::time::timeout(Duration::from_secs(9), mount.remove(&second));
        assert!(removed.await.is_err(), "nor does anything else");
        match &left(&disk, Crash::PowerCut, "a").await.unwrap()[..] {
            b"old" => old += 1,
            b"new" => new += 1,
            other => panic!("{other:?}"),
        }
        assert_eq!(disk.mount().read(&path("b")).await.unwrap(), b"b");
    }
    assert!(old > 10 && new > 10, "{old} and {new}");
}

#[tokio::test(start_paused = true)]
async fn what_outlives_its_mount_reaches_nothing() {
    let disk = disk(1);
    let mount = folder(&disk).await;
    let file = create(&mount, "a").await;
    let lock = mount.lock(Path::new("/d")).await.unwrap();
    let held = mount.lock(Path::new("/d")).await.err().expect("it is taken");
    assert_eq!(held.kind(), io::ErrorKind::WouldBlock);
    disk.crash(Crash::Kill);
    assert!(file.write_at(0, &mut [IoSlice::new(b"late")]).is_err());
    assert!(mount.remove(&path("a")).await.is_err());
    let next = disk.mount();
    let _taken = next.lock(Path::new("/d")).await.unwrap();
    drop(lock);
    assert!(next.lock(Path::new("/d")).await.is_err(), "an old lock frees nothing");
    assert_eq!(next.read(&path("a")).await.unwrap(), b"");
}

#[tokio::test(start_paused = true)]
async fn opening() {
    let disk = disk(1);
    let mount = folder(&disk).await;
    let kind = |result: io::Result<Arc<dyn File>>| result.err().map(|error| error.kind());
    assert_eq!(kind(mount.open(&path("a"), OpenMode::Write).await), Some(io::ErrorKind::NotFound));
    assert_eq!(kind(mount.open(Path::new("/x/a"), OpenMode::Create).await), Some(io::ErrorKind::NotFound));
    assert_eq!(kind(mount.open(&path("a"), OpenMode::Create).await), None);
    assert_eq!(kind(mount.open(&path("a"), OpenMode::Create).await), Some(io::ErrorKind::AlreadyExists));
    let file = mount.open(&path("a"), OpenMode::Read).await.unwrap();
    mount.rename(&path("a"), &path("b")).await.unwrap();
    write(&file, 0, b"x");
    assert_eq!(mount.read(&path("b")).await.unwrap(), b"x", "a handle stays with its file");
}

#[tokio::test(start_paused = true)]
async fn a_disk_with_so_many_bytes_left_refuses_more_and_takes_what_was_freed() {
    let disk = disk(1);
    let mount = folder(&disk).await;
    let (a, b) = (create(&mount, "a").await, create(&mount, "b").await);
    a.allocate(5000).await.unwrap();
    disk.leave(Some(1000));
    assert_eq!(b.allocate(1001).await.unwrap_err().kind(), io::ErrorKind::StorageFull);
    b.allocate(900).await.unwrap();
    write(&b, 0, &[1; 900]);
    let beyond = b.write_at(800, &mut [IoSlice::new(&[1; 300])]);
    assert_eq!(beyond.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(mount.replace(&path("c"), &[1; 200]).await.unwrap_err().kind(), io::ErrorKind::StorageFull);
    a.truncate(4000).await.unwrap();
    mount.replace(&path("c"), &[1; 1000]).await.unwrap();
    mount.remove(&path("a")).await.unwrap();
    b.allocate(5000).await.unwrap();
    disk.leave(None);
    b.allocate(50_000).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_has_no_space_for_writes_either() {
    let disk = disk(1);
    let file = create(&folder(&disk).await, "a").await;
    file.allocate(10).await.unwrap();
    disk.fill(true);
    write(&file, 0, b"0123456789");
    let error = file.write_at(5, &mut [IoSlice::new(b"012345")]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    disk.fill(false);
    write(&file, 5, b"012345");
}

#[tokio::test(start_paused = true)]
async fn a_fault_excuses_what_names_it_until_the_next_start() {
    let disk = disk(1);
    let file = create(&folder(&disk).await, "a").await;
    let full = io::Error::from(io::ErrorKind::StorageFull).to_string();
    assert!(!disk.excuses(&full));
    disk.fill(true);
    assert!(disk.excuses(&format!("cannot write: {full}")) && !disk.excuses("an invariant was broken"));
    disk.fill(false);
    assert!(disk.excuses(&full), "it may be heard of later");
    disk.mount();
    assert!(!disk.excuses(&full));
    drop(file);
    let file = disk.mount().open(&path("a"), OpenMode::Write).await.unwrap();
    disk.fail_sync(0);
    let failed = file.sync_data().await.unwrap_err().to_string();
    assert!(disk.excuses(&failed));
    disk.mount();
    assert!(!disk.excuses(&failed));
    disk.fill(true);
    disk.mount();
    assert!(disk.excuses(&full), "it is full still");
}

#[tokio::test(start_paused = true)]
async fn a_spell_without_space_is_one_fault() {
    let log = Log::new(Time::default());
    let disk = SimDisk::new("disk", Dice::new(1, "disk"), log.clone());
    let mount = folder(&disk).await;
    let spells = || log.counts().get("full disk").copied();
    disk.fill(true);
    assert!(spells().is_none() && !disk.lacks_space(), "nobody met it");
    for name in ["a", "b"] {
        mount.open(&path(name), OpenMode::Create).await.map(drop).unwrap_err();
    }
    assert!(spells() == Some(1) && disk.lacks_space());
    disk.fill(false);
    assert!(!disk.lacks_space());
    disk.leave(Some(0));
    mount.replace(&path("c"), b"x").await.unwrap_err();
    assert!(spells() == Some(2) && disk.lacks_space());
    disk.mount();
    assert!(!disk.lacks_space(), "the next broker did not meet it yet");
}
