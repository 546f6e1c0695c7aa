//! Lists of cases, their numbers, and what was decided. No value of a client can become an
//! operator.

use super::collections::Collections;
use super::documents::ClaimDocument;
use super::fault::Answer;
use super::scope::of_members;
use super::values::{counted, id, nanoseconds, time, typed};
use ::time::OffsetDateTime;
use futures::TryStreamExt;
use mongodb::bson::{Document, Uuid, doc};
use serde::Deserialize;
use vultus_core::Resolution;
use vultus_core::decision::figures::Decided;
use vultus_store::stored::{Name, StoredDecisions};
use vultus_store::{Case, CaseCounts, CaseCursor, CaseFilter, Scope};

/// The fields of an analysis that make it a case.
#[derive(Debug, Deserialize)]
struct CaseDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    waits_since: i64,
    claim: Option<ClaimDocument>,
}

impl From<CaseDocument> for Case {
    fn from(stored: CaseDocument) -> Self {
        Self {
            analysis_id: typed(stored.id),
            waits_since: time(stored.waits_since),
            claim: stored.claim.map(Into::into),
        }
    }
}

pub(super) async fn list_cases(
    collections: &Collections,
    scope: Scope,
    filter: &CaseFilter,
    after: Option<CaseCursor>,
    limit: u32,
) -> Answer<(Vec<Case>, bool)> {
    let mut conditions = waiting(scope, filter);
    if let Some(cursor) = after {
        // The first condition bounds the index, the second breaks ties.
        let since = nanoseconds(cursor.waits_since);
        let tie = doc! { "waits_since": since, "_id": { "$gt": id(cursor.id) } };
        conditions.push(doc! { "waits_since": { "$gte": since } });
        conditions.push(doc! { "$or": [{ "waits_since": { "$gt": since } }, tie] });
    }
    // One more than requested, to know whether more follow.
    let wanted = limit.saturating_add(1);
    let found = collections.analyses.clone_with_type::<CaseDocument>();
    let found = found
        .find(doc! { "$and": conditions })
        .projection(doc! { "waits_since": 1, "claim": 1 })
        .sort(doc! { "waits_since": 1, "_id": 1 })
        .limit(i64::from(wanted))
        .batch_size(wanted);
    let mut cases: Vec<Case> = found.await?.map_ok(Case::from).try_collect().await?;
    let more = cases.len() > limit as usize;
    cases.truncate(limit as usize);
    Ok((cases, more))
}

#[derive(Debug, Deserialize)]
struct CountsDocument {
    waiting: i64,
    claimed: i64,
    oldest: Option<i64>,
    newest: Option<i64>,
    next_end: Option<i64>,
    last_end: Option<i64>,
}

pub(super) async fn count_cases(
    collections: &Collections,
    scope: Scope,
    filter: &CaseFilter,
    now: OffsetDateTime,
) -> Answer<CaseCounts> {
    let is_claimed = doc! { "$gt": ["$claim.until", nanoseconds(now)] };
    let ends = doc! {
        "waits_since": 1,
        "end": { "$cond": [is_claimed, "$claim.until", null] },
    };
    let sums = doc! {
        "_id": null,
        "waiting": { "$sum": 1_i64 },
        "claimed": { "$sum": { "$cond": [{ "$gt": ["$end", null] }, 1_i64, 0_i64] } },
        "oldest": { "$min": "$waits_since" },
        "newest": { "$max": "$waits_since" },
        "next_end": { "$min": "$end" },
        "last_end": { "$max": "$end" },
    };
    let stages = vec![
        doc! { "$match": { "$and": waiting(scope, filter) } },
        doc! { "$project": ends },
        doc! { "$group": sums },
    ];
    let mut found = collections.analyses.aggregate(stages).with_type::<CountsDocument>().await?;
    let Some(counts) = found.try_next().await? else { return Ok(CaseCounts::default()) };
    Ok(CaseCounts {
        waiting: counted(counts.waiting),
        claimed: counted(counts.claimed),
        oldest: counts.oldest.map(time),
        newest: counts.newest.map(time),
        next_end: counts.next_end.map(time),
        last_end: counts.last_end.map(time),
    })
}

#[derive(Debug, Deserialize)]
struct DecidedDocument {
    resolution: Option<Name<Resolution>>,
    decisions: Option<StoredDecisions>,
}

pub(super) async fn decided_since(
    collections: &Collections,
    scope: Scope,
    since: OffsetDateTime,
    limit: u32,
) -> Answer<Vec<Decided>> {
    let recent = doc! { "decided_at": { "$gte": nanoseconds(since) } };
    let found = collections.analyses.clone_with_type::<DecidedDocument>();
    let found = found
        .find(doc! { "$and": [of_members(scope), recent] })
        .projection(doc! { "resolution": 1, "decisions": 1 })
        .limit(i64::from(limit));
    let decided = |stored: DecidedDocument| Decided {
        system_resolution: stored.resolution.map(|resolution| resolution.0),
        decisions: stored.decisions.map(Into::into).unwrap_or_default(),
    };
    Ok(found.await?.map_ok(decided).try_collect().await?)
}

/// The conditions of cases that wait, with the terms of the partial indexes.
fn waiting(scope: Scope, filter: &CaseFilter) -> Vec<Document> {
    let mut conditions = vec![doc! { "waits_since": { "$exists": true } }, of_members(scope)];
    conditions.extend(filter.company_id.map(|company| doc! { "member.company_id": id(company) }));
    conditions.extend(filter.kind.as_ref().map(|kind| doc! { "kind": kind }));
    conditions.extend(filter.reason_code.as_ref().map(|code| doc! { "reasons.code": code }));
    conditions.extend(
        filter.waits_before.map(|before| doc! { "waits_since": { "$lt": nanoseconds(before) } }),
    );
    if let Some((person, now)) = filter.free_for {
        let free = doc! { "$or": [
            { "claim": { "$exists": false } },
            { "claim.until": { "$lte": nanoseconds(now) } },
        ] };
        let undecided = doc! { "decisions.taken.by": { "$ne": person.to_string() } };
        let not_own = doc! { "member.owner_id": { "$ne": id(person) } };
        conditions.extend([free, undecided, not_own]);
    }
    conditions
}
