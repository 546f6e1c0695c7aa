//! Checks the messages of a worker: sizes, counts, names and seals. Reads descriptors into memory.
//!
//! A worker runs third-party code on hostile media. A message that fails a check ends the worker.

use std::os::fd::OwnedFd;

use vultus_plugin_api::artifact;
use vultus_plugin_api::limits::{MAX_ARTIFACT_BYTES, MAX_ARTIFACTS, MAX_RESULT_BYTES};
use vultus_worker_protocol::memfd::{self, MemfdError, check_sealed};
use vultus_worker_protocol::{
    AnalysisFailure, ArtifactReport, FromWorker, Judgement, MAX_FRAME_BYTES, ProbeReport,
    RefusalReport, RunCosts, WorkerReady,
};

use super::outcome::parse_outcome;
use super::run::{Judged, ParsedJudgement};

/// Maximum size of a thumbnail: 1 MiB.
const THUMBNAIL_BYTES: u64 = 1024 * 1024;
/// Maximum length of a text for users or logs, in characters.
pub(crate) const TEXT_CHARS: usize = 1_000;

/// A message that passed all checks, with the content of its descriptors.
#[derive(Debug)]
pub(crate) enum WorkerMessage {
    /// The worker is ready for work.
    Ready(Box<WorkerReady>),
    /// The worker cannot start.
    Unfit(String),
    /// The result of a probe.
    Probed { probe: String, result: Result<Probed, RefusalReport> },
    /// The worker begins to decode the media of a run.
    Decoding { run: String },
    /// The worker begins an analysis.
    Entered { run: String, analysis: String },
    /// Progress of an analysis, 0–1.
    Progress { run: String, analysis: String, fraction: f32 },
    /// An analysis has ended.
    Judged { run: String, judged: Judged },
    /// A run has ended.
    RunDone { run: String, costs: RunCosts },
    /// A log line of a plugin.
    Log { plugin: String, level: u32, text: String },
}

/// The result of a probe, with the content of its descriptors.
#[derive(Debug)]
pub struct Probed {
    /// The worker's report.
    pub report: ProbeReport,
    /// A small JPEG picture.
    pub thumbnail: Option<Vec<u8>>,
    /// Sealed memory with the pixels of [`ProbeReport::frame`]. The node passes it on and never
    /// reads it.
    pub frame: Option<OwnedFd>,
}

