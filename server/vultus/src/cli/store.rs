//! `vultus store …`: commands on all data of an installation.

use super::operate::{block_on, load};
use super::outcome::{CommandError, Done, FAILURE};
use super::report;
use crate::app::operations::{self, Installation};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vultus_maintenance::archive::{backup, restore};
use vultus_maintenance::copy::{Blobs, Place, copy};
use vultus_maintenance::rekey::rekey;
use vultus_maintenance::totals::Totals;
use vultus_maintenance::verify::{Finding, verify};

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Migrate the schema to the newest version, and encrypt media that an older version left
    /// unencrypted
    Migrate(MigrateArguments),
    /// Read all stored data and report what is missing or damaged; nodes may be running
    Verify(VerifyArguments),
    /// Write a backup into an empty or new folder; nodes may be running
    Backup(BackupArguments),
    /// Restore a backup into an empty store
    Restore(RestoreArguments),
    /// Copy everything into another, empty store; no node may be running on either
    Copy(CopyArguments),
    /// Replace the configured master key by another one; nodes may be running
    Rekey(RekeyArguments),
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// Folder of the backup
    target: PathBuf,
    /// Include the master key in the backup (master.key): any holder of the backup can then read
    /// everything
    #[arg(long)]
    with_master_key: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// Folder of the backup
    source: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    /// Configuration file of the installation to fill: its store, its storage of files, its data
    /// folder
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RekeyArguments {
    /// File with the new key; created if it does not exist
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// `vultus store …`.
pub(super) fn run(config: Option<&Path>, command: &StoreCommand) -> Done {
    match command {
        StoreCommand::Migrate(arguments) => migrate(config, arguments),
        StoreCommand::Verify(arguments) => verify_all(config, arguments.json),
        StoreCommand::Backup(arguments) => back_up(config, arguments),
        StoreCommand::Restore(arguments) => fill(config, &arguments.source),
        StoreCommand::Copy(arguments) => copy_all(config, &arguments.to),
        StoreCommand::Rekey(arguments) => change_key(config, &arguments.to),
    }
}

fn migrate(config: Option<&Path>, arguments: &MigrateArguments) -> Done {
    let config = load(config)?;
    let failed = |error: &dyn std::error::Error| CommandError::because("store migrate", error);
    block_on(async {
        let pending = operations::pending(&config).await.map_err(|error| failed(&error))?;
        let (schema, plain) = (pending.schema, pending.plain_folders);
        if arguments.dry_run {
            if arguments.json {
                report::json(&json!({
                    "schema": schema.version,
                    "newestSchema": schema.newest,
                    "plainFolders": plain,
                }));
            } else {
                report::line(format_args!(
                    "schema {} of {}; folders with unencrypted media: {plain}",
                    schema.version, schema.newest
                ));
            }
            return Ok(ExitCode::SUCCESS);
        }
        let progress = |done: vultus_maintenance::encrypt::Encrypted| {
            report::progress(format_args!("{} of {plain} folders", done.folders));
        };
        let done = operations::migrate(&config, progress).await.map_err(|error| failed(&error))?;
        report::progress_done();
        if arguments.json {
            let done =
                json!({"folders": done.folders, "blobs": done.blobs, "missing": done.missing});
            report::json(&json!({"schema": schema.newest, "encrypted": done}));
        } else {
            report::line(format_args!("schema {} of {}", schema.newest, schema.newest));
            report::line(format_args!(
                "encrypted: {} files of {} folders",
                done.blobs, done.folders
            ));
            if done.missing > 0 {
                report::line(format_args!(
                    "files that were missing before: {}; `vultus store verify` names them",
                    done.missing
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn verify_all(config: Option<&Path>, as_json: bool) -> Done {
    let config = load(config)?;
    let failed = |error: &dyn std::error::Error| CommandError::because("store verify", error);
    block_on(async {
        let data = Installation::open(&config).await.map_err(|error| failed(&error))?;
        let verified = verify(data.store.as_ref(), &data.blobs, &data.master, |so_far| {
            report::progress(format_args!("{} folders, {} files", so_far.folders, so_far.blobs));
        })
        .await;
        report::progress_done();
        data.close().await;
        let found = verified.map_err(|error| failed(&error))?;
        if as_json {
            let findings: Vec<_> = found.findings.iter().map(finding_json).collect();
            report::json(&json!({
                "sound": found.is_sound(),
                "folders": found.folders,
                "files": found.blobs,
                "bytes": found.bytes,
                "findings": findings,
                "orphans": found.orphans,
            }));
        } else {
            for finding in &found.findings {
                report::line(format_args!(
                    "folder {}: {}: {}",
                    finding.folder,
                    finding.what,
                    finding.problem.name()
                ));
            }
            for orphan in &found.orphans {
                report::line(format_args!("orphan: {orphan}"));
            }
            let (folders, files, bytes) = (found.folders, found.blobs, found.bytes);
            report::line(format_args!(
                "{folders} folders; {files} files with {bytes} bytes are whole"
            ));
            report::line(format_args!(
                "faults: {}; orphans: {}",
                found.findings.len(),
                found.orphans.len()
            ));
        }
        Ok(if found.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) })
    })
}

fn finding_json(finding: &Finding) -> serde_json::Value {
    json!({
        "folder": finding.folder,
        "what": finding.what,
        "blob": finding.blob_key,
        "problem": finding.problem.name(),
    })
}

fn change_key(config: Option<&Path>, to: &Path) -> Done {
    let config = load(config)?;
    let failed = |error: &dyn std::error::Error| CommandError::because("store rekey", error);
    block_on(async {
        let data = Installation::open(&config).await.map_err(|error| failed(&error))?;
        let new = operations::key_file(to).map_err(|error| failed(&error))?;
        let wrapped = rekey(data.store.as_ref(), &data.master, &new).await;
        let recorded = match &wrapped {
            Ok(companies) => data.record_rekey(*companies).await,
            Err(_) => Ok(()),
        };
        data.close().await;
        let wrapped = wrapped.map_err(|error| failed(&error))?;
        recorded.map_err(|error| failed(&error))?;
        report::line(format_args!("companies whose keys were wrapped again: {wrapped}"));
        report::line(format_args!(
            "now set blobs.master_key_file to {} on every node, before its next start",
            to.display()
        ));
        Ok(ExitCode::SUCCESS)
    })
}

fn show(totals: &Totals) {
    for (what, count) in &totals.records {
        report::line(format_args!("{what}: {count}"));
    }
    report::line(format_args!("files: {} with {} bytes", totals.blobs, totals.blob_bytes));
    report::line(format_args!("sha256 of the records: {}", totals.records_sha256));
}

fn show_progress(so_far: &Totals) {
    let folders = so_far.records.get("folders").copied().unwrap_or_default();
    report::progress(format_args!("{folders} folders, {} files", so_far.blobs));
}

fn back_up(config: Option<&Path>, arguments: &BackupArguments) -> Done {
    let config = load(config)?;
    let failed = |error: &dyn std::error::Error| CommandError::because("store backup", error);
    block_on(async {
        let data = Installation::open(&config).await.map_err(|error| failed(&error))?;
        let totals =
            backup(data.store.as_ref(), &data.blobs, &arguments.target, show_progress).await;
        report::progress_done();
        data.close().await;
        show(&totals.map_err(|error| failed(&error))?);
        if arguments.with_master_key {
            operations::copy_master_key(&config, &arguments.target.join("master.key"))
                .map_err(|error| failed(&error))?;
            report::line(
                "the master key is in the backup: any holder of the backup can read all media",
            );
        } else {
            report::line(
                "the master key is not in the backup: without it the media cannot be read",
            );
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn fill(config: Option<&Path>, source: &Path) -> Done {
    let config = load(config)?;
    let failed = |error: &dyn std::error::Error| CommandError::because("store restore", error);
    block_on(async {
        let data = Installation::open_to_fill(&config).await.map_err(|error| failed(&error))?;
        let totals = restore(data.store.as_ref(), &data.blobs, source, show_progress).await;
        report::progress_done();
        data.close().await;
        show(&totals.map_err(|error| failed(&error))?);
        report::line(
            "restored; `vultus store verify` reads all of it with the configured master key",
        );
        Ok(ExitCode::SUCCESS)
    })
}

fn copy_all(config: Option<&Path>, to: &Path) -> Done {
    let (config, target) = (load(config)?, load(Some(to))?);
    let failed = |error: &dyn std::error::Error| CommandError::because("store copy", error);
    block_on(async {
        let (from, to) =
            Installation::open_to_copy(&config, &target).await.map_err(|error| failed(&error))?;
        let blobs = operations::blobs_to_copy(&config, &target);
        let places = (
            Place { store: from.store.as_ref(), blobs: &from.blobs },
            Place { store: to.store.as_ref(), blobs: &to.blobs },
        );
        let totals = copy(places.0, places.1, blobs, show_progress).await;
        report::progress_done();
        from.close().await;
        to.close().await;
        show(&totals.map_err(|error| failed(&error))?);
        if blobs == Blobs::Share {
            report::line(
                "files are left where they are: both configurations name the same storage",
            );
        }
        report::line(
            "copied and compared: records and files. The secret keys are not copied: the nodes \
             need the same keys as before",
        );
        Ok(ExitCode::SUCCESS)
    })
}
