//! The folder's state and verdict, derived from its analyses.
//!
//! The verdict is the worst over the newest analysis of each type ever requested. A later success
//! of one type never hides a decline of another. FAILED and CANCELLED never count as SUCCESS. A
//! change of media after the analyses makes the verdict stale.

use crate::analysis::{Analysis, AnalysisState, Resolution};
use crate::folder::FolderState;
use time::OffsetDateTime;

/// A folder's state and verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderVerdict {
    /// State.
    pub state: FolderState,
    /// The verdict; absent until the folder is finished, and while the verdict is stale.
    pub resolution: Option<Resolution>,
    /// The same of the machine's verdicts alone, whatever people decided.
    pub system_resolution: Option<Resolution>,
    /// Whether a usable medium was added or deleted after the newest analyses were requested.
    pub stale: bool,
    /// The verdict of the newest finished group alone, which the Oz API calls the folder's verdict.
    pub last_group_resolution: Option<Resolution>,
}

/// Newest analysis of each type, in the order in which the types were first requested. `analyses`
/// may be in any order.
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

/// The folder's state and verdict, from all of its analyses in any order.
pub fn verdict(analyses: &[Analysis], media_changed_at: Option<OffsetDateTime>) -> FolderVerdict {
    let newest = newest_of_each_type(analyses);
    let last_group_resolution = last_group(analyses);
    if newest.is_empty() {
        return FolderVerdict {
            state: FolderState::Empty,
            resolution: None,
            system_resolution: None,
            stale: false,
            last_group_resolution,
        };
    }
    let stale = media_changed_at
        .is_some_and(|changed| newest.iter().any(|analysis| analysis.created_at < changed));
    let state = if newest.iter().any(|analysis| !analysis.state.is_final()) {
        FolderState::Processing
    } else if newest.iter().any(|analysis| analysis.state != AnalysisState::Finished) {
        FolderState::Failed
    } else {
        FolderState::Finished
    };
    let (resolution, system_resolution) = match state {
        FolderState::Finished if !stale => (
            worst(newest.iter().copied()),
            newest.iter().filter_map(|analysis| analysis.resolution).max(),
        ),
        FolderState::Finished
        | FolderState::Empty
        | FolderState::Processing
        | FolderState::Failed => (None, None),
    };
    FolderVerdict { state, resolution, system_resolution, stale, last_group_resolution }
}

/// The worst of the verdicts that count.
pub fn worst<'a>(analyses: impl Iterator<Item = &'a Analysis>) -> Option<Resolution> {
    analyses.filter_map(Analysis::verdict).max()
}