/// How a worker violated the protocol.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Violation {
    /// The number of descriptors does not fit the message.
    #[error("a message with {received} descriptors instead of {needed}")]
    Descriptors { needed: usize, received: usize },
    /// A descriptor is not what the message says.
    #[error("a descriptor of the worker cannot be used")]
    Descriptor(#[from] MemfdError),
    /// The outcome is malformed.
    #[error("an outcome is malformed")]
    Outcome(#[from] serde_json::Error),
    /// A part of the message is malformed, or there are too many parts.
    #[error("{0}")]
    Malformed(&'static str),
}

/// Checks one message and reads its descriptors.
pub(crate) fn accept(
    message: FromWorker,
    descriptors: Vec<OwnedFd>,
) -> Result<WorkerMessage, Violation> {
    match message {
        FromWorker::Probed { probe, result } => accept_probe(probe, result, descriptors),
        FromWorker::Judged { run, analysis, result, artifacts, outcome_bytes } => {
            let (result, artifacts) = accept_judged(result, artifacts, outcome_bytes, descriptors)?;
            Ok(WorkerMessage::Judged {
                run,
                judged: Judged { analysis, result, artifacts, analyzer: None },
            })
        }
        plain => {
            expect_descriptors(0, &descriptors)?;
            Ok(accept_plain(plain))
        }
    }
}

fn accept_plain(message: FromWorker) -> WorkerMessage {
    match message {
        FromWorker::Ready(ready) => WorkerMessage::Ready(ready),
        FromWorker::Unfit { detail } => WorkerMessage::Unfit(clipped(detail)),
        FromWorker::Decoding { run } => WorkerMessage::Decoding { run },
        FromWorker::Entered { run, analysis } => WorkerMessage::Entered { run, analysis },
        FromWorker::Progress { run, analysis, fraction } => {
            let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
            WorkerMessage::Progress { run, analysis, fraction }
        }
        FromWorker::RunDone { run, costs } => WorkerMessage::RunDone { run, costs },
        FromWorker::Log { plugin, level, text } => {
            WorkerMessage::Log { plugin: clipped(plugin), level, text: clipped(text) }
        }
        FromWorker::Probed { .. } | FromWorker::Judged { .. } => {
            unreachable!("messages with descriptors are handled by `accept`")
        }
    }
}

fn accept_probe(
    probe: String,
    result: Result<ProbeReport, RefusalReport>,
    descriptors: Vec<OwnedFd>,
) -> Result<WorkerMessage, Violation> {
    let result = match result {
        Ok(report) => {
            let (has_thumbnail, has_frame) = (report.thumbnail_bytes > 0, report.frame.is_some());
            expect_descriptors(usize::from(has_thumbnail) + usize::from(has_frame), &descriptors)?;
            let mut descriptors = descriptors.into_iter();
            let thumbnail = if has_thumbnail { descriptors.next() } else { None };
            let thumbnail = thumbnail
                .map(|given| memfd::copy(given, report.thumbnail_bytes, THUMBNAIL_BYTES))
                .transpose()?;
            let frame = report.frame.and_then(|frame| Some((frame, descriptors.next()?)));
            let frame = frame
                .map(|(frame, given)| check_sealed(given, frame.byte_size(), MAX_FRAME_BYTES))
                .transpose()?;
            Ok(Probed { report, thumbnail, frame })
        }
        Err(refusal) => {
            expect_descriptors(0, &descriptors)?;
            check(is_code(&refusal.code), "the code of a refusal is malformed")?;
            Err(RefusalReport { message: clipped(refusal.message), ..refusal })
        }
    };
    Ok(WorkerMessage::Probed { probe, result })
}

type Accepted = (Result<Box<ParsedJudgement>, AnalysisFailure>, Vec<(ArtifactReport, Vec<u8>)>);

fn accept_judged(
    result: Result<Box<Judgement>, AnalysisFailure>,
    artifacts: Vec<ArtifactReport>,
    outcome_bytes: u64,
    descriptors: Vec<OwnedFd>,
) -> Result<Accepted, Violation> {
    check(artifacts.len() <= MAX_ARTIFACTS, "too many artifacts")?;
    expect_descriptors(artifacts.len() + usize::from(outcome_bytes > 0), &descriptors)?;
    let mut descriptors = descriptors.into_iter();
    let mut kept = Vec::with_capacity(artifacts.len());
    for (report, descriptor) in artifacts.into_iter().zip(descriptors.by_ref()) {
        check(artifact::is_name(&report.name), "the name of an artifact is malformed")?;
        check(
            artifact::TYPES.contains(&report.content_type.as_str()),
            "the type of an artifact is not allowed",
        )?;
        let bytes = memfd::copy(descriptor, report.byte_size, MAX_ARTIFACT_BYTES)?;
        kept.push((report, bytes));
    }
    let result = match result {
        Ok(mut judgement) => {
            if let Some(descriptor) = descriptors.next() {
                let text = memfd::copy(descriptor, outcome_bytes, MAX_RESULT_BYTES)?;
                judgement.outcome = String::from_utf8(text)
                    .map_err(|_| Violation::Malformed("an outcome is not UTF-8"))?;
            }
            parse_outcome(*judgement)?
        }
        Err(failure) => {
            check(outcome_bytes == 0 && kept.is_empty(), "a failure has an outcome or artifacts")?;
            check(is_code(&failure.code), "the code of a failure is malformed")?;
            Err(AnalysisFailure {
                message: clipped(failure.message),
                detail: clipped(failure.detail),
                ..failure
            })
        }
    };
    Ok((result, kept))
}

fn expect_descriptors(needed: usize, descriptors: &[OwnedFd]) -> Result<(), Violation> {
    if descriptors.len() == needed {
        Ok(())
    } else {
        Err(Violation::Descriptors { needed, received: descriptors.len() })
    }
}

pub(crate) fn check(holds: bool, otherwise: &'static str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::Malformed(otherwise)) }
}

pub(crate) fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

pub(crate) fn clipped(text: String) -> String {
    match text.char_indices().nth(TEXT_CHARS) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use vultus_plugin_api::limits::{MAX_RESULT_DEPTH, MAX_RESULT_VALUES};
    use vultus_worker_protocol::FrameReport;
    use vultus_worker_protocol::memfd::sealed;

    fn judgement(outcome: String) -> Box<Judgement> {
        Box::new(Judgement {
            outcome,
            plugin: "org.example.test".to_owned(),
            plugin_version: "1.0.0".to_owned(),
            plugin_sha256: String::new(),
            weights: Vec::new(),
        })
    }

    fn judged(outcome: Value, artifacts: Vec<ArtifactReport>, outcome_bytes: u64) -> FromWorker {
        FromWorker::Judged {
            run: "r".to_owned(),
            analysis: "a".to_owned(),
            result: Ok(judgement(outcome.to_string())),
            artifacts,
            outcome_bytes,
        }
    }

    fn artifact(name: &str, content_type: &str, byte_size: u64) -> ArtifactReport {
        ArtifactReport { name: name.to_owned(), content_type: content_type.to_owned(), byte_size }
    }

    #[test]
    fn outcome_and_artifacts_are_read_from_descriptors() {
        let outcome = json!({"resolution": "SUCCESS", "reasons": [], "result": {"score": 0.25}});
        let text = outcome.to_string();
        let beside =
            vec![sealed("best", b"JPEG").unwrap(), sealed("outcome", text.as_bytes()).unwrap()];
        let message =
            judged(Value::Null, vec![artifact("best_shot", "image/jpeg", 4)], text.len() as u64);
        let Ok(WorkerMessage::Judged { judged, .. }) = accept(message, beside) else {
            panic!("rejected")
        };
        assert_eq!(judged.result.unwrap().result.as_str(), r#"{"score":0.25}"#);
        assert_eq!(judged.artifacts[0].1, b"JPEG");
    }

    #[test]
    fn frame_of_another_size_than_stated_is_a_violation() {
        let probed = |bytes: &[u8], width: u32| {
            let report = ProbeReport {
                kind: vultus_core::MediaKind::Image,
                content_type: "image/png".to_owned(),
                width: 2,
                height: 2,
                orientation_applied: 1,
                duration_us: None,
                frame_count: None,
                frame_rate: None,
                thumbnail_bytes: 1,
                frame: Some(FrameReport { source_width: 2, source_height: 2, width, height: 2 }),
            };
            let beside = vec![sealed("thumbnail", b"t").unwrap(), sealed("frame", bytes).unwrap()];
            accept(FromWorker::Probed { probe: "p".to_owned(), result: Ok(report) }, beside)
        };
        let Ok(WorkerMessage::Probed { result: Ok(found), .. }) = probed(&[0; 12], 2) else {
            panic!("rejected")
        };
        assert_eq!(found.thumbnail.as_deref(), Some(&b"t"[..]));
        assert!(found.frame.is_some());
        assert!(
            probed(&[0; 11], 2).is_err()
                && probed(&[0; 12], 3).is_err()
                && probed(&[0; 12], u32::MAX).is_err()
        );
    }

    #[test]
    fn malformed_outcome_is_a_violation() {
        let bad_reason = json!({"code": "no face", "message": ""});
        for outcome in [
            json!({"resolution": "FINE", "result": {}}),
            json!({"resolution": "SUCCESS", "reasons": [], "result": {}, "more": 1}),
            json!({"resolution": "DECLINED", "reasons": [bad_reason], "result": {}}),
            Value::Null,
        ] {
            assert!(accept(judged(outcome, Vec::new(), 0), Vec::new()).is_err());
        }
    }

    #[test]
    fn outcome_over_a_limit_is_a_bad_result() {
        let failure = |result: Value| {
            let outcome = json!({"resolution": "SUCCESS", "reasons": [], "result": result});
            match accept(judged(outcome, Vec::new(), 0), Vec::new()) {
                Ok(WorkerMessage::Judged { judged, .. }) => judged.result.err(),
                other => panic!("{other:?}"),
            }
        };
        let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(failure(json!(vec![0; MAX_RESULT_VALUES - 20])).is_none());
        assert!(failure(deep(MAX_RESULT_DEPTH - 1)).is_none());
        for (result, why) in [
            (json!(vec![0; MAX_RESULT_VALUES]), "at most 50000 JSON values"),
            (deep(MAX_RESULT_DEPTH), "deeper than 64 levels"),
        ] {
            let failure = failure(result).unwrap();
            assert_eq!(failure.code, "BAD_RESULT");
            assert!(failure.detail.contains(why), "{}", failure.detail);
        }
    }

    #[test]
    fn artifact_with_bad_name_type_or_size_is_a_violation() {
        let outcome = json!({"resolution": "SUCCESS", "reasons": [], "result": {}});
        for bad in [
            artifact("../x", "image/jpeg", 1),
            artifact("x", "text/html", 1),
            artifact("x", "image/jpeg", 2),
        ] {
            let message = judged(outcome.clone(), vec![bad], 0);
            assert!(accept(message, vec![sealed("x", b"x").unwrap()]).is_err());
        }
    }

    #[test]
    fn too_many_artifacts_are_a_violation() {
        let outcome = json!({"resolution": "SUCCESS", "reasons": [], "result": {}});
        let with = |count: usize| {
            let artifacts =
                (0..count).map(|n| artifact(&format!("a{n}"), "image/png", 1)).collect();
            let beside = (0..count).map(|_| sealed("a", b"a").unwrap()).collect();
            accept(judged(outcome.clone(), artifacts, 0), beside)
        };
        assert!(with(MAX_ARTIFACTS).is_ok());
        assert!(matches!(with(MAX_ARTIFACTS + 1), Err(Violation::Malformed(_))));
    }

    #[test]
    fn unexpected_descriptor_is_a_violation() {
        let message = FromWorker::Decoding { run: "r".to_owned() };
        assert!(matches!(
            accept(message, vec![sealed("x", b"x").unwrap()]),
            Err(Violation::Descriptors { .. })
        ));
    }
}
