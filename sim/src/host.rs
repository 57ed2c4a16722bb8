//! The machine that the broker runs on: each start gets the surviving disk, and the facade starts on it.

use std::sync::{Arc, atomic::AtomicBool};

use klamm::{Config, Env, Klamm};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    Dice, Log, Time,
    disk::SimDisk,
    env::{SimClock, SimEntropy, SimNet},
};

/// Tells the running broker to stop in good order.
#[derive(Clone, Default)]
pub(crate) struct Control(Arc<Mutex<Arc<Notify>>>);

impl Control {
    pub(crate) fn stop(&self) {
        self.0.lock().notify_one();
    }

    fn renew(&self) -> Arc<Notify> {
        let new = Arc::new(Notify::new());
        *self.0.lock() = Arc::clone(&new);
        new
    }
}

/// What every start of the broker is given.
pub(crate) struct Host {
    name: String,
    pub(crate) config: Config,
    pub(crate) time: Time,
    pub(crate) log: Log,
    pub(crate) disk: SimDisk,
    pub(crate) control: Control,
    entropy: Arc<SimEntropy>,
    net: SimNet,
    /// Whether the broker's connections are reset now and then.
    pub(crate) resets: Arc<AtomicBool>,
}

impl Host {
    pub(crate) fn new(
        seed: u64,
        number: usize,
        time: Time,
        log: Log,
        disk: SimDisk,
        control: Control,
    ) -> Self {
        let mut dice = Dice::new(seed, &format!("config {number}"));
        let config = Config {
            listen: "0.0.0.0:9092".to_owned(),
            data: "/data".into(),
            auto_create_topics_enable: false,
            // Small, so that files are sealed and merged; some batches are larger than one. The smallest, so that the
            // metadata and the groups come to checkpoints.
            klamm_journal_file_bytes: *dice.pick(&[4 << 10, 128 << 10, 256 << 10, 1 << 20]),
            // The smallest: readers come to the files; the usual: to the tail.
            klamm_tail_bytes: *dice.pick(&[1 << 20, 64 << 20]),
            log_retention_check_interval_ms: *dice.pick(&[50, 300, 2000]),
            max_incremental_fetch_session_cache_slots: *dice.pick(&[1000, 1000, 1]),
            group_min_session_timeout_ms: 100,
            group_initial_rebalance_delay_ms: *dice.pick(&[0, 0, 100]),
            ..Config::default()
        };
        let entropy = Arc::new(SimEntropy(Mutex::new(Dice::new(seed, &format!("entropy {number}")))));
        let resets = Arc::new(AtomicBool::new(false));
        let net = SimNet::new(Dice::new(seed, &format!("broker's net {number}")), log.clone());
        let net = net.resetting(Arc::clone(&resets));
        let name = format!("broker{number}");
        Self { name, config, time, log, disk, control, entropy, net, resets }
    }

    /// One life of the broker.
    pub(crate) fn live(&self) -> impl Future<Output = turmoil::Result> + 'static + use<> {
        let env = Env {
            clock: Arc::new(SimClock(self.time.clone())),
            entropy: Arc::clone(&self.entropy) as _,
            disk: self.disk.mount(),
            net: Arc::new(self.net.clone()),
        };
        let (config, log, stopping) = (self.config.clone(), self.log.clone(), self.control.renew());
        let (name, disk) = (self.name.clone(), self.disk.clone());
        async move {
            let klamm = match Klamm::start(config, env).await {
                Ok(klamm) => klamm,
                Err(error) if disk.excuses(&error.to_string()) => {
                    log.note(&name, format_args!("does not start: {error}"));
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            log.note(&name, format_args!("serves"));
            let why = tokio::select! { biased;
                why = klamm.failed() => why,
                () = stopping.notified() => {
                    klamm.stop().await;
                    return Ok(());
                }
            };
            if disk.excuses(&why) {
                log.note(&name, format_args!("ends: {why}"));
                return Ok(());
            }
            Err(why.into())
        }
    }
}
