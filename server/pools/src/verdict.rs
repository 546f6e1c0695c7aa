//! Turns a judgement of a worker into a verdict that may be stored. The worker is not trusted: an
//! inconsistent judgement is a failure of the analyzer, never a verdict. Sizes, counts and names
//! were checked when the message arrived.

use super::analyzer::Analyzer;
use super::run::Judged;
use std::collections::HashSet;
use vultus_core::{JsonText, Provenance, Resolution};
use vultus_plugin_api::outcome;
use vultus_worker_protocol::{AnalysisFailure, ArtifactReport};

/// A consistent verdict.
#[derive(Debug)]
pub struct Verdict {
    /// The verdict.
    pub resolution: Resolution,
    /// The reasons; they refer to media by index in the analysis.
    pub reasons: Vec<outcome::Reason>,
    /// The result of the analyzer.
    pub result: JsonText,
    /// What judged. The caller adds the sources of the parameters.
    pub provenance: Provenance,
    /// Files of the verdict.
    pub artifacts: Vec<ArtifactFile>,
}

/// A file that belongs to a verdict, in memory.
#[derive(Debug)]
pub struct ArtifactFile {
    /// Name that the plugin chose.
    pub name: String,
    /// MIME type, one of [`vultus_plugin_api::artifact::TYPES`].
    pub content_type: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// The verdict of an analysis, or the reason why there is none. `analyzer` is the analyzer of the
/// pool that judged.
pub fn accept(judged: Judged, analyzer: &Analyzer) -> Result<Verdict, AnalysisFailure> {
    let outcome = *judged.result?;
    let plugin = analyzer.plugin().to_owned();
    let judgement = outcome.statement;
    analyzer.check_origin(&judgement).map_err(|detail| bad_result(&plugin, detail))?;
    if outcome.resolution != outcome::Resolution::Success && outcome.reasons.is_empty() {
        return Err(bad_result(
            &plugin,
            "a verdict other than SUCCESS without a reason".to_owned(),
        ));
    }
    analyzer.check_result(&outcome.result).map_err(|detail| bad_result(&plugin, detail))?;
    let file = |(report, bytes): (ArtifactReport, Vec<u8>)| ArtifactFile {
        name: report.name,
        content_type: report.content_type,
        bytes,
    };
    let artifacts: Vec<ArtifactFile> = judged.artifacts.into_iter().map(file).collect();
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

/// The failure of an analyzer whose outcome is invalid. `detail` is for the operator's log.
pub(crate) fn bad_result(plugin: &str, detail: String) -> AnalysisFailure {
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
    use crate::run::ParsedJudgement;
    use serde_json::{Value, json};
    use vultus_worker_protocol::Judgement;

    fn judged(outcome: Value, artifacts: Vec<(ArtifactReport, Vec<u8>)>) -> Judged {
        let outcome: outcome::Outcome = serde_json::from_value(outcome).unwrap();
        let statement = Judgement {
            outcome: String::new(),
            plugin: "org.example".into(),
            plugin_version: "1.0.0".into(),
            plugin_sha256: "00".into(),
            weights: vec![],
        };
        let judgement = ParsedJudgement {
            resolution: outcome.resolution,
            reasons: outcome.reasons,
            result: outcome.result.into(),
            statement,
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
    fn inconsistent_verdict_is_a_failure() {
        let wrong = [
            judged(json!({"resolution": "DECLINED", "reasons": [], "result": {}}), vec![]),
            judged(
                json!({"resolution": "SUCCESS", "reasons": [], "result": {"score": "high"}}),
                vec![],
            ),
            judged(success(), vec![file("same", "image/png"), file("same", "image/png")]),
        ];
        for judged in wrong {
            let failure = accept(judged, &example()).unwrap_err();
            assert_eq!(failure.code, "BAD_RESULT");
            assert!(!failure.retryable);
        }
    }

    #[test]
    fn verdict_keeps_its_artifacts_and_provenance() {
        let verdict =
            accept(judged(success(), vec![file("best_shot", "image/jpeg")]), &example()).unwrap();
        assert_eq!(verdict.resolution, Resolution::Success);
        assert_eq!(verdict.artifacts.len(), 1);
        assert_eq!(verdict.provenance.analyzer.as_deref(), Some("org.example"));
    }
}
