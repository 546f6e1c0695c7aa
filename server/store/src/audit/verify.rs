//! Reads a chain from the store and verifies it.

use super::chain::{ChainCheck, ChainHead, Fault};
use super::entry::Chain;
use crate::{AuditLog, Result};

/// Entries that are read at a time.
const BATCH: u32 = 5_000;

/// Verifies a chain from its first entry on, also while nodes write to it, and returns its head or
/// the first fault. `expected` are heads that the chain had once; those of other chains are left
/// out. `progress` gets the number of verified entries.
pub async fn verify(
    log: &dyn AuditLog,
    chain: Chain,
    expected: &[ChainHead],
    progress: impl FnMut(u64),
) -> Result<std::result::Result<ChainHead, Fault>> {
    check(log, ChainCheck::new(chain, expected.iter().copied()), progress).await
}

/// Verifies what a chain got after a head that was verified before, and that it still contains the
/// entry of that head.
pub async fn verify_since(
    log: &dyn AuditLog,
    head: ChainHead,
) -> Result<std::result::Result<ChainHead, Fault>> {
    let place = match head.number.checked_sub(1) {
        Some(before) => log.chained(head.chain, before, 1).await?.pop().and_then(|at| at.place),
        None => Some((head.number, head.hash)),
    };
    match place {
        Some((number, hash)) if number == head.number && hash == head.hash => {
            check(log, ChainCheck::after(head), |_| {}).await
        }
        Some((number, _)) if number == head.number => Ok(Err(Fault::Rewritten { number })),
        Some((found, _)) => Ok(Err(Fault::Gap { expected: head.number, found })),
        None => {
            let last = log.chain_head(head.chain).await?.map_or(0, |head| head.number);
            Ok(Err(Fault::CutOff { last, head: head.number }))
        }
    }
}

async fn check(
    log: &dyn AuditLog,
    mut check: ChainCheck,
    mut progress: impl FnMut(u64),
) -> Result<std::result::Result<ChainHead, Fault>> {
    let ChainHead { chain, number: mut after, .. } = check.head();
    loop {
        let entries = log.chained(chain, after, BATCH).await?;
        let Some((last, _)) = entries.last().and_then(|entry| entry.place) else {
            return Ok(check.finish());
        };
        for entry in &entries {
            if let Err(fault) = check.accept(entry) {
                return Ok(Err(fault));
            }
        }
        after = last;
        progress(after);
    }
}
