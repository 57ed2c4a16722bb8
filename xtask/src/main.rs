//! Project tasks. `cargo run -p xtask -- protocol [--check]` writes (or compares) the generated protocol code;
//! `… layers` checks that imports point down only; `… coverage [SEEDS]` says what of the recovery code the simulator's
//! seeds (200 unless told) reach.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["protocol"] => xtask::protocol::write(root()),
        ["protocol", "--check"] => xtask::protocol::check(root()),
        ["layers"] => xtask::layers::run(root()),
        ["coverage"] => xtask::coverage::run(root(), 200),
        ["coverage", seeds] if seeds.parse::<u64>().is_ok_and(|seeds| seeds > 0) => {
            xtask::coverage::run(root(), seeds.parse().expect("just tried"))
        }
        _ => Err("usage: cargo run -p xtask -- (protocol [--check] | layers | coverage [SEEDS])".to_owned()),
    };
    match result {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(said) => {
            eprintln!("{said}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}
