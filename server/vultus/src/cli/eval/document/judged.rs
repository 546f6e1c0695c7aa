//! One judged picture of a document, compared with its truth.

use crate::cli::eval::list::{DocumentTruth, NONE};
use serde_json::Value;
use std::time::Duration;
use vultus_service::CheckedAnalysis;

/// One judged picture.
pub(super) struct Judged<'t> {
    pub(super) truth: &'t DocumentTruth,
    pub(super) lines: Vec<String>,
    /// `TD3`, `MRV-A` and so on; `none` if no zone was read.
    pub(super) format: String,
    /// Whether all check digits are right.
    pub(super) valid: bool,
    pub(super) corrected: bool,
    pub(super) verdict: String,
    pub(super) reasons: Vec<String>,
    /// Measures of the picture, from the result.
    pub(super) quality: Value,
    pub(super) elapsed: Duration,
}

impl<'t> Judged<'t> {
    pub(super) fn new(
        truth: &'t DocumentTruth,
        analysis: &CheckedAnalysis,
        elapsed: Duration,
    ) -> Self {
        let result = analysis.result.as_ref().and_then(|result| result.to_value().ok());
        let result = result.unwrap_or_default();
        let mrz = &result["mrz"];
        let lines = mrz["lines"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        let failure = analysis.failure.as_ref().map(|failure| failure.code.clone());
        Self {
            truth,
            lines: lines.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect(),
            format: mrz["format"]
                .as_str()
                .map_or_else(|| NONE.to_owned(), |format| format.replace('_', "-")),
            valid: mrz["valid"].as_bool().unwrap_or_default(),
            corrected: mrz["corrected"].as_bool().unwrap_or_default(),
            verdict: analysis.resolution.map_or_else(
                || failure.unwrap_or_else(|| "FAILED".to_owned()),
                |resolution| crate::cli::check::resolution_name(resolution).to_owned(),
            ),
            reasons: analysis.reasons.iter().map(|reason| reason.code.clone()).collect(),
            quality: result["media"][0]["quality"].clone(),
            elapsed,
        }
    }

    /// The lines to compare, as (read, true). A line whose transcription is in doubt is left out.
    pub(super) fn compared(&self) -> Vec<(&str, &str)> {
        let mut compared = Vec::new();
        for (at, truth) in self.truth.lines.iter().enumerate() {
            if Some(at) != self.truth.doubtful_line {
                compared.push((self.lines.get(at).map_or("", String::as_str), truth.as_str()));
            }
        }
        compared
    }

    pub(super) fn is_located(&self) -> bool {
        !self.lines.is_empty()
    }

    pub(super) fn is_right(&self) -> bool {
        self.lines.len() == self.truth.lines.len()
            && self.compared().iter().all(|(read, truth)| read == truth)
    }

    /// Numbers of characters read correctly, and of all characters.
    pub(super) fn characters(&self) -> (usize, usize) {
        let right = |(read, truth): &(&str, &str)| truth.len().saturating_sub(edits(read, truth));
        let compared = self.compared();
        (compared.iter().map(right).sum(), compared.iter().map(|(_, truth)| truth.len()).sum())
    }

    pub(super) fn type_is_right(&self) -> Option<bool> {
        self.truth.format.as_ref().map(|format| *format == self.format)
    }

    /// Whether the zone is wrong although all its check digits are right.
    pub(super) fn deceives(&self) -> bool {
        let is_wrong = if self.truth.format.as_deref() == Some(NONE) {
            self.is_located()
        } else {
            !self.is_right()
        };
        (self.truth.has_lines() || self.truth.format.is_some())
            && self.valid
            && !self.corrected
            && is_wrong
    }
}

/// Characters to insert, delete or replace (Levenshtein).
fn edits(read: &str, truth: &str) -> usize {
    let (read, truth) = (read.as_bytes(), truth.as_bytes());
    let mut row: Vec<usize> = (0..=truth.len()).collect();
    for (i, left) in read.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in truth.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[truth.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("ABC", "ABC"), 0);
        assert_eq!(edits("", "ABC"), 3);
        assert_eq!(edits("AXC<", "ABC"), 2);
    }
}
