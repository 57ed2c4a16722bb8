//! Project tasks. `cargo run -p xtask -- protocol [--check]` writes (or compares) the generated protocol code;
//! `… layers` checks that imports point down only.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["protocol"] => xtask::protocol::write(root()),
        ["protocol", "--check"] => xtask::protocol::check(root()),
        ["layers"] => xtask::layers::run(root()),
        _ => Err("usage: cargo run -p xtask -- (protocol [--check] | layers)".to_owned()),
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
