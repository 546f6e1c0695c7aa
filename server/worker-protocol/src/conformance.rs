//! Messages between `vultus plugin check` and the process that examines a plugin: a request on
//! standard input, one event per line on standard output. Not part of the protocol between node and
//! worker.

use serde::{Deserialize, Serialize};

use crate::message::WorkerSetup;

/// The whole environment of the examining process. Without a cache per thread, the C library's
/// allocator reports the bytes in use exactly, so that a leak of one small allocation per call is
/// visible.
pub const ENVIRONMENT: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0");

/// A request to examine a plugin, as JSON on standard input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConformanceRequest {
    /// The setup of a worker. The last plugin is examined; those before it provide features.
    pub setup: WorkerSetup,
    /// Media to use in addition to the generated ones.
    pub media: Vec<SampleFile>,
    /// Name of the rule to start with; absent: the first rule.
    pub first_rule: Option<String>,
}

/// A media file for an examination.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SampleFile {
    /// Absolute path.
    pub path: String,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A line on standard output.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ConformanceEvent {
    /// The examination of a rule begins. If it does not end within the limit, the plugin hangs.
    Begin {
        /// Name of the rule.
        rule: String,
        /// Time limit in milliseconds.
        limit_ms: u64,
    },
    /// The examination of a rule ended.
    End(RuleReport),
    /// The plugin was opened.
    Opened {
        /// Id of the plugin.
        id: String,
        /// Version of the plugin.
        version: String,
        /// SHA-256 of its file, lower-case hexadecimal.
        sha256: String,
    },
    /// The kernel lacks a part of the sandbox.
    Gap {
        /// One sentence for the operator.
        sentence: String,
    },
    /// The examination is impossible for a reason other than the plugin.
    Failed {
        /// The reason.
        detail: String,
    },
}

/// Result of the examination of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReport {
    /// Name of the rule.
    pub rule: String,
    /// The requirement, as one phrase.
    pub about: String,
    /// Numbers of the corresponding rules of `ABI.md`.
    pub abi: Vec<u32>,
    /// Whether it holds.
    pub verdict: RuleVerdict,
    /// Findings; at least one sentence if the rule is broken.
    pub details: Vec<String>,
}

/// Whether a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleVerdict {
    /// The plugin follows the rule.
    Holds,
    /// The plugin breaks the rule.
    Broken,
    /// The rule does not concern this plugin.
    NotApplicable,
    /// Not examined, because an earlier rule is broken.
    NotReached,
}

/// A rule of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo {
    /// Name.
    pub name: &'static str,
    /// The requirement, as one phrase.
    pub about: &'static str,
    /// Numbers of the corresponding rules of `ABI.md`.
    pub abi: &'static [u32],
}

macro_rules! rules {
    ($($name:literal [$($abi:literal),*] $about:literal)*) => {
        /// All rules, in the order of the examination.
        pub const RULES: &[RuleInfo] =
            &[$(RuleInfo { name: $name, about: $about, abi: &[$($abi),*] }),*];
    };
}

rules! {
    "file" [1, 2, 6] "a shared library for this machine that exports VULTUS_PLUGIN"
    "header" [3, 4, 7, 9] "magic, version, size and functions of VULTUS_PLUGIN"
    "manifest" [5, 16, 17, 18, 19, 20, 21, 22, 23] "the manifest follows its rules"
    "manifest_is_constant" [17] "the manifest is constant"
    "features_have_providers" [24] "every feature that it needs has a provider"
    "create" [25, 26, 27] "instances can be created and destroyed repeatedly"
    "empty_input" [33, 50] "media without frames"
    "tiny_input" [33, 42] "pictures of one to three pixels"
    "huge_input" [20, 42] "pictures of max_side, within timeout_ms"
    "grey_input" [33, 49, 53] "grey, black and white pictures"
    "no_face_input" [33, 49, 53] "pictures without a face"
    "long_input" [20, 41] "media of 24 frames, within timeout_ms"
    "many_media" [20, 40] "as many media as the slots take, within timeout_ms"
    "own_media" [49, 50, 51, 52, 53] "the media given by --media"
    "parameters" [21] "parameters at the ends of what their schema allows"
    "pixel_formats" [42] "each pixel format of the manifest"
    "padded_rows" [43] "rows with padding between them"
    "newer_host" [8, 40] "a host with a later minor version of the ABI"
    "listed_features" [45] "requests only features that its manifest lists"
    "artifacts" [47] "creates only artifacts that a host accepts"
    "same_input_same_result" [30] "same input, same result, on any instance and after any other job"
    "threads" [28] "an instance on another thread, and several instances at once"
    "cancel_before" [36] "stops within 100 ms when cancelled before the first frame"
    "cancel_during" [36] "stops within 100 ms when cancelled in the middle"
    "provides" [55] "its own features on all kinds of pictures"
    "leftovers" [29, 38] "leaves no thread, descriptor or child process behind"
    "memory" [11, 12, 27] "no memory leak over 1 000 calls"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_names_are_unique_and_refer_to_abi_rules() {
        let names: std::collections::BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
        assert!(RULES.iter().all(|rule| !rule.abi.is_empty()));
    }
}
