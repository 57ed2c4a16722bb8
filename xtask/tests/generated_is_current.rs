//! The committed generated code is what the schemas give.

use std::path::Path;

#[test]
fn generated_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
    if let Err(stale) = xtask::protocol::check(root) {
        panic!("{stale}");
    }
}
