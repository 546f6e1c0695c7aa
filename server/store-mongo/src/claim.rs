//! Claiming runs.

use super::collections::Collections;
use super::documents::{AnalysisDocument, FolderDocument, MediumDocument, RunDocument};
use super::fault::{Answer, Fault, MAX_TIME_EXPIRED, code};
use super::lease::{held, token};
use super::queue_heads::{QueueHeads, View};
use super::results::open;
use super::values::{few, id, nanoseconds, typed};
use futures::TryStreamExt;
use mongodb::bson::{Document, Uuid, deserialize_from_slice, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::ReturnDocument;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::time::{Duration as StdDuration, Instant};
use vultus_core::{Analysis, CompanyId, Folder, Medium};
use vultus_store::{ClaimRequest, ClaimedRun, LeaseToken};

/// Maximum wait for the first run if a transaction of another node holds it: that node may be
/// suspended within the transaction.
const TURN_WAIT: StdDuration = StdDuration::from_secs(1);
/// Maximum wait for each of the other runs.
const NEXT_WAIT: StdDuration = StdDuration::from_millis(50);
/// How many runs of a company are tried after one that is held.
const NEXT: i64 = 32;

/// The outcome of trying to take a run.
enum Taken {
    Run(RunDocument),
    None,
    /// A transaction of another node holds the run.
    Held,
}

/// Leases a waiting run (or one whose lease expired) of the company whose turn it is, and raises
/// its fence, so that all older tokens are stale. It is one atomic update: of several nodes that
/// claim at once, one gets the run. A run that a transaction holds is skipped.
pub(super) async fn take(
    collections: &Collections,
    heads: &QueueHeads,
    request: &ClaimRequest,
) -> Answer<Option<RunDocument>> {
    let claim = Claim { collections, heads, request };
    if let Some(known) = heads.known(&request.pool, request.now)
        && let Some(run) = claim.take_in_turn(&known, NEXT_WAIT).await?
    {
        return Ok(Some(run));
    }
    let found = claim.search().await?;
    claim.take_in_turn(&found, TURN_WAIT).await
}

struct Claim<'a> {
    collections: &'a Collections,
    heads: &'a QueueHeads,
    request: &'a ClaimRequest,
}

