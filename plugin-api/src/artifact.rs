//! What an artifact may be called and what it may be. The host refuses anything else when it is
//! handed over, and the node checks again.

/// Types of artifacts: nothing that a browser would run.
pub const TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "application/json"];

/// Longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Whether an artifact may have this name: lower-case letters, digits, `_`, `-` and `.`, not
/// beginning with `.`.
///
/// ```
/// assert!(vultus_plugin_api::artifact::is_name("best_shot"));
/// assert!(!vultus_plugin_api::artifact::is_name("../escape"));
/// ```
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b))
}
