//! The binary: reads the command line, runs a broker, says when it is ready, stops on SIGTERM and SIGINT.

mod cli;

use std::{io::Write as _, process::ExitCode};

use cli::{Command, ServeArgs, Stop};
use klamm::{Config, Env, Klamm};
use tokio::signal::unix::{SignalKind, signal};

/// Threads that may wait for the disk at a time.
const DISK_THREADS_MAX: usize = 64;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
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
    let Command::Serve(args) = command;
    let done = runtime.block_on(serve(&args));
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.print(),
    }
}

async fn serve(args: &ServeArgs) -> Result<(), Stop> {
    let env = Env::os();
    let began = env.clock.monotonic();
    let config = args.load(&*env.disk, std::env::vars_os()).await?;
    log(&config);
    let data = config.data.display().to_string();
    let failed = |error: &dyn std::fmt::Display| Stop::failed(error.to_string());
    let klamm = Klamm::start(config, env.clone()).await.map_err(|error| failed(&error))?;
    let (mut term, mut int) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(term), Ok(int)) => (term, int),
        (Err(error), _) | (_, Err(error)) => return Err(failed(&error)),
    };
    let (address, topics) = (klamm.address(), klamm.topic_count());
    let took_ms = (env.clock.monotonic() - began).as_millis();
    // Nobody may be listening to standard output; the broker runs all the same.
    let mut out = std::io::stdout().lock();
    let _ =
        writeln!(out, "Klamm is ready on {address} (data: {data}, {topics} topics, started in {took_ms} ms)");
    let _ = out.flush();
    drop(out);
    tokio::select! { biased;
        why = klamm.failed() => return Err(Stop::failed(why)),
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("stopping: answering what is under way");
    klamm.stop().await;
    Ok(())
}

fn log(config: &Config) {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = EnvFilter::try_new(&config.klamm_log).unwrap_or_default();
    fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}
