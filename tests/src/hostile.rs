//! Compiles one plugin for each fault of `analyzers/faulty`, so that a node can load all of them.

use crate::plugins::compiled;
use std::path::{Path, PathBuf};

/// Fault of a plugin, and the failure code that the analysis must get.
pub const FAULTS: [(&str, &str); 21] = [
    ("abort", "ANALYZER_CRASHED"),
    ("segfault", "ANALYZER_CRASHED"),
    ("stack_overflow", "ANALYZER_CRASHED"),
    ("exit", "ANALYZER_CRASHED"),
    ("leak", "ANALYZER_CRASHED"),
    ("loop", "DEADLINE_EXCEEDED"),
    ("sleep", "DEADLINE_EXCEEDED"),
    ("blocks_signals", "DEADLINE_EXCEEDED"),
    ("progress_flood", "DEADLINE_EXCEEDED"),
    ("log_flood", "DEADLINE_EXCEEDED"),
    ("huge", "ANALYZER_FAILED"),
    ("many_values", "BAD_RESULT"),
    ("not_utf8", "BAD_RESULT"),
    ("not_json", "BAD_RESULT"),
    ("bad_schema", "BAD_RESULT"),
    ("nan", "BAD_RESULT"),
    ("socket", "ANALYZER_FAILED"),
    ("read_passwd", "ANALYZER_FAILED"),
    ("write_outside", "ANALYZER_FAILED"),
    ("fork", "ANALYZER_FAILED"),
    ("anonymous_files", "ANALYZER_FAILED"),
];

/// Analysis type of the plugin with this fault. Its plugin id is `org.vultus.` and the type.
pub fn kind(mode: &str) -> String {
    format!("f{}", mode.replace('_', ""))
}

/// Compiles a plugin for each fault.
pub fn plugins(folder: &Path) -> Vec<PathBuf> {
    let plugin = |(mode, _): &(&str, &str)| {
        let kind = kind(mode);
        compiled(
            folder,
            "faulty/faulty.c",
            &format!("lib{kind}.so"),
            &[&format!("-DFAULTY={kind}")],
        )
    };
    FAULTS.iter().map(plugin).collect()
}
