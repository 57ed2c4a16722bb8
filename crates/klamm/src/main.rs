//! The binary: reads the command line, runs the command, says what went wrong.

mod cli;

use std::process::ExitCode;

use cli::Stop;

/// Gives memory back to the system; the C library's kept gigabytes after a topic in memory was deleted.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Threads that may wait for the disk at a time.
const DISK_THREADS_MAX: usize = 64;

fn main() -> ExitCode {
    #[cfg(feature = "planted")]
    if let Err(why) = plant() {
        return Stop::failed(why).print();
    }
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(stop) => return stop.print(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS_MAX)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Stop::failed(format!("can't start threads: {error}")).print(),
    };
    let done = runtime.block_on(cli::run(invocation));
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.print(),
    }
}

/// Puts the bug into this process that the environment names.
#[cfg(feature = "planted")]
fn plant() -> Result<(), String> {
    let Some(name) = std::env::var_os("PLANTED_BUG") else { return Ok(()) };
    klamm_model::plant(klamm_model::Bug::named(&name.to_string_lossy())?);
    Ok(())
}
