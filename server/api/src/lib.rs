//! The edge: GraphQL and HTTP. It only translates; every rule is a use case's.

pub mod graphql;
pub mod http;
