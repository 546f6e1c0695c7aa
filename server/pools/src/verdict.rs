//! From what a worker says of an analysis to what is kept of it. The worker is not trusted: what
//! does not hold together is a failure of the analyzer, never a verdict.

use super::analyzer::Analyzer;
use super::run::Judged;
use std::collections::HashSet;
use vultus_core::{Provenance, Resolution};
use vultus_plugin_api::artifact;
use vultus_plugin_api::limits::{MAX_ARTIFACT_BYTES, MAX_ARTIFACTS, MAX_REASONS};
use vultus_plugin_api::outcome::{self, Outcome};
use vultus_worker_protocol::{AnalysisFailure, ArtifactReport};

/// A verdict that holds together.
#[derive(Debug)]
pub struct Verdict {
    /// The verdict.
    pub resolution: Resolution,
    /// Why; media by index in the analysis.
    pub reasons: Vec<outcome::Reason>,
    /// The analyzer's result.
    pub result: serde_json::Value,
    /// What judged. The sources of parameters are the caller's part.
    pub provenance: Provenance,
    /// Files that it left.
    pub artifacts: Vec<ArtifactFile>,
}

/// A file that an analysis left, in memory.
#[derive(Debug)]
pub struct ArtifactFile {
    /// The plugin's name for it.
    pub name: String,
    /// MIME type, one of a short list.
    pub content_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The verdict of an analysis, or why there is none. `analyzer` is what the node knows of who must
/// have judged.
pub fn accept(judged: Judged, analyzer: &Analyzer) -> Result<Verdict, AnalysisFailure> {
    let judgement = judged.result?;
    let plugin = analyzer.plugin().to_owned();
    analyzer.check_origin(&judgement).map_err(|detail| bad_result(&plugin, detail))?;
    let outcome: Outcome = serde_json::from_value(judgement.outcome)
        .map_err(|error| bad_result(&plugin, format!("its outcome: {error}")))?;
    if outcome.resolution != outcome::Resolution::Success && outcome.reasons.is_empty() {
        return Err(bad_result(
            &plugin,
            "a verdict other than SUCCESS without a reason".to_owned(),
        ));
    }
    analyzer.check_result(&outcome.result).map_err(|detail| bad_result(&plugin, detail))?;
    if outcome.reasons.len() > MAX_REASONS {
        return Err(bad_result(&plugin, format!("{} reasons", outcome.reasons.len())));
    }
    if judged.artifacts.len() > MAX_ARTIFACTS {
        return Err(bad_result(&plugin, format!("{} artifacts", judged.artifacts.len())));
    }
    let artifacts: Vec<ArtifactFile> = judged
        .artifacts
        .into_iter()
        .map(|(report, bytes)| accepted(&plugin, report, bytes))
        .collect::<Result<_, _>>()?;
    let mut names = HashSet::new();
    if let Some(twice) = artifacts.iter().find(|artifact| !names.insert(artifact.name.as_str())) {
        return Err(bad_result(&plugin, format!("two artifacts named {}", twice.name)));
    }
    Ok(Verdict {
        resolution: match outcome.resolution {
            outcome::Resolution::Success => Resolution::Success,
            outcome::Resolution::OperatorRequired => Resolution::OperatorRequired,
            outcome::Resolution::Declined => Resolution::Declined,
        },
        reasons: outcome.reasons,
        result: outcome.result,
        provenance: Provenance {
            analyzer: Some(judgement.plugin),
            analyzer_version: Some(judgement.plugin_version),
            analyzer_sha256: Some(judgement.plugin_sha256),
            weights: judgement.weights,
            parameter_sources: Vec::new(),
        },
        artifacts,
    })
}

fn accepted(
    plugin: &str,
    report: ArtifactReport,
    bytes: Vec<u8>,
) -> Result<ArtifactFile, AnalysisFailure> {
    if !artifact::is_name(&report.name) {
        return Err(bad_result(plugin, "an artifact's name is malformed".to_owned()));
    }
    if !artifact::TYPES.contains(&report.content_type.as_str()) {
        return Err(bad_result(
            plugin,
            format!("artifact {} has a type that is not allowed", report.name),
        ));
    }
    if bytes.len() as u64 > MAX_ARTIFACT_BYTES {
        return Err(bad_result(
            plugin,
            format!("artifact {} has {} bytes", report.name, bytes.len()),
        ));
    }
    Ok(ArtifactFile { name: report.name, content_type: report.content_type, bytes })
}

fn bad_result(plugin: &str, detail: String) -> AnalysisFailure {
    AnalysisFailure {
        code: "BAD_RESULT".to_owned(),
        message: format!("The analyzer {plugin} returned an invalid result."),
        detail,
        retryable: false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::analyzer::tests::example;
    use super::*;
    use serde_json::{Value, json};
    use vultus_worker_protocol::Judgement;

    fn judged(outcome: Value, artifacts: Vec<(ArtifactReport, Vec<u8>)>) -> Judged {
        let judgement = Judgement {
            outcome,
            plugin: "org.example".into(),
            plugin_version: "1.0.0".into(),
            plugin_sha256: "00".into(),
            weights: vec![],
        };
        Judged { analysis: "a".into(), result: Ok(Box::new(judgement)), artifacts, analyzer: None }
    }

    fn file(name: &str, content_type: &str) -> (ArtifactReport, Vec<u8>) {
        (
            ArtifactReport { name: name.into(), content_type: content_type.into(), byte_size: 1 },
            vec![0],
        )
    }

    fn success() -> Value {
        json!({"resolution": "SUCCESS", "reasons": [], "result": {}})
    }

    #[test]
    fn a_verdict_that_does_not_hold_together_is_a_failure_and_never_a_success() {
        let wrong = [
            judged(Value::Null, vec![]),
            judged(json!({"resolution": "PERFECT", "result": {}}), vec![]),
            judged(json!({"resolution": "DECLINED", "reasons": [], "result": {}}), vec![]),
            judged(
                json!({"resolution": "SUCCESS", "reasons": [], "result": {"score": "high"}}),
                vec![],
            ),
            judged(success(), vec![file("best_shot", "text/html")]),
            judged(success(), vec![file("../best", "image/png")]),
            judged(success(), (0..17).map(|n| file(&format!("a{n}"), "image/png")).collect()),
        ];
        for judged in wrong {
            let failure = accept(judged, &example()).unwrap_err();
            assert_eq!(failure.code, "BAD_RESULT");
            assert!(!failure.retryable);
        }
    }

    #[test]
    fn a_sound_verdict_keeps_its_artifacts_and_what_judged() {
        let verdict =
            accept(judged(success(), vec![file("best_shot", "image/jpeg")]), &example()).unwrap();
        assert_eq!(verdict.resolution, Resolution::Success);
        assert_eq!(verdict.artifacts.len(), 1);
        assert_eq!(verdict.provenance.analyzer.as_deref(), Some("org.example"));
    }
}
