//! The root of subscriptions: the current state first, then each newer one. A slow client misses
//! intermediate states, never the newest.

use async_graphql::{Context, ID, Result, Subscription};
use futures::{Stream, StreamExt};
use vultus_core::{AnalysisId, FolderId};

use super::case::{CaseFilter, CaseQueue};
use super::context::{caller, request};
use super::folder::Folder;
use super::scalars::parse_id;
use super::typed_analyses::{self, Analysis};

/// The root of subscriptions.
pub struct Subscription;

/// Subscriptions.
#[Subscription]
impl Subscription {
    /// An analysis: its current state, then each newer one; completes when it is final.
    async fn analysis(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Analysis>> + use<>> {
        let (services, principal) = caller(ctx)?;
        let id: AnalysisId = parse_id(&id, "analysis", "id")?;
        let (count, next) = (request(ctx)?.count().clone(), request(ctx)?.next_answer());
        let states = services.watch_analysis(&principal, id, next);
        Ok(states.inspect(move |_| count.reset()).map(|found| match found {
            Ok((analysis, artifacts)) => Ok(typed_analyses::of(analysis, artifacts, None)),
            Err(error) => Err(error.at("id").into()),
        }))
    }

    /// The cases that wait for the decision of a person, in numbers: now, and after each change.
    async fn case_queue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which cases.")] filter: Option<CaseFilter>,
    ) -> Result<impl Stream<Item = Result<CaseQueue>> + use<>> {
        let (services, principal) = caller(ctx)?;
        let wanted = filter.unwrap_or_default().wanted("filter")?;
        let (count, next) = (request(ctx)?.count().clone(), request(ctx)?.next_answer());
        let states = services.watch_cases(&principal, wanted, next);
        Ok(states.inspect(move |_| count.reset()).map(|counts| match counts {
            Ok(counts) => Ok(CaseQueue::from(counts)),
            Err(error) => Err(error.into()),
        }))
    }

    /// A folder: its current state, then each newer one. Ends with NOT_FOUND when the folder is
    /// erased.
    async fn folder(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Folder>> + use<>> {
        let (services, principal) = caller(ctx)?;
        let id: FolderId = parse_id(&id, "folder", "id")?;
        let (count, next) = (request(ctx)?.count().clone(), request(ctx)?.next_answer());
        let selection = request(ctx)?.selection();
        let states = services.watch_folder(&principal, id, selection, next);
        Ok(states.inspect(move |_| count.reset()).map(|found| match found {
            Ok(contents) => Ok(Folder(contents)),
            Err(error) => Err(error.at("id").into()),
        }))
    }
}
