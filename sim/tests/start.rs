//! A disk that fails to sync while a broker starts ends the start, whichever sync it is.

use std::{sync::Arc, time::Duration};

use klamm::{Config, Env, Klamm};
use klamm_env::{OsClock, OsEntropy, OsNet};
use klamm_sim::{Dice, Log, Time, disk::SimDisk};

#[tokio::test(start_paused = true)]
async fn a_start_on_a_disk_that_fails_to_sync_ends() {
    let mut failed = 0;
    for after in 0..8 {
        let disk = SimDisk::new("disk", Dice::new(after, "disk"), Log::new(Time::default()));
        let mount = disk.mount();
        disk.fail_sync(after);
        let env = Env {
            clock: Arc::new(OsClock::new()),
            entropy: Arc::new(OsEntropy),
            disk: mount,
            net: Arc::new(OsNet),
        };
        let config = Config { listen: "127.0.0.1:0".to_owned(), data: "/data".into(), ..Config::default() };
        let started = tokio::time::timeout(Duration::from_secs(600), Klamm::start(config, env)).await;
        match started.expect("it does not hang") {
            Ok(klamm) => klamm.stop().await,
            Err(error) => {
                assert!(error.to_string().contains("the simulated device failed"), "{error}");
                failed += 1;
            }
        }
    }
    assert!(failed > 1, "some syncs belong to a start: {failed}");
}
