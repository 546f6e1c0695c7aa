//! Runs from the queue to the workers and back: claiming, supervising worker processes, applying
//! results.

mod analyzer;
pub mod apply;
pub mod blame;
mod breaker;
pub mod claims;
pub mod deployment;
pub mod direct;
mod figures;
mod frames;
mod inbound;
mod plan;
mod pool;
mod process;
pub mod run;
mod run_failure;
mod run_task;
mod running;
mod session;
mod slot;
pub mod supervisor;
pub mod third_party;
mod totals;
mod unserved;

pub use analyzer::Analyzer;
pub use claims::{Dispatcher, DispatcherParts};
pub use direct::run_direct;
pub use figures::Figures;
pub use frames::{ProbedFrame, ProbedFrames};
pub use inbound::Probed;
pub use run::{Condition, LoadedPlugin, PoolHealth, PoolName, ProbeError, RunCancel};
pub use running::RunningRuns;
pub use supervisor::WorkerPools;
pub use totals::RunTotals;
