//! The layering inside the server crate: which module may name what. Cargo enforces it between
//! crates; this does within one.

use std::fs;
use std::path::{Path, PathBuf};

/// Folder or file under `src`, and what its code must not name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "service",
        &[
            "axum",
            "async_graphql",
            "rusqlite",
            "mongodb::",
            "object_store",
            "vultus_store_sqlite",
            "crate::graphql",
            "crate::http",
            "crate::app",
        ],
    ),
    (
        "auth",
        &[
            "axum",
            "async_graphql",
            "rusqlite",
            "mongodb::",
            "vultus_store_sqlite",
            "crate::service",
            "crate::graphql",
            "crate::http",
            "crate::dispatch",
        ],
    ),
    (
        "graphql",
        &[
            "rusqlite",
            "mongodb::",
            "vultus_store_sqlite",
            "vultus_store_mongo",
            "vultus_blobs",
            "vultus_worker_protocol",
            "crate::dispatch",
            "crate::app",
        ],
    ),
    (
        "http",
        &[
            "rusqlite",
            "mongodb::",
            "vultus_store",
            "vultus_worker_protocol",
            "crate::dispatch",
            "crate::app",
        ],
    ),
    (
        "dispatch",
        &[
            "axum",
            "async_graphql",
            "rusqlite",
            "mongodb::",
            "vultus_store_sqlite",
            "crate::service",
            "crate::graphql",
            "crate::http",
            "crate::auth",
        ],
    ),
    (
        "config",
        &[
            "axum",
            "async_graphql",
            "rusqlite",
            "mongodb::",
            "vultus_store",
            "crate::dispatch",
            "crate::service",
        ],
    ),
    ("", &["vultus_media", "vultus_plugin_host", "ffmpeg_next", "libloading"]),
];

/// What only one place may do, and where.
const SINGLE_PLACES: &[(&str, &str)] = &[
    ("Command::new(", "dispatch/process.rs"),
    ("env::vars_os(", "config/sources.rs"),
    ("env::var(", "config/sources.rs"),
    ("OffsetDateTime::now_utc(", "clock.rs"),
];

#[test]
fn modules_name_only_what_their_layer_may() {
    let mut wrong = Vec::new();
    for (path, code) in sources() {
        for (layer, names) in FORBIDDEN {
            if !path.starts_with(layer) && path != Path::new(&format!("{layer}.rs")) {
                continue;
            }
            for name in *names {
                if code.lines().any(|line| uses(line, name)) {
                    wrong.push(format!("{} names {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn processes_environment_and_clock_are_touched_in_one_place_each() {
    let mut wrong = Vec::new();
    for (path, code) in sources() {
        for (call, place) in SINGLE_PLACES {
            if path != Path::new(place)
                && !path.starts_with("cli")
                && code.lines().any(|line| is_code(line) && line.contains(call))
            {
                wrong.push(format!("{} calls {call}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_rules_find_what_they_look_for() {
    assert!(uses("use axum::Router;", "axum"));
    assert!(uses("    let x: vultus_store_sqlite::Options = y;", "vultus_store_sqlite"));
    assert!(!uses("// axum is for the edge", "axum"));
    assert!(!uses("use taxum::x;", "axum"));
    let paths: Vec<PathBuf> = sources().into_iter().map(|(path, _)| path).collect();
    for (_, place) in SINGLE_PLACES {
        assert!(paths.iter().any(|path| path == Path::new(place)), "{place} is gone");
    }
    for (layer, _) in FORBIDDEN {
        assert!(paths.iter().any(|path| path.starts_with(layer)), "{layer} is gone");
    }
}

/// Whether a line of code names the path `name`.
fn uses(line: &str, name: &str) -> bool {
    let path_before = |at: usize| {
        line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    };
    let goes_on = |at: usize| {
        line[at + name.len()..].chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    is_code(line)
        && line.match_indices(name).any(|(at, _)| {
            !path_before(at) && !goes_on(at) && line[at + name.len()..].starts_with([':', ';', ' '])
        })
}

fn is_code(line: &str) -> bool {
    !line.trim_start().starts_with("//")
}

/// All files under `src` with their code, without the tests at the end.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            let text = fs::read_to_string(&path).expect("a source can be read");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            files.push((
                path.strip_prefix(root).expect("it was found under the root").to_owned(),
                code,
            ));
        }
    }
}
