//! Every kept input, in every run of the tests. One test: the allocations of the whole process are counted.
#![allow(clippy::disallowed_methods, reason = "a test reads files of the clone")]

use std::{fs, path::Path};

use klamm_fuzz::{Found, TARGETS, images, journal, run};

/// The largest kept input, in bytes: shrink it (`cargo fuzz tmin`) before it is kept.
const KEPT_BYTES_MAX: u64 = 64 << 10;

/// What the journal's first inputs are good for: they open and have all that was written, also from the files.
fn first_folders_open() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kept/journal");
    for (name, image, found) in images() {
        let input = [&[0][..], &image].concat();
        assert_eq!(journal(&input).as_ref(), Some(&found), "{name}");
        assert!(fs::read(kept.join(name)).is_ok_and(|kept| kept == input), "{name}: write the seeds again");
        // With broken checksums it has less, unless they are put right: the CRC of the last entry's header, and of a file's.
        for (magic, crc) in [(b"KLJE", 92), (b"KLJF", 28)] {
            let mut broken = image.clone();
            let at = image.windows(4).rposition(|four| four == magic).expect("it has one");
            broken[at + crc] ^= 1;
            let opens = |flags: u8| journal(&[&[flags][..], &broken].concat());
            assert_ne!(opens(0).as_ref(), Some(&found), "{name}");
            assert_eq!(opens(1).as_ref(), Some(&found), "{name}, mended");
        }
    }
    assert_eq!(journal(&[0]), Some(Found::default()), "an empty folder");
}

#[test]
fn kept_inputs_do_no_harm() {
    first_folders_open();
    for (target, name, input) in klamm_fuzz::seeds::all() {
        assert!(run(target, &input), "{target}: {name} is refused");
    }
    for target in TARGETS {
        run(target.name, &[]);
        for size in [1, 100, 10_000] {
            for byte in [0, 1, 0x7f, 0xff] {
                run(target.name, &vec![byte; size]);
            }
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kept").join(target.name);
        let mut files = 0;
        for item in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = item.expect("the folder is read").path();
            let input = fs::read(&path).expect("the file is read");
            assert!(input.len() as u64 <= KEPT_BYTES_MAX, "{}: {} bytes", path.display(), input.len());
            println!("{}", path.display());
            run(target.name, &input);
            files += 1;
        }
        assert!(files > 0, "{}: nothing is kept", folder.display());
    }
}