fn last_group(analyses: &[Analysis]) -> Option<Resolution> {
    let finished_group = |analysis: &&Analysis| {
        analyses
            .iter()
            .filter(|a| a.group_id == analysis.group_id)
            .all(|a| a.state == AnalysisState::Finished)
    };
    let newest =
        analyses.iter().filter(finished_group).max_by_key(|a| (a.created_at, a.group_id))?;
    worst(analyses.iter().filter(|a| a.group_id == newest.group_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Provenance;
    use crate::decision::{Choice, Decision, Decisions};
    use crate::ids::{AnalysisId, FolderId, GroupId, RunId, UserId};
    use crate::json::JsonText;
    use crate::part::Part;
    use uuid::Uuid;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds)
    }

    /// An analysis of group number `seconds`, requested at that second.
    fn analysis(
        seconds: u8,
        kind: &str,
        state: AnalysisState,
        resolution: Option<Resolution>,
    ) -> Analysis {
        let number = u128::from(seconds) << 8 | u128::from(kind.as_bytes()[0]);
        Analysis {
            id: AnalysisId(Uuid::from_u128(number)),
            folder_id: FolderId(Uuid::nil()),
            group_id: GroupId(Uuid::from_u128(seconds.into())),
            run_id: RunId(Uuid::nil()),
            kind: kind.to_owned(),
            state,
            resolution,
            decisions: Decisions::default(),
            reasons: vec![],
            progress: 0.0,
            media: vec![],
            params: JsonText::empty_object().into(),
            result: Part::Read(None),
            failure: None,
            provenance: Provenance::default(),
            attempts: 0,
            deaths: 0,
            timeout_ms: 0,
            created_at: at(seconds.into()),
            started_at: None,
            finished_at: None,
            revision: 1,
            details_erased_at: None,
        }
    }

    fn finished(seconds: u8, kind: &str, resolution: Resolution) -> Analysis {
        analysis(seconds, kind, AnalysisState::Finished, Some(resolution))
    }

    #[test]
    fn the_worst_of_the_newest_of_each_type_counts() {
        use Resolution::{Declined, OperatorRequired, Success};
        for (first, second, worst) in [
            (Success, Success, Success),
            (Success, OperatorRequired, OperatorRequired),
            (Declined, OperatorRequired, Declined),
            (Success, Declined, Declined),
        ] {
            let verdict =
                verdict(&[finished(1, "liveness", first), finished(1, "face_match", second)], None);
            assert_eq!((verdict.state, verdict.resolution), (FolderState::Finished, Some(worst)));
        }
    }

    #[test]
    fn decision_counts_and_the_verdict_of_the_machine_stays() {
        use Resolution::{Declined, OperatorRequired, Success};
        for (choice, machine, counts) in [
            (Choice::Accept, OperatorRequired, Success),
            (Choice::Decline, OperatorRequired, Declined),
            (Choice::Accept, Declined, Success),
            (Choice::Decline, Success, Declined),
        ] {
            let mut doubtful = finished(1, "liveness", machine);
            doubtful.decisions.taken.push(Decision {
                by: UserId(Uuid::nil()),
                choice,
                reason_code: None,
                comment: None,
                at: at(2),
                took_ms: None,
            });
            let verdict = verdict(&[doubtful, finished(1, "face_match", Success)], None);
            assert_eq!(
                (verdict.resolution, verdict.system_resolution, verdict.last_group_resolution),
                (Some(counts), Some(machine), Some(counts)),
            );
        }
    }

    #[test]
    fn later_success_never_hides_a_decline_of_another_type() {
        let analyses = [
            finished(1, "liveness", Resolution::Declined),
            finished(2, "face_match", Resolution::Success),
        ];
        let verdict = verdict(&analyses, None);
        assert_eq!(verdict.resolution, Some(Resolution::Declined));
        assert_eq!(
            verdict.last_group_resolution,
            Some(Resolution::Success),
            "that is what the last group alone says"
        );
    }

    #[test]
    fn newest_analysis_of_a_type_counts_in_any_input_order() {
        let mut analyses = [
            finished(1, "liveness", Resolution::Declined),
            finished(2, "face_match", Resolution::OperatorRequired),
            finished(3, "liveness", Resolution::Success),
        ];
        for _ in 0..analyses.len() {
            analyses.rotate_left(1);
            assert_eq!(verdict(&analyses, None).resolution, Some(Resolution::OperatorRequired));
        }
    }

    #[test]
    fn repeated_analysis_makes_the_folder_processing_again() {
        for state in [AnalysisState::Queued, AnalysisState::Running] {
            let analyses = [
                finished(1, "liveness", Resolution::Success),
                analysis(2, "liveness", state, None),
            ];
            let verdict = verdict(&analyses, None);
            assert_eq!((verdict.state, verdict.resolution), (FolderState::Processing, None));
        }
    }

    #[test]
    fn failed_or_cancelled_analysis_never_counts_as_success() {
        for state in [AnalysisState::Failed, AnalysisState::Cancelled] {
            let mut analyses = vec![
                finished(1, "liveness", Resolution::Success),
                analysis(1, "face_match", state, None),
            ];
            let failed = verdict(&analyses, None);
            assert_eq!(
                (failed.state, failed.resolution, failed.last_group_resolution),
                (FolderState::Failed, None, None)
            );
            analyses.push(finished(2, "face_match", Resolution::Success));
            let repeated = verdict(&analyses, None);
            assert_eq!(
                (repeated.state, repeated.resolution),
                (FolderState::Finished, Some(Resolution::Success))
            );
        }
    }

    #[test]
    fn media_change_after_a_newest_analysis_makes_verdict_stale() {
        let analyses = [
            finished(1, "liveness", Resolution::Success),
            finished(3, "face_match", Resolution::Success),
        ];
        for (changed, stale) in [(0, false), (1, false), (2, true), (4, true)] {
            let verdict = verdict(&analyses, Some(at(changed)));
            assert_eq!(
                (verdict.stale, verdict.resolution.is_none()),
                (stale, stale),
                "media changed at {changed}"
            );
            assert_eq!(verdict.state, FolderState::Finished);
        }
    }

    #[test]
    fn the_last_group_is_the_newest_whose_analyses_are_all_finished() {
        let mut analyses = vec![
            finished(1, "liveness", Resolution::Declined),
            finished(2, "liveness", Resolution::OperatorRequired),
            finished(2, "face_match", Resolution::Success),
        ];
        assert_eq!(
            verdict(&analyses, None).last_group_resolution,
            Some(Resolution::OperatorRequired)
        );
        analyses.push(finished(3, "liveness", Resolution::Success));
        analyses.push(analysis(3, "face_match", AnalysisState::Running, None));
        assert_eq!(
            verdict(&analyses, None).last_group_resolution,
            Some(Resolution::OperatorRequired)
        );
    }

    #[test]
    fn a_folder_without_analyses_is_empty_and_never_stale() {
        let verdict = verdict(&[], Some(at(1)));
        assert_eq!(
            (verdict.state, verdict.resolution, verdict.stale),
            (FolderState::Empty, None, false)
        );
    }
}