impl Claim<'_> {
    /// Runs that can be claimed now.
    fn waiting(&self) -> Document {
        doc! {
            "pool": &self.request.pool,
            "state": { "$in": ["QUEUED", "LEASED"] },
            "ready_at": { "$lte": nanoseconds(self.request.now) },
        }
    }

    /// Searches the companies with runs to claim: one step of the index for each company.
    async fn search(&self) -> Answer<View> {
        #[derive(Deserialize)]
        struct Head {
            member: HeadMember,
            turn_at: i64,
        }
        #[derive(Deserialize)]
        struct HeadMember {
            company_id: Uuid,
        }
        let (generation, begun) = (self.heads.generation(), Instant::now());
        let runs = self.collections.runs.clone_with_type::<Head>();
        let mut filter = self.waiting();
        let mut turns_of_companies = HashMap::new();
        loop {
            let next = runs.find_one(filter.clone()).sort(doc! {
                "member.company_id": 1,
                "turn_at": 1,
                "_id": 1,
            });
            let columns = doc! { "_id": 0, "member.company_id": 1, "turn_at": 1 };
            let Some(head) = next.projection(columns).await? else { break };
            let company = head.member.company_id;
            filter.insert("member.company_id", doc! { "$gt": company });
            turns_of_companies.insert(typed(company), head.turn_at);
        }
        let ClaimRequest { pool, now, .. } = self.request;
        Ok(self.heads.remember(generation, pool, *now, begun.elapsed(), turns_of_companies))
    }

    /// Takes a run of the first company that has one, in the order of their turns.
    async fn take_in_turn(
        &self,
        view: &View,
        first_wait: StdDuration,
    ) -> Answer<Option<RunDocument>> {
        let ClaimRequest { pool, turns, except, .. } = self.request;
        let mut companies: Vec<CompanyId> =
            view.turns.keys().filter(|company| !except.contains(company)).copied().collect();
        turns.sort(pool, &mut companies);
        let (mut wait, mut held) = (first_wait, Vec::new());
        for company in companies {
            let mut filter = self.waiting();
            filter.insert("member.company_id", id(company));
            filter.insert("turn_at", doc! { "$gte": view.turns.get(&company).copied() });
            match self.take_one(filter.clone(), wait).await? {
                Taken::Run(run) => return Ok(Some(self.taken(view, company, run))),
                Taken::None => self.heads.exhausted(view, pool, company),
                Taken::Held => held.push((company, filter)),
            }
            wait = NEXT_WAIT;
        }
        for (company, filter) in held {
            if let Some(run) = self.take_next(filter).await? {
                return Ok(Some(self.taken(view, company, run)));
            }
        }
        Ok(None)
    }

    fn taken(&self, view: &View, company: CompanyId, run: RunDocument) -> RunDocument {
        let ClaimRequest { pool, turns, .. } = self.request;
        turns.claimed(pool, company);
        self.heads.advance(view, pool, company, run.turn_at);
        run
    }

    /// Takes one of the runs behind a run that is held.
    async fn take_next(&self, filter: Document) -> Answer<Option<RunDocument>> {
        let runs = self.collections.runs.clone_with_type::<Document>();
        let next = runs.find(filter).sort(in_turn()).limit(NEXT).projection(doc! { "_id": 1 });
        let next: Vec<Document> = next.await?.try_collect().await?;
        for mut one in next {
            one.extend(self.waiting());
            if let Taken::Run(run) = self.take_one(one, NEXT_WAIT).await? {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    async fn take_one(&self, filter: Document, wait: StdDuration) -> Answer<Taken> {
        let ClaimRequest { node, now, lease, .. } = self.request;
        let lease = doc! {
            "$set": { "state": "LEASED", "node": node, "ready_at": nanoseconds(*now + *lease) },
            "$inc": { "fence": 1_i64 },
        };
        let update =
            self.collections.runs.find_one_and_update(filter, lease).sort(in_turn()).max_time(wait);
        let run = match update.return_document(ReturnDocument::After).await {
            Err(error) if code(&error) == Some(MAX_TIME_EXPIRED) => match written(&error) {
                None => return Ok(Taken::Held),
                Some(run) => match confirm(self.collections, run?).await? {
                    None => return Ok(Taken::Held),
                    Some(run) => run,
                },
            },
            other => other?,
        };
        Ok(run.map_or(Taken::None, Taken::Run))
    }
}

/// The claimed run of a command that timed out after its write and before most members had it;
/// `None` if the command timed out before it wrote.
fn written(error: &Error) -> Option<Answer<Option<RunDocument>>> {
    #[derive(Deserialize)]
    struct Found {
        value: Option<RunDocument>,
    }
    let ErrorKind::Write(WriteFailure::WriteConcernError(_)) = error.kind.as_ref() else {
        return None;
    };
    let found =
        error.server_response().map(|answer| deserialize_from_slice::<Found>(answer.as_bytes()));
    Some(match found {
        Some(found) => found.map(|found| found.value).map_err(Fault::from),
        None => Err(error.clone().into()),
    })
}

/// Waits until most members have a claim. If it were given up instead, no node could claim the run
/// until the lease expires.
async fn confirm(
    collections: &Collections,
    run: Option<RunDocument>,
) -> Answer<Option<Option<RunDocument>>> {
    let Some(run) = run else { return Ok(None) };
    let own = doc! { "_id": run.id, "fence": run.fence, "state": "LEASED", "node": &run.node };
    let again = doc! { "$set": { "ready_at": run.ready_at } };
    let is_own = collections.runs.update_one(own, again).await?.matched_count == 1;
    Ok(is_own.then_some(Some(run)))
}

fn in_turn() -> Document {
    doc! { "turn_at": 1, "_id": 1 }
}

/// A folder with the analyses and media of a run.
#[derive(Deserialize)]
struct Joined {
    folder: FolderDocument,
    analyses: Vec<AnalysisDocument>,
    media: Vec<MediumDocument>,
}

/// The unfinished part of a claimed run; `None` if nothing is left, because its node died between
/// the last result and the release.
pub(super) async fn unfinished(
    collections: &Collections,
    run: RunDocument,
) -> Answer<Option<ClaimedRun>> {
    let joined = |from: &str, on: Document, name: &str| {
        let order = doc! { "$sort": { "member.place": 1 } };
        let pipeline = [doc! { "$match": on }, order, doc! { "$unset": ["metadata", "result"] }];
        doc! { "$lookup": { "from": from, "pipeline": pipeline.to_vec(), "as": name } }
    };
    // One command for three collections: a claim costs the database little more than its write.
    let folder = run.member.folder_id;
    let stages = [
        doc! { "$match": { "_id": folder } },
        joined("analyses", doc! { "run_id": run.id, "state": open() }, "analyses"),
        joined("media", doc! { "member.folder_id": folder }, "media"),
        doc! { "$unset": ["metadata", "metadata_pairs"] },
        doc! { "$project": { "folder": "$$ROOT", "analyses": 1, "media": 1 } },
        doc! { "$unset": ["folder.analyses", "folder.media"] },
    ];
    let mut found = collections.folders.aggregate(stages).with_type::<Joined>().await?;
    // An erased folder is not found.
    let Some(Joined { folder, analyses, media }) = found.try_next().await? else { return Ok(None) };
    if analyses.is_empty() {
        return Ok(None);
    }
    let folder = Folder::from(folder);
    let analyses: Vec<Analysis> = analyses.into_iter().map(Into::into).collect();
    let taken: HashSet<_> =
        analyses.iter().flat_map(|analysis| &analysis.media).map(|taken| taken.media_id).collect();
    let media =
        media.into_iter().map(Medium::from).filter(|medium| taken.contains(&medium.id)).collect();
    Ok(Some(ClaimedRun {
        token: token(&run),
        pool: run.pool,
        company_id: typed(run.member.company_id),
        folder_id: typed(run.member.folder_id),
        folder_key: folder.wrapped_key,
        analyses,
        media,
        one_by_one: run.one_by_one,
        deaths: few(run.deaths),
    }))
}

/// Ends a claimed run that has nothing left to do.
pub(super) async fn end(collections: &Collections, token: LeaseToken) -> Answer<()> {
    collections
        .runs
        .update_one(held(token), doc! { "$set": { "state": "DONE", "node": null } })
        .await?;
    Ok(())
}
