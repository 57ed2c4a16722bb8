//! Klamm: a Kafka-compatible broker in one binary, and the library to embed it.
//!
//! ```no_run
//! # async fn example() -> Result<(), klamm::StartError> {
//! let config = klamm::Config { listen: "127.0.0.1:0".to_owned(), data: "/tmp/klamm".into(), ..Default::default() };
//! let klamm = klamm::Klamm::start(config, klamm::Env::os()).await?;
//! println!("any Kafka client connects to {}", klamm.address());
//! klamm.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Code map: [`Klamm`] starts and stops a broker, several to a process; `config` is where settings come from; `stores`
//! alone names concrete backends; `service` joins the network to the broker.

pub mod config;
mod node;
mod service;
mod stores;

pub use config::Config;
pub use klamm_env::Env;
pub use node::{Klamm, StartError};
