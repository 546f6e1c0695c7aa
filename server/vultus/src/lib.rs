//! The Vultus node: configuration and command line, and the one place that wires all crates.

pub mod app;
pub mod cli;
pub mod config;
pub mod telemetry;
