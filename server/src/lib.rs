//! The Vultus node: configuration, use cases, GraphQL and HTTP, and the dispatcher that feeds the
//! worker processes.
//!
//! [`app`] is the one place that wires the rest together.

pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod graphql;
pub mod http;
pub mod keyring;
pub mod service;
pub mod telemetry;
