//! `vultus eval document`: how many machine-readable zones of labelled pictures are read correctly.

mod figures;
mod judged;
mod print;

use super::arguments::DocumentArguments;
use super::judge::judge_all_timed;
use super::list::read_documents;
use crate::cli::local::{LocalChecker, LocalMedium};
use crate::cli::outcome::Done;
use judged::Judged;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn run(config: Option<&Path>, arguments: &DocumentArguments) -> Done {
    let list = read_documents(&arguments.list, &arguments.root)?;
    let tags = ["photo_id", "photo_id_front"].map(str::to_owned).to_vec();
    let samples = list
        .iter()
        .map(|truth| vec![LocalMedium { path: truth.image.clone(), tags: tags.clone() }])
        .collect();
    let params = arguments.mrz_only.then(|| json!({"visualZone": false, "extractPortrait": false}));
    let answers = LocalChecker::with(config, async |checker| {
        judge_all_timed(checker, "document", params, samples).await
    })?;
    let judged: Vec<Judged<'_>> = list
        .iter()
        .zip(&answers)
        .map(|(truth, (analysis, elapsed))| Judged::new(truth, analysis, *elapsed))
        .collect();
    if arguments.json {
        print::print_json(&judged);
    } else {
        print::print_tables(&judged);
    }
    Ok(ExitCode::SUCCESS)
}
