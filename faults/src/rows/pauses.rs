//! SIGSTOP and SIGCONT. While it is stopped, clients give up waiting and send again, and a rival is started on its
//! folder: it must be refused.

use rustix::process::Signal;

use super::rounds;
use crate::{
    bench::Bench,
    broker::{Broker, Started},
    folder::Folder,
    stop::Stop,
    trial::{Counts, Trial},
};

const AT_ONCE: u32 = 10;

pub(super) fn run(bench: &mut Bench, count: u32, counts: &mut Counts) -> Result<(), Stop> {
    rounds(bench, count, AT_ONCE, counts, |bench, now, folder, counts| {
        let mut trial = Trial::start(bench, folder, &folder.path().join("data"), counts)?;
        for _ in 0..now {
            trial.live(bench.millis(100..800))?;
            trial.broker.signal(Signal::STOP)?;
            trial.counts.faults += 1;
            rival(bench, folder, &trial)?;
            // Above librdkafka's request timeout at times.
            trial.live(bench.millis(100..3500))?;
            trial.broker.signal(Signal::CONT)?;
            trial.resumes()?;
            if let Some(status) = trial.broker.ended() {
                return Err(trial.broker.wrong(&format!("ended after a pause: {status}")));
            }
        }
        trial.finish().map(drop)
    })
}

fn rival(bench: &Bench, folder: &Folder, trial: &Trial) -> Result<(), Stop> {
    let mut rival = Broker::new(bench, trial.broker.data(), &folder.path().join("rival.log"))?;
    rival.launch(&[])?;
    match rival.wait()? {
        Started::Ended(status) if !status.success() && status.code().is_some() => Ok(()),
        Started::Ended(status) => Err(rival.wrong(&format!("refused a folder in use with {status}"))),
        Started::Ready => Err(rival.wrong("serves a folder that another process, which is stopped, has")),
    }
}
