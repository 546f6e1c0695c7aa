//! The edge: GraphQL and HTTP. It translates requests into use cases, which contain all rules.

pub mod graphql;
pub mod http;
mod memory;
pub mod problem;
