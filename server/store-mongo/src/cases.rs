//! Cases: analyses that wait for the decision of a person, or have one. Their state is in the
//! documents of the analyses; the rules are those of [`vultus_core::decision`].

use super::documents::{AnalysisDocument, ClaimDocument};
use super::fault::Answer;
use super::folder_update::touch;
use super::policies;
use super::projection;
use super::scope::{of_members, with};
use super::transaction::Transaction;
use super::values::{count, id, nanoseconds, typed};
use ::time::OffsetDateTime;
use mongodb::bson::{Document, doc, serialize_to_bson};
use vultus_core::{
    Analysis, AnalysisId, Claim, DecisionTerms, NewDecision, Released, UndoDecision,
};
use vultus_store::stored::StoredDecisions;
use vultus_store::{Case, JsonSelection, Scope, StoreError};

/// Adds a decision.
pub(super) async fn decide(
    transaction: &mut Transaction<'_>,
    scope: Scope,
    analysis: AnalysisId,
    new: &NewDecision,
) -> Answer<Analysis> {
    let document = one(transaction, scope, analysis).await?;
    let member = document.member;
    let claim = document.claim.map(Into::into);
    let mut analysis = Analysis::from(document);
    let policy = policies::newest(transaction, typed(member.company_id)).await?;
    let rule = policy.decision_rule(&analysis.kind);
    let terms = DecisionTerms { rule, owner: typed(member.owner_id), claim };
    analysis.decide(new, &terms).map_err(StoreError::from)?;
    // The decision ends the claim.
    let end_claim = doc! { "claim": "" };
    write(transaction, analysis, end_claim, new.decision.at).await
}

/// Takes a decision back.
pub(super) async fn undo_decision(
    transaction: &mut Transaction<'_>,
    scope: Scope,
    analysis: AnalysisId,
    undo: &UndoDecision,
) -> Answer<Analysis> {
    let mut analysis = Analysis::from(one(transaction, scope, analysis).await?);
    analysis.undo_decision(undo).map_err(StoreError::from)?;
    write(transaction, analysis, Document::new(), undo.now).await
}

/// Claims a case, or renews a claim. Concurrent claims write the same document, so that all but one
/// of them begin again.
pub(super) async fn claim_case(
    transaction: &mut Transaction<'_>,
    scope: Scope,
    analysis: AnalysisId,
    wanted: Claim,
) -> Answer<Case> {
    let document = one(transaction, scope, analysis).await?;
    let present = document.claim.map(Into::into);
    let waits_since = Analysis::from(document).open_for(wanted.by).map_err(StoreError::from)?;
    let claim = Claim::claimed(present, wanted).map_err(StoreError::from)?;
    let stored = serialize_to_bson(&ClaimDocument::from(claim))?;
    let update = doc! { "$set": { "claim": stored } };
    update_one(transaction, analysis, update).await?;
    Ok(Case { analysis_id: analysis, waits_since, claim: Some(claim) })
}

/// Ends the claim of a case.
pub(super) async fn release_case(
    transaction: &mut Transaction<'_>,
    scope: Scope,
    analysis: AnalysisId,
    whose: Released,
) -> Answer<Case> {
    let document = one(transaction, scope, analysis).await?;
    let present = document.claim.map(Into::into);
    let waits_since = Analysis::from(document).release(present, whose).map_err(StoreError::from)?;
    update_one(transaction, analysis, doc! { "$unset": { "claim": "" } }).await?;
    Ok(Case { analysis_id: analysis, waits_since, claim: None })
}

async fn update_one(
    transaction: &mut Transaction<'_>,
    analysis: AnalysisId,
    update: Document,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    collections.analyses.update_one(doc! { "_id": id(analysis) }, update).session(session).await?;
    Ok(())
}

async fn one(
    transaction: &mut Transaction<'_>,
    scope: Scope,
    analysis: AnalysisId,
) -> Answer<AnalysisDocument> {
    let Transaction { session, collections, .. } = transaction;
    let this = with(doc! { "_id": id(analysis) }, of_members(scope));
    let found = collections.analyses.find_one(this);
    let found = found.projection(projection::analyses(JsonSelection::NONE)).session(session);
    Ok(found.await?.ok_or(StoreError::NotFound("analysis"))?)
}

/// Writes the decisions and the revision of an analysis, and removes further fields.
async fn write(
    transaction: &mut Transaction<'_>,
    analysis: Analysis,
    removed: Document,
    now: OffsetDateTime,
) -> Answer<Analysis> {
    let mut update = fields(&analysis)?;
    update.set.insert("revision", count(analysis.revision));
    update.unset.extend(removed);
    update_one(transaction, analysis.id, update.into_document()).await?;
    touch(transaction, id(analysis.folder_id), 0, Some(now)).await?;
    Ok(analysis)
}

/// An update of an analysis.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) set: Document,
    unset: Document,
}

impl Fields {
    pub(super) fn into_document(self) -> Document {
        let mut update = doc! { "$set": self.set };
        if !self.unset.is_empty() {
            update.insert("$unset", self.unset);
        }
        update
    }
}

/// The update of the fields that make an analysis a case. A field without a value is absent, so
/// that the partial indexes omit it.
pub(super) fn fields(analysis: &Analysis) -> Answer<Fields> {
    let decisions = StoredDecisions::of(&analysis.decisions);
    let decisions = decisions.map(|stored| serialize_to_bson(&stored)).transpose()?;
    let decided_at = analysis.decisions.taken.iter().map(|decision| decision.at).max();
    let mut fields = Fields::default();
    for (name, value) in [
        ("waits_since", analysis.waits_since().map(|since| nanoseconds(since).into())),
        ("decided_at", decided_at.map(|at| nanoseconds(at).into())),
        ("decisions", decisions),
    ] {
        match value {
            Some(value) => drop(fields.set.insert(name, value)),
            None => drop(fields.unset.insert(name, "")),
        }
    }
    Ok(fields)
}
