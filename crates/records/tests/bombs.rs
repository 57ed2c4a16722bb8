//! Decompression bombs of 1 GiB of zeros stop at the cap, in time and memory that the cap bounds.
//!
//! One test, since it reads the peak memory of its whole process (Linux's `VmHWM`, which counts libzstd's memory too).

use bytes::Bytes;
use klamm_records::*;

const BOMB_BYTES: usize = 1 << 30;
const PART_BYTES: usize = 1 << 22;
const CAP_BYTES: usize = 8 << 20;
/// Twice the cap for the output, and room for the codecs' own state.
const PEAK_GROWTH_MAX_BYTES: usize = 2 * CAP_BYTES + (4 << 20);

#[test]
fn bombs_stop_at_the_cap() {
    let bombs = [
        (Codec::Gzip, gzip()),
        (Codec::Snappy, snappy_raw()),
        (Codec::Snappy, snappy_xerial()),
        (Codec::Lz4, lz4()),
        #[cfg(feature = "zstd")]
        (Codec::Zstd, zstd_frame(true)),
        #[cfg(feature = "zstd")]
        (Codec::Zstd, zstd_frame(false)),
    ];
    let before_bytes = reset_peak();
    for (codec, bomb) in bombs {
        let bytes_max = CAP_BYTES;
        let cap = DecompressCap { bytes_max, ratio_max: usize::MAX };
        let stopped = decompress(codec, &bomb, cap);
        assert_eq!(stopped, Err(BatchError::Inflated { codec, bytes: bomb.len(), bytes_max }));
        if bomb.len() < BOMB_BYTES / 2000 {
            let cap = DecompressCap { bytes_max: usize::MAX, ratio_max: 20 };
            assert!(decompress(codec, &bomb, cap).is_err(), "{codec} within the ratio");
        }
        if let (Some(before), Some(after)) = (before_bytes, peak_bytes()) {
            let growth = after - before;
            println!("{codec}: {} bytes, peak grew by {growth}", bomb.len());
            assert!(growth <= PEAK_GROWTH_MAX_BYTES, "{codec}: peak memory grew by {growth} bytes");
        }
    }
}

/// Lowers the peak, which the making of the bombs raised, to what is in use now.
#[expect(clippy::disallowed_methods, reason = "a test of memory has to ask the system")]
fn reset_peak() -> Option<usize> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    peak_bytes()
}

fn peak_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok().map(|kib| kib << 10)
}

/// One member: a deflate stream flushed in full may be repeated. Its trailer is missing; nobody gets that far.
fn gzip() -> Bytes {
    let mut compressor = flate2::Compress::new(flate2::Compression::best(), false);
    let mut part = Vec::with_capacity(PART_BYTES / 100);
    compressor.compress_vec(&vec![0; PART_BYTES], &mut part, flate2::FlushCompress::Full).unwrap();
    assert_eq!(compressor.total_in() as usize, PART_BYTES);
    let head = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    Bytes::from([head, part.repeat(BOMB_BYTES / PART_BYTES)].concat())
}

/// One block that says its size, at snappy's best ratio.
fn snappy_raw() -> Bytes {
    let mut bomb = vec![0x80, 0x80, 0x80, 0x80, 0x04, 0, 0];
    bomb.extend([0xfe, 1, 0].repeat(BOMB_BYTES / 64 - 1));
    bomb.extend([0xfa, 1, 0]);
    bomb.into()
}

fn snappy_xerial() -> Bytes {
    let part = snap::raw::Encoder::new().compress_vec(&vec![0; PART_BYTES]).unwrap();
    let chunk = [&(part.len() as u32).to_be_bytes()[..], &part].concat();
    Bytes::from([&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"[..], &chunk.repeat(BOMB_BYTES / PART_BYTES)].concat())
}

/// Independent blocks of 4 MiB.
fn lz4() -> Bytes {
    let part = lz4_flex::block::compress(&vec![0; PART_BYTES]);
    let block = [&(part.len() as u32).to_le_bytes()[..], &part].concat();
    let blocks = block.repeat(BOMB_BYTES / PART_BYTES);
    Bytes::from([&[0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73][..], &blocks, &[0; 4]].concat())
}

/// Blocks of 128 KiB, each one byte repeated: four bytes a block. With its content's size, or a window of 128 MiB.
#[cfg(feature = "zstd")]
fn zstd_frame(sized: bool) -> Bytes {
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd];
    if sized {
        bomb.push(0b1010_0000);
        bomb.extend((BOMB_BYTES as u32).to_le_bytes());
    } else {
        bomb.extend([0, (27 - 10) << 3]);
    }
    let blocks = BOMB_BYTES >> 17;
    for index in 0..blocks {
        let head: u32 = (1 << 17) << 3 | 1 << 1 | u32::from(index + 1 == blocks);
        bomb.extend_from_slice(&head.to_le_bytes()[..3]);
        bomb.push(0);
    }
    bomb.into()
}
