#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    klamm_fuzz::run("frame", bytes);
});
