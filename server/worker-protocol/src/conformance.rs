//! What `vultus plugin check` and the process that examines a plugin say to each other: a request
//! on standard input, one event a line on standard output. Not part of the protocol between node
//! and worker.

use serde::{Deserialize, Serialize};

use crate::WorkerSetup;

/// All of the environment of the examining process: without a cache of its own for each thread, the
/// allocator of the C library knows to the byte what is in use, and a leak of one small allocation
/// in each call shows.
pub const ENVIRONMENT: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0");

/// What to examine, as JSON on standard input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConformanceRequest {
    /// As for a worker: the plugin to examine is the last one, those before it provide features.
    pub setup: WorkerSetup,
    /// Media to try beside the made ones.
    pub media: Vec<SampleFile>,
    /// The rule to begin with; the first when absent.
    pub first_rule: Option<String>,
}

/// A file to try.
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
    /// A rule is begun; it is done within the limit, or the plugin hangs.
    Begin {
        /// Its name.
        rule: String,
        /// Milliseconds that it may take.
        limit_ms: u64,
    },
    /// A rule was examined.
    End(RuleReport),
    /// The plugin could be opened.
    Opened {
        /// Its id.
        id: String,
        /// Its version.
        version: String,
        /// SHA-256 of the file.
        sha256: String,
    },
    /// What the sandbox could not enforce on this kernel.
    Gap {
        /// One sentence for the operator.
        sentence: String,
    },
    /// The examination cannot be made, at no fault of the plugin.
    Failed {
        /// Why.
        detail: String,
    },
}

/// What was found about one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReport {
    /// Name of the rule.
    pub rule: String,
    /// What it asks, as one phrase.
    pub about: String,
    /// Numbers of the rules of `ABI.md` behind it.
    pub abi: Vec<u32>,
    /// Whether it holds.
    pub verdict: RuleVerdict,
    /// What was found; of a broken rule at least one sentence.
    pub details: Vec<String>,
}

/// Whether a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleVerdict {
    /// It does.
    Holds,
    /// It does not.
    Broken,
    /// The plugin has nothing that the rule is about.
    NotApplicable,
    /// Something before it is broken.
    NotReached,
}

/// A rule with its place in the suite, for who starts and restarts an examination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo {
    /// Name.
    pub name: &'static str,
    /// What it asks, as one phrase.
    pub about: &'static str,
    /// Numbers of the rules of `ABI.md` behind it.
    pub abi: &'static [u32],
}

macro_rules! rules {
    ($($name:literal [$($abi:literal),*] $about:literal)*) => {
        /// All rules, in the order in which they are examined.
        pub const RULES: &[RuleInfo] = &[$(RuleInfo { name: $name, about: $about, abi: &[$($abi),*] }),*];
    };
}

rules! {
    "file" [1, 2, 6] "a shared library for this machine that exports VULTUS_PLUGIN"
    "header" [3, 4, 7, 9] "magic, version, size and functions of VULTUS_PLUGIN"
    "manifest" [5, 16, 17, 18, 19, 20, 21, 22, 23] "the manifest keeps to its rules"
    "manifest_is_constant" [17] "the manifest is the same each time"
    "features_have_providers" [24] "what it asks of others is provided"
    "create" [25, 26, 27] "instances are made and ended again and again"
    "empty_input" [33, 50] "media without a frame"
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
    "newer_host" [8, 40] "a host of a later minor version"
    "listed_features" [45] "asks for no feature that its manifest does not list"
    "artifacts" [47] "leaves only artifacts that a host keeps"
    "same_input_same_result" [30] "same input, same result, on any instance after any other job"
    "threads" [28] "an instance on another thread, several at once"
    "cancel_before" [36] "stops within 100 ms when cancelled before the first frame"
    "cancel_during" [36] "stops within 100 ms when cancelled in the middle"
    "provides" [55] "its own features on all kinds of pictures"
    "leftovers" [29, 38] "leaves no thread, descriptor or child behind"
    "memory" [11, 12, 27] "no leak over 1 000 calls"
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
