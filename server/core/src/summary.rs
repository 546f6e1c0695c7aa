//! The folder's verdict out of its analyses.
//!
//! It is the worst over the newest analysis of each type ever asked for. A later success of one type never hides a decline of
//! another; FAILED and CANCELLED never count as SUCCESS; a change of media after the analyses makes it stale.

use crate::analysis::{Analysis, AnalysisState, Resolution};
use crate::folder::FolderState;
use time::OffsetDateTime;

/// A folder's state and verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderVerdict {
    /// State.
    pub state: FolderState,
    /// The verdict; none until finished, or when stale.
    pub resolution: Option<Resolution>,
    /// A usable medium was added or deleted after the newest analyses were asked for.
    pub stale: bool,
    /// The verdict of the newest finished group alone (what the Oz API calls the folder's).
    pub last_group_resolution: Option<Resolution>,
}

/// Newest analysis of each type, in the order of their first request. `analyses` may come in any order.
pub fn newest_of_each_type(analyses: &[Analysis]) -> Vec<&Analysis> {
    let mut sorted: Vec<&Analysis> = analyses.iter().collect();
    sorted.sort_by_key(|analysis| (analysis.created_at, analysis.id));
    let mut newest: Vec<&Analysis> = Vec::new();
    for analysis in sorted {
        match newest.iter_mut().find(|other| other.kind == analysis.kind) {
            Some(place) => *place = analysis,
            None => newest.push(analysis),
        }
    }
    newest
}

/// The folder's verdict from all of its analyses.
pub fn verdict(analyses: &[Analysis], media_changed_at: Option<OffsetDateTime>) -> FolderVerdict {
    let newest = newest_of_each_type(analyses);
    let last_group_resolution = last_group(analyses);
    if newest.is_empty() {
        return FolderVerdict { state: FolderState::Empty, resolution: None, stale: false, last_group_resolution };
    }
    let stale = media_changed_at.is_some_and(|changed| newest.iter().any(|analysis| analysis.created_at < changed));
    let state = if newest.iter().any(|analysis| !analysis.state.is_final()) {
        FolderState::Processing
    } else if newest.iter().any(|analysis| analysis.state != AnalysisState::Finished) {
        FolderState::Failed
    } else {
        FolderState::Finished
    };
    let resolution = match state {
        FolderState::Finished if !stale => worst(newest.iter().copied()),
        FolderState::Finished | FolderState::Empty | FolderState::Processing | FolderState::Failed => None,
    };
    FolderVerdict { state, resolution, stale, last_group_resolution }
}

fn worst<'a>(analyses: impl Iterator<Item = &'a Analysis>) -> Option<Resolution> {
    analyses.filter_map(|analysis| analysis.resolution).max()
}

fn last_group(analyses: &[Analysis]) -> Option<Resolution> {
    let finished_group = |analysis: &&Analysis| {
        analyses.iter().filter(|a| a.group_id == analysis.group_id).all(|a| a.state == AnalysisState::Finished)
    };
    let newest = analyses.iter().filter(finished_group).max_by_key(|a| (a.created_at, a.group_id))?;
    worst(analyses.iter().filter(|a| a.group_id == newest.group_id))
}
