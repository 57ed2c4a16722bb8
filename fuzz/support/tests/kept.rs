//! Every kept input, in every run of the tests. One test: the allocations of the whole process are counted.
#![allow(clippy::disallowed_methods, reason = "a test reads files of the clone")]

use std::{fs, path::Path};

use klamm_fuzz::{TARGETS, run};

/// The largest kept input, in bytes: shrink it (`cargo fuzz tmin`) before it is kept.
const KEPT_BYTES_MAX: u64 = 64 << 10;

#[test]
fn kept_inputs_do_no_harm() {
    for target in TARGETS {
        run(target.name, &[]);
        for size in [1, 100, 10_000] {
            [0, 1, 0x7f, 0xff].iter().for_each(|byte| run(target.name, &vec![*byte; size]));
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
