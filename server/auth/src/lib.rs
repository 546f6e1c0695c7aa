//! Who is asking, and what they may do.

pub mod backoff;
pub mod keys;
pub mod login_name;
pub mod passwords;
pub mod policy;
pub mod tokens;
