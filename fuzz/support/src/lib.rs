//! What the fuzzers call. Each target takes any bytes and must neither panic nor hang nor allocate more than it is
//! allowed; what it understood must survive being written and read again. The same functions run over the kept inputs in
//! `fuzz/kept` as a plain test.

mod checkpoint;
mod config;
mod disk;
mod journal;
mod machines;
mod mend;
mod message;
mod payload;
mod records;
pub mod seeds;
mod story;

pub use journal::{Found, journal};
use peak_alloc::PeakAlloc;
pub use story::images;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// A target.
pub struct Target {
    /// Its name, also of its folder of kept inputs.
    pub name: &'static str,
    run: fn(&[u8]) -> bool,
    /// The bytes that it may hold at a time, beside the input, by the size of the input.
    allowed: fn(usize) -> usize,
}

/// With the frame itself this is the promise: 4 x frame + 1 MiB.
fn promised(input: usize) -> usize {
    3 * input + MIB
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "frame", run: message::frame, allowed: message::frame_allowed },
    Target { name: "message", run: message::message, allowed: message::allowed },
    Target { name: "batch", run: records::batch, allowed: records::batch_allowed },
    Target { name: "decompress", run: records::inflate, allowed: records::inflate_allowed },
    Target { name: "journal", run: journal::run, allowed: journal::allowed },
    Target { name: "payload", run: payload::run, allowed: payload::allowed },
    Target { name: "checkpoint", run: checkpoint::run, allowed: checkpoint::allowed },
    Target { name: "config", run: config::run, allowed: config::allowed },
];

/// Runs a target. Whether it understood the input: well-formed ones must not be refused, or nothing is fuzzed.
///
/// # Panics
/// If there is no such target, or the input does what it must not.
pub fn run(name: &str, input: &[u8]) -> bool {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of the table");
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let understood = (target.run)(input);
    let held = ALLOCATED.peak_usage().saturating_sub(before);
    let allowed = (target.allowed)(input.len());
    assert!(
        held <= allowed,
        "{name}: {held} bytes were held for an input of {}; {allowed} are allowed",
        input.len()
    );
    understood
}
