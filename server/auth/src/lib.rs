//! Authentication and authorization: the policy table, tokens, passwords, keys.

pub mod audit_heads;
pub mod brakes;
pub mod challenges;
pub mod foreign_tokens;
mod hashing;
mod jwt_crypto;
pub mod keys;
pub mod login_name;
pub mod passwords;
pub mod policy;
pub mod refresh_tokens;
pub mod secret_tokens;
pub mod signing_keys;
mod strength;
pub mod tokens;
