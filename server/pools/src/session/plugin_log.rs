//! Log lines of plugins.

/// Writes a plugin's line to the log of the node.
pub(crate) fn log(plugin: &str, level: u32, text: &str) {
    match level {
        0 => tracing::error!(plugin, ?text, "plugin"),
        1 => tracing::warn!(plugin, ?text, "plugin"),
        2 => tracing::info!(plugin, ?text, "plugin"),
        _ => tracing::debug!(plugin, ?text, "plugin"),
    }
}
