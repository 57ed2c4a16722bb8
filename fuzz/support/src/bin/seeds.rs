//! Writes the first inputs into `fuzz/kept`.
#![allow(clippy::disallowed_methods, reason = "a tool: it writes files of the clone")]

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kept");
    for (target, name, bytes) in klamm_fuzz::seeds::all() {
        fs::create_dir_all(kept.join(target))?;
        fs::write(kept.join(target).join(name), bytes)?;
    }
    Ok(())
}
