//! Reads processes from /proc, and waits for conditions.

use std::time::{Duration, Instant};

/// Maximum time that a test waits for a condition.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Pause between two probes of a condition.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// Probes until `probe` returns a value. Panics with `what` after [`DEADLINE`].
pub async fn wait_until<T, F>(what: &str, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    let mut tick = tokio::time::interval(PROBE_INTERVAL);
    loop {
        tick.tick().await;
        if let Some(value) = probe().await {
            return value;
        }
        assert!(begun.elapsed() < DEADLINE, "waited {DEADLINE:?} for: {what}");
    }
}

/// As [`wait_until`], but outside an async runtime; returns `None` after `limit`.
pub(crate) fn poll<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if begun.elapsed() > limit {
            return None;
        }
        std::thread::park_timeout(PROBE_INTERVAL);
    }
}

/// All descendants of a process, with their command lines.
pub fn children_of(pid: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return found };
    for task in tasks.flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|text| text.parse::<u32>().ok()) {
            let line = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            found
                .push((child, String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned()));
            found.extend(children_of(child));
        }
    }
    found
}

/// Files that a process has mapped: its executable and its libraries.
pub fn mapped_files(pid: u32) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let mut files: Vec<String> = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .filter(|f| f.starts_with('/'))
        .map(str::to_owned)
        .collect();
    files.sort();
    files.dedup();
    files
}

/// Whether a process exists and is not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| !rest.starts_with('Z') && !rest.starts_with('X'))
    })
}
