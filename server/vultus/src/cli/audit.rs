//! `vultus audit …`: reads and verifies the audit log; nodes may be running.

use super::operate::{block_on, load};
use super::outcome::{CommandError, Done, FAILURE};
use super::report;
use crate::app::{AuditAccess, ServeError, record_command};
use crate::config::Config;
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use vultus_core::clock::Clock;
use vultus_maintenance::audit::{export, write_line};
use vultus_store::audit::{AuditAction, AuditFilter, Chain, ChainHead, Facts, Fault, verify};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Verify the chains: fails if an entry was changed, deleted or moved
    Verify(VerifyArguments),
    /// Sign the newest entry of each chain and print the signed heads, to be kept elsewhere
    Head {
        /// Print JSON, with the public key
        #[arg(long)]
        json: bool,
    },
    /// List entries, newest first
    List(ListArguments),
    /// Write a whole chain as JSON Lines, oldest entry first
    Export(ExportArguments),
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// A head that was signed before; may be repeated. Its chain must still contain that entry
    #[arg(long, value_name = "HEAD")]
    head: Vec<String>,
    /// Only this chain: the id of a company, or `installation`
    #[arg(long, value_name = "CHAIN")]
    company: Option<Chain>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only this chain: the id of a company, or `installation`
    #[arg(long, value_name = "CHAIN")]
    company: Option<Chain>,
    /// Only entries by this actor, such as `user:ID` or `command-line`
    #[arg(long)]
    actor: Option<String>,
    /// Only entries with this action, such as `FOLDER_ERASED`; may be repeated
    #[arg(long)]
    action: Vec<AuditAction>,
    /// Only entries on this object, such as `folder:ID`
    #[arg(long)]
    object: Option<String>,
    /// Only entries at or after this time (RFC 3339)
    #[arg(long, value_parser = time)]
    from: Option<OffsetDateTime>,
    /// Only entries before this time (RFC 3339)
    #[arg(long, value_parser = time)]
    before: Option<OffsetDateTime>,
    /// Number of entries
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Print JSON Lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The chain: the id of a company, or `installation`
    #[arg(long, value_name = "CHAIN")]
    company: Chain,
    /// New file to write; absent: standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

fn time(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|error| error.to_string())
}

/// `vultus audit …`.
pub(super) fn run(config: Option<&Path>, command: &AuditCommand) -> Done {
    let config = load(config)?;
    let opening = |error: ServeError| CommandError::because("audit", &error);
    block_on(async {
        let log = AuditAccess::open(&config).await.map_err(opening)?;
        let done = match command {
            AuditCommand::Verify(arguments) => verify_chains(&log, arguments).await,
            AuditCommand::Head { json } => print_heads(&log, *json).await,
            AuditCommand::List(arguments) => list(&log, arguments).await,
            AuditCommand::Export(arguments) => export_chain(&log, arguments).await,
        };
        log.close().await;
        done
    })
}

/// Writes to the audit log that a command has changed something of the installation.
pub(super) fn record_change(
    config: &Config,
    action: AuditAction,
    before: Facts,
    after: Facts,
) -> Result<(), CommandError> {
    let failed = |error: ServeError| {
        CommandError::because("it is done, but the audit log could not be written", &error)
    };
    block_on(async { record_command(config, action, before, after).await.map_err(failed) })
}

async fn verify_chains(log: &AuditAccess, arguments: &VerifyArguments) -> Done {
    let failed = |error: &dyn std::error::Error| CommandError::because("audit verify", error);
    let mut heads: Vec<ChainHead> = Vec::new();
    for text in &arguments.head {
        heads.push(log.key.verify(text).map_err(|error| failed(&error))?.head);
    }
    let mut chains: BTreeSet<Chain> = heads.iter().map(|head| head.chain).collect();
    let mut sound = true;
    let kept = log.store.signed_heads().await.map_err(|error| failed(&error))?;
    for (chain, text) in kept {
        chains.insert(chain);
        match log.key.verify(&text) {
            Ok(signed) if signed.head.chain == chain => heads.push(signed.head),
            Ok(_) => {
                sound = false;
                report::error(&CommandError::new(format!(
                    "{chain}: its signed head was exchanged"
                )));
            }
            Err(error) => {
                sound = false;
                report::error(&CommandError::because(&format!("{chain}: its signed head"), &error));
            }
        }
    }
    let stored = log.store.chain_heads().await.map_err(|error| failed(&error))?;
    chains.extend(stored.iter().map(|head| head.chain));
    if let Some(only) = arguments.company {
        chains.retain(|chain| *chain == only);
    }
    let mut verified = Vec::new();
    for chain in chains {
        let progress = |done| report::progress(format_args!("{chain}: {done} entries"));
        let found = verify(log.store.as_ref(), chain, &heads, progress).await;
        verified.push((chain, found.map_err(|error| failed(&error))?));
    }
    report::progress_done();
    sound &= verified.iter().all(|(_, found)| found.is_ok());
    print_verified(&verified, sound, arguments.json);
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) })
}

