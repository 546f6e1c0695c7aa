//! `vultus eval`: error rates on labelled data, with the same worker and plugins as the server, so
//! that operators can reproduce the published figures on their own data.

mod arguments;
mod document;
mod face_match;
mod gestures;
mod judge;
mod list;
mod liveness;
mod metrics;
mod wilson;

use super::outcome::Done;
use arguments::{DocumentArguments, FaceMatchArguments, GestureArguments, LivenessArguments};
use clap::Subcommand;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// Face verification: do two pictures show the same person?
    FaceMatch(FaceMatchArguments),
    /// Presentation attack detection on photos, clips and shot sets
    Liveness(LivenessArguments),
    /// Gestures in clips
    Gestures(GestureArguments),
    /// Machine-readable zones of identity documents
    Document(DocumentArguments),
}

/// Runs an evaluation.
pub(super) fn run(config: Option<&Path>, command: &EvalCommand) -> Done {
    match command {
        EvalCommand::FaceMatch(arguments) => face_match::run(config, arguments),
        EvalCommand::Liveness(arguments) => liveness::run(config, arguments),
        EvalCommand::Gestures(arguments) => gestures::run(config, arguments),
        EvalCommand::Document(arguments) => document::run(config, arguments),
    }
}
