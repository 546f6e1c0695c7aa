//! `vultus plugin lock`: writes the list of third-party plugins that may be loaded. Each is opened
//! in a separate worker.

use crate::app;
use crate::cli::audit::record_change;
use crate::cli::operate::{block_on, load};
use crate::cli::outcome::{CommandError, Done, FAILURE};
use crate::cli::report;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use vultus_pools::plugins::describe;
use vultus_pools::plugins::lock::Lock;
use vultus_store::audit::{AuditAction, Facts};

/// With `only_check` nothing is written: the exit code says whether the file is up to date.
pub(crate) fn run(config: Option<&Path>, only_check: bool) -> Done {
    let config = load(config)?;
    let failed = |error: &dyn std::error::Error| CommandError::because("plugin lock", error);
    let (pools, scan) = app::unlocked_plugins(&config).map_err(|error| failed(&error))?;
    let folder = pools
        .plugin_folder
        .as_ref()
        .ok_or_else(|| CommandError::new("plugin lock: plugins_dir is not set"))?;
    let before = folder.read_lock().map_err(|error| failed(&error))?;
    let files = scan.pools.into_iter().flat_map(|pool| pool.plugins).collect();
    let described =
        block_on(async { describe(&pools, files).await.map_err(|error| failed(&error)) })?;
    let mut refused: Vec<(String, String)> =
        scan.refused.into_iter().map(|refused| (refused.path, refused.detail)).collect();
    let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
    for (file, manifest) in described {
        let path = file.source.display().to_string();
        match manifest {
            Ok(manifest) => {
                if found
                    .insert((manifest.id.clone(), manifest.version.clone()), file.sha256)
                    .is_some()
                {
                    refused.push((
                        path,
                        format!("another file is also {} {}", manifest.id, manifest.version),
                    ));
                }
            }
            Err(detail) => refused.push((path, detail)),
        }
    }
    let entries = found
        .iter()
        .map(|((id, version), sha256)| (id.as_str(), version.as_str(), sha256.as_str()));
    let lock = before.as_ref().unwrap_or(&Lock::default()).renewed(entries);
    for (path, detail) in &refused {
        report::line(format_args!("refused: {path}: {detail}"));
    }
    for change in lock.changes_since(before.as_ref().unwrap_or(&Lock::default())) {
        report::line(format_args!("{change}"));
    }
    let is_new = before.as_ref() != Some(&lock);
    if is_new && !only_check {
        folder.write_lock(&lock).map_err(|error| failed(&error))?;
        let old = before.as_ref().map(facts).unwrap_or_default();
        record_change(&config, AuditAction::PluginsLocked, old, facts(&lock))?;
    }
    let state = match (is_new, only_check) {
        (true, true) => "is out of date",
        (true, false) => "was written",
        (false, _) => "is up to date",
    };
    report::line(format_args!("{} {state}", folder.lock_path().display()));
    let good = refused.is_empty() && !(is_new && only_check);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) })
}

/// The files that may be loaded, for the audit log.
fn facts(lock: &Lock) -> Facts {
    let (mut plugins, mut sums) = (Vec::new(), Vec::new());
    for (id, plugin) in &lock.plugins {
        for (version, sha256) in &plugin.versions {
            plugins.push(format!("{id}:{version}"));
            sums.push(sha256.as_str());
        }
    }
    Facts::new().codes("plugins", plugins.iter().map(String::as_str)).codes("sha256", sums)
}