fn print_verified(verified: &[(Chain, Result<ChainHead, Fault>)], sound: bool, as_json: bool) {
    let mut printed = Vec::new();
    for (chain, found) in verified {
        match (found, as_json) {
            (Ok(head), true) => printed.push(json!({
                "chain": chain.to_string(),
                "entries": head.number,
                "hash": head.hash.to_string(),
            })),
            (Err(fault), true) => {
                printed.push(json!({"chain": chain.to_string(), "fault": fault.to_string()}));
            }
            (Ok(head), false) => {
                report::line(format_args!("{chain}: {} entries, unchanged", head.number));
            }
            (Err(fault), false) => report::line(format_args!("{chain}: {fault}")),
        }
    }
    if as_json {
        report::json(&json!({"sound": sound, "chains": printed}));
    }
}

async fn print_heads(log: &AuditAccess, as_json: bool) -> Done {
    let failed = |error: &dyn std::error::Error| CommandError::because("audit head", error);
    let mut signed = Vec::new();
    for head in log.store.chain_heads().await.map_err(|error| failed(&error))? {
        let text = log.key.sign(&head, Clock::system().now());
        let kept = log.store.keep_signed_head(head.chain, &text).await;
        kept.map_err(|error| failed(&error))?;
        signed.push(text);
    }
    if as_json {
        report::json(&json!({"publicKey": log.key.public_key(), "heads": signed}));
    } else {
        for text in signed {
            report::line(text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(log: &AuditAccess, arguments: &ListArguments) -> Done {
    let failed = |error: &dyn std::error::Error| CommandError::because("audit list", error);
    let filter = AuditFilter {
        chain: arguments.company,
        actor: arguments.actor.clone(),
        actions: arguments.action.clone(),
        object: arguments.object.clone(),
        from: arguments.from,
        before: arguments.before,
    };
    let listed = log.store.list_audit(&filter, None, arguments.limit).await;
    let (entries, _) = listed.map_err(|error| failed(&error))?;
    if arguments.json {
        let mut lines = Vec::new();
        for entry in &entries {
            write_line(entry, &mut lines).map_err(|error| failed(&error))?;
        }
        report::line(String::from_utf8_lossy(&lines).trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let heading = ["time", "company", "actor", "from", "action", "object", "before", "after"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for entry in entries {
        let at = entry.at.format(&Rfc3339).map_err(|error| failed(&error))?;
        let optional = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        rows.push(vec![
            at,
            entry.chain.to_string(),
            entry.actor,
            optional(entry.origin),
            entry.action,
            optional(entry.object),
            optional(entry.before),
            optional(entry.after),
        ]);
    }
    report::table(&rows);
    Ok(ExitCode::SUCCESS)
}

async fn export_chain(log: &AuditAccess, arguments: &ExportArguments) -> Done {
    let failed = |error: &dyn std::error::Error| CommandError::because("audit export", error);
    let target: Box<dyn Write> = match &arguments.to {
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            Box::new(file.map_err(|error| {
                CommandError::because(&format!("audit export: writing {}", path.display()), &error)
            })?)
        }
        None => Box::new(std::io::stdout()),
    };
    let exported = export(log.store.as_ref(), arguments.company, &mut BufWriter::new(target)).await;
    let written = exported.map_err(|error| failed(&error))?;
    if let Some(path) = &arguments.to {
        report::line(format_args!("{written} entries written to {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}
