//! Rules for the name and type of an artifact. The host rejects any other artifact when the plugin
//! passes it, and the node checks again.

/// Allowed types of artifacts: none that a browser would execute.
pub const TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "application/json"];

/// Maximum length of a name, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Whether an artifact may have this name: lower-case letters, digits, `_`, `-` and `.`, not
/// starting with `.`.
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
