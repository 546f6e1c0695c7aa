//! Keys of decisions of people.

use super::kinds::seconds;
use super::source::section;
use std::time::Duration;

section! {
    /// Decisions of people.
    pub struct DecisionsConfig {
        /// How long after a decision the person who took it, or an administrator, can undo it, in
        /// seconds. 0: a decision cannot be undone.
        undo_seconds: Duration = 3600, seconds(0..=31_536_000);
        /// How long a claimed case is kept for the person who claimed it, in seconds. Claiming it
        /// again renews the claim; after its end another person can claim the case.
        claim_seconds: Duration = 600, seconds(10..=86_400);
    }
}
