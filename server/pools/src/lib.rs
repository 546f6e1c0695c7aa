//! Worker processes: pools of them, the sessions with each, the plugins that they load, and what
//! the node accepts as a verdict. Knows no store and no use case.

mod analyzer;
pub mod blame;
mod breaker;
mod costs;
pub mod deployment;
pub mod direct;
mod frames;
mod inbound;
mod plan;
pub mod plugins;
mod pool;
mod process;
pub mod run;
mod running;
mod session;
mod statistics;
pub mod verdict;
pub mod worker_pools;
mod worker_seat;

pub use analyzer::Analyzer;
pub use costs::TotalCosts;
pub use direct::run_direct;
pub use frames::{ProbedFrame, ProbedFrames};
pub use inbound::Probed;
pub use run::{Condition, LoadedPlugin, PoolHealth, PoolName, ProbeError, RunCancel};
pub use running::{Registration, RunningRuns};
pub use statistics::AnalysisStatistics;
pub use worker_pools::WorkerPools;
