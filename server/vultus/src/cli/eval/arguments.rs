//! Arguments of the evaluations.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct DocumentArguments {
    /// CSV with columns file, type (TD1, TD2, TD3, MRV-A, MRV-B or none), line1, line2, line3 and
    /// optionally names_certain and variant
    #[arg(long)]
    pub(super) list: PathBuf,
    /// Folder to which the paths in the list are relative
    #[arg(long)]
    pub(super) root: PathBuf,
    /// Do not read the visual zone, nor extract the portrait
    #[arg(long)]
    pub(super) mrz_only: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FaceMatchArguments {
    /// CSV with columns image_a, image_b, same (1 or 0) and optionally lfw_fold
    #[arg(long)]
    pub(super) pairs: PathBuf,
    /// Folder to which the paths in the list are relative
    #[arg(long)]
    pub(super) root: PathBuf,
    /// The pictures are faces already aligned to 112 x 112: skip detection
    #[arg(long)]
    pub(super) aligned: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GestureArguments {
    /// CSV with columns clip and events: `gesture@seconds` for each gesture that the clip shows,
    /// separated by spaces
    #[arg(long)]
    pub(super) list: PathBuf,
    /// Folder to which the paths in the list are relative
    #[arg(long)]
    pub(super) root: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// With `--json`: also what was seen in each clip
    #[arg(long, requires = "json")]
    pub(super) each: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LivenessArguments {
    /// CSV with columns image (a photo, clip or shot set), label (`live` or `bona_fide`; anything
    /// else names the species of an attack) and optionally source and recording
    #[arg(long)]
    pub(super) list: PathBuf,
    /// Folder to which the paths in the list are relative
    #[arg(long)]
    pub(super) root: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// With --json: list each presentation with its verdict and measures, too
    #[arg(long, requires = "json")]
    pub(super) each: bool,
}
