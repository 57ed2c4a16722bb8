//! What decoding really allocates, for good and for hostile frames: at most 3 x frame + 1 MiB, so that with the frame
//! itself the promise of 4 x frame + 1 MiB holds. A binary of its own, with one test: it counts all allocations.

#[allow(dead_code, reason = "this test uses a part of the table")]
#[path = "all/codec.rs"]
mod codec;

use klamm_protocol::sample::Gen;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// The most that decoding holds at once, in bytes.
fn peak(codec: &codec::Codec, frame: &[u8], version: i16) -> usize {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let _ = (codec.decode)(frame, version);
    ALLOCATED.peak_usage() - before
}

#[test]
fn decoding_keeps_its_budget() {
    let mut g = Gen::new(9);
    let mut most = 0;
    for codec in codec::all() {
        for version in codec.versions() {
            let mut frames: Vec<Vec<u8>> = (0..6).map(|seed| (codec.round_trip)(seed, version)).collect();
            // Long frames of one value: as much array as the form allows.
            frames.extend([0, 1, 2, 0x0f].map(|value| vec![value; 300_000]));
            for count in [10_000_i32, 60_000, 250_000] {
                for prefix in [0, 2, 4, 6, 8, 12] {
                    frames.push([&vec![0; prefix][..], &count.to_be_bytes(), &[0; 300_000]].concat());
                    frames.push([&vec![0; prefix][..], &uvarint(count as u32), &[1; 300_000]].concat());
                }
            }
            for frame in &mut frames {
                for flips in 0..3 {
                    let peak = peak(&codec, frame, version);
                    let allowed = 3 * frame.len() + (1 << 20);
                    assert!(peak <= allowed, "{} v{version}: {peak} of {allowed} bytes", codec.name);
                    most = most.max(peak * 100 / allowed);
                    let at = g.below(frame.len().min(64));
                    if let Some(byte) = frame.get_mut(at) {
                        *byte = [0x7f, 0xff, g.bits() as u8][flips];
                    }
                }
            }
        }
    }
    assert!(most > 90, "the hostile frames came near the budget: {most} %");
}

fn uvarint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
