use super::*;
use crate::analysis::Provenance;
use crate::ids::{AnalysisId, FolderId, GroupId, RunId};
use crate::json::JsonText;
use crate::part::Part;
use uuid::Uuid;

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
}

fn person(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

fn analysis(state: AnalysisState, resolution: Option<Resolution>) -> Analysis {
    Analysis {
        id: AnalysisId(Uuid::nil()),
        folder_id: FolderId(Uuid::nil()),
        group_id: GroupId(Uuid::nil()),
        run_id: RunId(Uuid::nil()),
        kind: "liveness".to_owned(),
        state,
        resolution,
        decisions: Decisions::default(),
        reasons: vec![],
        progress: 1.0,
        media: vec![],
        params: JsonText::empty_object().into(),
        result: Part::Read(None),
        failure: None,
        provenance: Provenance::default(),
        attempts: 1,
        deaths: 0,
        timeout_ms: 0,
        created_at: at(0),
        started_at: None,
        finished_at: Some(at(5)),
        revision: 3,
        details_erased_at: None,
    }
}

fn doubtful() -> Analysis {
    analysis(AnalysisState::Finished, Some(Resolution::OperatorRequired))
}

fn terms(four_eyes: FourEyes) -> DecisionTerms {
    DecisionTerms {
        rule: DecisionRule { four_eyes, policy_version: 7 },
        owner: person(100),
        claim: None,
    }
}

/// A decision of a person on the analysis as it is, 10 s after the start.
fn decided(by: u128, choice: Choice, of: &Analysis) -> NewDecision {
    let comment = Comment::new("secret".to_owned());
    let decision =
        Decision { by: person(by), choice, reason_code: None, comment, at: at(10), took_ms: None };
    NewDecision { decision, expected_revision: of.revision }
}

fn decide(
    of: &mut Analysis,
    by: u128,
    choice: Choice,
    four_eyes: FourEyes,
) -> Result<(), DecisionRefusal> {
    let new = decided(by, choice, of);
    of.decide(&new, &terms(four_eyes))
}

#[test]
fn one_decision_settles_any_finished_analysis_once() {
    use Choice::{Accept, Decline};
    for machine in [Resolution::Success, Resolution::OperatorRequired, Resolution::Declined] {
        let mut one = analysis(AnalysisState::Finished, Some(machine));
        assert_eq!(one.waits_since().is_some(), machine == Resolution::OperatorRequired);
        decide(&mut one, 1, Decline, FourEyes::Off).unwrap();
        assert_eq!((one.verdict(), one.resolution), (Some(Resolution::Declined), Some(machine)));
        assert_eq!((one.waits_since(), one.revision), (None, 4));
        for by in [1, 2] {
            let again = decide(&mut one, by, Accept, FourEyes::Off);
            assert_eq!(again, Err(DecisionRefusal::Settled));
        }
    }
}

#[test]
fn only_finished_analyses_are_decided() {
    use AnalysisState::{Cancelled, Failed, Queued, Running};
    for state in [Queued, Running, Failed, Cancelled] {
        let mut other = analysis(state, None);
        let refused = decide(&mut other, 1, Choice::Accept, FourEyes::Off);
        assert_eq!(refused, Err(DecisionRefusal::NotFinished), "{state:?}");
    }
}

#[test]
fn stale_revision_is_refused() {
    let mut one = doubtful();
    let mut new = decided(1, Choice::Accept, &one);
    new.expected_revision -= 1;
    let refused = one.decide(&new, &terms(FourEyes::Off));
    assert_eq!(refused, Err(DecisionRefusal::Changed { revision: 3 }));
    assert!(one.decisions.taken.is_empty());
}

#[test]
fn four_eyes_need_two_people_that_agree() {
    use Choice::{Accept, Decline};
    for (choices, verdict) in [
        (&[Accept, Accept][..], Resolution::Success),
        (&[Decline, Decline], Resolution::Declined),
        (&[Accept, Decline, Decline], Resolution::Declined),
        (&[Accept, Decline, Accept], Resolution::Success),
    ] {
        let mut one = doubtful();
        for (place, &choice) in choices.iter().enumerate() {
            assert_eq!(one.verdict(), Some(Resolution::OperatorRequired), "{choices:?} {place}");
            assert_eq!(one.waits_since(), Some(at(5)));
            // The rule is that of the first decision.
            let four_eyes = if place == 0 { FourEyes::Seeing } else { FourEyes::Off };
            decide(&mut one, place as u128, choice, four_eyes).unwrap();
            if place + 1 < choices.len() {
                let again = decide(&mut one, place as u128, choice, four_eyes);
                assert_eq!(again, Err(DecisionRefusal::SamePerson));
            }
        }
        assert_eq!((one.verdict(), one.decisions.rule.policy_version), (Some(verdict), 7));
    }
}

#[test]
fn own_case_is_refused_under_four_eyes_only() {
    let own = |four_eyes| decide(&mut doubtful(), 100, Choice::Accept, four_eyes);
    assert_eq!(own(FourEyes::Blind), Err(DecisionRefusal::OwnCase));
    assert_eq!(own(FourEyes::Seeing), Err(DecisionRefusal::OwnCase));
    assert_eq!(own(FourEyes::Off), Ok(()));
}

#[test]
fn blind_decisions_are_seen_by_their_person_until_settled() {
    let mut one = doubtful();
    let seen = |of: &Analysis, by| of.decisions.seen_by(by).count();
    decide(&mut one, 1, Choice::Accept, FourEyes::Blind).unwrap();
    assert_eq!((seen(&one, Some(person(1))), seen(&one, Some(person(2)))), (1, 0));
    assert_eq!(seen(&one, None), 0);
    decide(&mut one, 2, Choice::Decline, FourEyes::Blind).unwrap();
    assert_eq!((seen(&one, Some(person(2))), seen(&one, Some(person(3)))), (1, 0));
    decide(&mut one, 3, Choice::Accept, FourEyes::Blind).unwrap();
    assert_eq!((seen(&one, Some(person(4))), seen(&one, None)), (3, 3));
}

#[test]
fn claim_of_another_person_excludes_until_its_end() {
    let claim = |by, until| Claim { by: person(by), since: at(8), until: at(until) };
    for (claim, expected) in [
        (claim(2, 11), Err(DecisionRefusal::Claimed)),
        (claim(2, 10), Ok(None)),
        (claim(1, 11), Ok(Some(2000))),
        (claim(1, 9), Ok(Some(2000))),
    ] {
        let mut one = doubtful();
        let new = decided(1, Choice::Accept, &one);
        let terms = DecisionTerms { claim: Some(claim), ..terms(FourEyes::Off) };
        let took = one.decide(&new, &terms).map(|()| one.decisions.taken[0].took_ms);
        assert_eq!(took, expected, "{claim:?}");
    }
}

#[test]
fn claim_is_renewed_by_its_person_and_taken_over_after_its_end() {
    let claim = |by, since, until| Claim { by: person(by), since: at(since), until: at(until) };
    let present = Some(claim(1, 0, 10));
    assert_eq!(Claim::claimed(None, claim(2, 1, 11)), Ok(claim(2, 1, 11)));
    assert_eq!(Claim::claimed(present, claim(2, 9, 19)), Err(DecisionRefusal::Claimed));
    assert_eq!(Claim::claimed(present, claim(1, 9, 19)), Ok(claim(1, 0, 19)));
    for by in [1, 2] {
        assert_eq!(Claim::claimed(present, claim(by, 10, 20)), Ok(claim(by, 10, 20)));
    }
}

#[test]
fn case_is_open_for_people_that_have_not_decided() {
    let mut one = doubtful();
    decide(&mut one, 1, Choice::Accept, FourEyes::Seeing).unwrap();
    assert_eq!(one.open_for(person(1)), Err(DecisionRefusal::SamePerson));
    assert_eq!(one.open_for(person(2)), Ok(at(5)));
    decide(&mut one, 2, Choice::Accept, FourEyes::Seeing).unwrap();
    assert_eq!(one.open_for(person(3)), Err(DecisionRefusal::NotWaiting));
}

#[test]
fn decision_is_undone_in_time_by_its_person_or_as_the_newest() {
    let undo = |of: &mut Analysis, which, now| {
        let expected_revision = of.revision;
        let within = Duration::seconds(60);
        of.undo_decision(&UndoDecision { which, expected_revision, now, within })
    };
    let mut one = doubtful();
    let none = undo(&mut one, Undone::Newest, at(11)).unwrap_err();
    assert_eq!(none, DecisionRefusal::NotDecided);
    decide(&mut one, 1, Choice::Accept, FourEyes::Off).unwrap();
    let other = undo(&mut one, Undone::Of(person(2)), at(11)).unwrap_err();
    assert_eq!(other, DecisionRefusal::OfAnother);
    let late = undo(&mut one, Undone::Newest, at(71)).unwrap_err();
    assert_eq!(late, DecisionRefusal::TooLate);
    assert_eq!(undo(&mut one, Undone::Of(person(1)), at(70)).unwrap().by, person(1));
    assert_eq!((one.verdict(), one.revision), (Some(Resolution::OperatorRequired), 5));
    assert_eq!(one.waits_since(), Some(at(5)));
    decide(&mut one, 2, Choice::Decline, FourEyes::Off).unwrap();
    assert_eq!(undo(&mut one, Undone::Newest, at(11)).unwrap().by, person(2));
}

#[test]
fn comments_are_in_no_debug_output_and_end_with_the_details() {
    let mut one = doubtful();
    decide(&mut one, 1, Choice::Accept, FourEyes::Off).unwrap();
    assert!(!format!("{one:?}").contains("secret"));
    one.erase_details(at(20));
    assert_eq!(one.decisions.taken[0].comment, None);
    assert_eq!(one.verdict(), Some(Resolution::Success));
    assert_eq!(Comment::new("x".repeat(MAX_COMMENT_BYTES + 1)), None);
}

#[test]
fn reason_codes_are_upper_case_words() {
    for (text, expected) in
        [("FACE_COVERED", true), ("A1", true), ("", false), ("no", false), ("A B", false)]
    {
        assert_eq!(is_reason_code(text), expected, "{text}");
    }
    assert!(!is_reason_code(&"A".repeat(65)));
}
