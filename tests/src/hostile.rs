//! Every fault of `analyzers/faulty` as a plugin of its own, so that they can be loaded side by
//! side.

use crate::plugins::compiled;
use std::path::{Path, PathBuf};

/// What a plugin does, and the code of the failure that this must end in.
pub const FAULTS: [(&str, &str); 19] = [
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
    ("not_utf8", "BAD_RESULT"),
    ("not_json", "BAD_RESULT"),
    ("bad_schema", "BAD_RESULT"),
    ("nan", "BAD_RESULT"),
    ("socket", "ANALYZER_FAILED"),
    ("read_passwd", "ANALYZER_FAILED"),
    ("write_outside", "ANALYZER_FAILED"),
    ("fork", "ANALYZER_FAILED"),
];

/// The analysis type of the plugin that does this; its id is `org.vultus.` and the same.
pub fn kind(mode: &str) -> String {
    format!("f{}", mode.replace('_', ""))
}

/// A plugin for each fault.
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
