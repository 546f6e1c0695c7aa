//! Worker processes: pools of them, the sessions with each, the plugins that they load, and the
//! verdicts that the node accepts from them. Knows no store and no use case.

mod analyzer;
pub mod blame;
mod breaker;
mod busy;
mod costs;
pub mod deployment;
pub mod direct;
mod frames;
mod free_worker;
mod inbound;
mod lane;
mod loaded_plugin;
mod outcome;
mod plan;
mod plugin_key;
pub mod plugins;
mod pool;
mod pool_set;
mod probing;
mod process;
mod reported_plugins;
pub mod run;
mod running;
mod session;
mod statistics;
mod turnstile;
pub mod verdict;
pub mod worker_pools;
mod worker_seat;

pub use analyzer::Analyzer;
pub use costs::TotalCosts;
pub use direct::run_direct;
pub use frames::{ProbedFrame, ProbedFrames};
pub use free_worker::FreeWorker;
pub use inbound::Probed;
pub use loaded_plugin::{Condition, LoadedPlugin};
pub use plugin_key::plugin_key;
pub use run::{PoolHealth, PoolName, ProbeError, RunCancel};
pub use running::{Registration, RunningRuns};
pub use statistics::AnalysisStatistics;
pub use worker_pools::WorkerPools;
