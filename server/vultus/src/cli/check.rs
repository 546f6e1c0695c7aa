//! `vultus check`: a verdict without a server. A temporary worker judges; nothing is stored.
//!
//! Exit codes: 0 SUCCESS, 2 DECLINED, 3 OPERATOR_REQUIRED, 1 failure.

use super::local::{LocalChecker, LocalMedium};
use super::outcome::{CommandError, Done, FAILURE};
use super::report;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use vultus_core::Resolution;
use vultus_service::{AnalysisRequest, CheckedAnalysis, UncheckedJson, overall_resolution};

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// A medium, optionally with tags: FILE[:tag,tag…]
    #[arg(long, value_name = "FILE[:TAG,TAG…]")]
    media: Vec<TaggedFile>,
    /// A selfie: photo, video or shot set. Short for --media FILE:photo_selfie, or
    /// FILE:video_selfie,video_selfie_blank if it is no photo
    #[arg(long, value_name = "FILE")]
    selfie: Vec<PathBuf>,
    /// A reference photo, such as an identity document. Short for --media
    /// FILE:photo_id,photo_id_front
    #[arg(long, value_name = "FILE")]
    reference: Vec<PathBuf>,
    /// Type of an analysis: liveness, face_match, document, or a type of a plugin
    #[arg(long, required = true, value_name = "TYPE")]
    analysis: Vec<String>,
    /// Parameters of an analysis: TYPE={…}
    #[arg(long, value_name = "TYPE=JSON")]
    params: Vec<TypedParams>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `FILE[:tag,tag…]`. A path may contain colons as long as such a file exists.
#[derive(Debug, Clone)]
pub(super) struct TaggedFile {
    pub(super) path: PathBuf,
    pub(super) tags: Vec<String>,
}

impl FromStr for TaggedFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if Path::new(text).exists() {
            return Ok(Self { path: text.into(), tags: Vec::new() });
        }
        let (path, tags) = text.rsplit_once(':').unwrap_or((text, ""));
        let tags = tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        Ok(Self { path: path.into(), tags })
    }
}

/// `TYPE={…}`.
#[derive(Debug, Clone)]
struct TypedParams {
    analysis_type: String,
    params: Value,
}

impl FromStr for TypedParams {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (analysis_type, json) = text.split_once('=').ok_or("expected TYPE=JSON")?;
        let params = serde_json::from_str(json)
            .map_err(|error| format!("the parameters are not JSON: {error}"))?;
        Ok(Self { analysis_type: analysis_type.to_owned(), params })
    }
}

/// Runs the command.
pub(super) fn run(config: Option<&Path>, arguments: &CheckArguments) -> Done {
    let media = media(arguments)?;
    let names: Vec<String> = media.iter().map(|medium| medium.path.display().to_string()).collect();
    let requests = requests(arguments)?;
    report::progress("judging …");
    let judged = LocalChecker::with(config, async |checker| {
        checker
            .check(media, requests)
            .await
            .map_err(|error| CommandError::new(explain(&error, &names)))
    });
    report::progress_done();
    let judged = judged?;
    let resolution = overall_resolution(&judged);
    if arguments.json {
        report::json(&to_json(&judged, resolution, &names));
    } else {
        print_table(&judged, resolution, &names);
    }
    Ok(match resolution {
        Some(Resolution::Success) => ExitCode::SUCCESS,
        Some(Resolution::Declined) => ExitCode::from(2),
        Some(Resolution::OperatorRequired) => ExitCode::from(3),
        None => ExitCode::from(FAILURE),
    })
}

fn media(arguments: &CheckArguments) -> Result<Vec<LocalMedium>, CommandError> {
    let tagged = |path: &PathBuf, tags: &[&str]| LocalMedium {
        path: path.clone(),
        tags: tags.iter().map(ToString::to_string).collect(),
    };
    let mut media: Vec<LocalMedium> = arguments
        .media
        .iter()
        .map(|file| LocalMedium { path: file.path.clone(), tags: file.tags.clone() })
        .collect();
    for path in &arguments.selfie {
        let is_photo = super::local::is_photo(path)?;
        media.push(tagged(
            path,
            if is_photo { &["photo_selfie"] } else { &["video_selfie", "video_selfie_blank"] },
        ));
    }
    media.extend(
        arguments.reference.iter().map(|path| tagged(path, &["photo_id", "photo_id_front"])),
    );
    if media.is_empty() {
        return Err(CommandError::new("no media: give --media, --selfie or --reference"));
    }
    Ok(media)
}

fn requests(arguments: &CheckArguments) -> Result<Vec<AnalysisRequest>, CommandError> {
    if let Some(unused) =
        arguments.params.iter().find(|params| !arguments.analysis.contains(&params.analysis_type))
    {
        return Err(CommandError::new(format!(
            "--params for `{}`, but there is no --analysis {}",
            unused.analysis_type, unused.analysis_type
        )));
    }
    let request = |kind: &String| AnalysisRequest {
        kind: kind.clone(),
        media_ids: None,
        media_keys: None,
        params: arguments
            .params
            .iter()
            .rev()
            .find(|params| params.analysis_type == *kind)
            .map(|params| UncheckedJson::of(&params.params)),
        argument: format!("--analysis {kind}"),
    };
    Ok(arguments.analysis.iter().map(request).collect())
}

/// An error, with the name of the file if it is about a medium.
fn explain(error: &vultus_core::Error, names: &[String]) -> String {
    use vultus_core::Error::{InvalidInput, LimitExceeded};
    let (InvalidInput { argument: Some(argument), .. }
    | LimitExceeded { argument: Some(argument), .. }) = error
    else {
        return error.to_string();
    };
    let index = argument
        .strip_prefix("media[")
        .and_then(|rest| rest.split(']').next())
        .and_then(|index| index.parse::<usize>().ok());
    match index.and_then(|index| names.get(index)) {
        Some(name) => format!("{name}: {error}"),
        None => format!("{argument}: {error}"),
    }
}

fn to_json(judged: &[CheckedAnalysis], resolution: Option<Resolution>, names: &[String]) -> Value {
    let analyses: Vec<Value> =
        judged.iter().map(|analysis| analysis_json(analysis, names)).collect();
    json!({"resolution": resolution, "analyses": analyses})
}

fn analysis_json(analysis: &CheckedAnalysis, names: &[String]) -> Value {
    let mut reasons = Vec::new();
    for reason in &analysis.reasons {
        reasons.push(json!({
            "code": reason.code,
            "message": reason.message,
            "media": reason.medium,
            "frame": reason.frame,
        }));
    }
    let result = analysis.result.as_ref().and_then(|result| result.to_value().ok());
    let result = result.as_ref();
    let media: Vec<Value> = analysis
        .media
        .iter()
        .enumerate()
        .map(|(at, medium)| {
            let details = result
                .and_then(|result| result["media"].as_array())
                .and_then(|media| media.iter().find(|m| m["medium"] == at));
            json!({"index": medium.index, "file": names.get(medium.index), "result": details})
        })
        .collect();
    let mut value = json!({
        "type": analysis.kind,
        "state": analysis.state,
        "resolution": analysis.resolution,
        "reasons": reasons,
        "media": media,
        "params": analysis.params,
        "provenance": analysis.provenance,
    });
    for key in ["score", "similarity", "cosine", "fmr", "pairs"] {
        if let Some(found) = result.and_then(|result| result.get(key)) {
            value[key] = found.clone();
        }
    }
    if let Some(document) = result.filter(|_| analysis.kind == "document") {
        value["document"] = document.clone();
    }
    if let Some(failure) = &analysis.failure {
        value["failure"] = json!({"code": failure.code, "message": failure.message});
    }
    value
}

fn print_table(judged: &[CheckedAnalysis], resolution: Option<Resolution>, names: &[String]) {
    let mut rows = vec![["analysis", "verdict", "score", "reasons"].map(str::to_owned).to_vec()];
    for analysis in judged {
        let score = analysis.result.as_ref().and_then(|result| {
            let number = |name| result.field::<f64>(name);
            let attack = number("score").map(|score| format!("attack {score:.3}"));
            let similarity =
                || number("similarity").map(|similarity| format!("similarity {similarity:.3}"));
            let document =
                || result.field::<String>("type").filter(|_| analysis.kind == "document");
            attack.or_else(similarity).or_else(document)
        });
        let verdict = analysis.resolution.map_or_else(
            || state_name(analysis),
            |resolution| resolution_name(resolution).to_owned(),
        );
        rows.push(vec![
            analysis.kind.clone(),
            verdict,
            score.unwrap_or_else(|| "-".to_owned()),
            reasons_text(analysis, names),
        ]);
    }
    report::table(&rows);
    report::line(format_args!("verdict: {}", resolution.map_or("none", resolution_name)));
}

fn state_name(analysis: &CheckedAnalysis) -> String {
    analysis
        .failure
        .as_ref()
        .map_or_else(|| "no verdict".to_owned(), |failure| format!("FAILED {}", failure.code))
}

pub(super) fn resolution_name(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Success => "SUCCESS",
        Resolution::Declined => "DECLINED",
        Resolution::OperatorRequired => "OPERATOR_REQUIRED",
    }
}

fn reasons_text(analysis: &CheckedAnalysis, names: &[String]) -> String {
    let reason = |reason: &vultus_service::CheckedReason| {
        let file = reason
            .medium
            .and_then(|medium| names.get(medium))
            .map(|name| format!(" ({name})"))
            .unwrap_or_default();
        format!("{}{file}", reason.code)
    };
    let mut texts: Vec<String> = analysis.reasons.iter().map(reason).collect();
    texts.extend(analysis.failure.iter().map(|failure| failure.message.clone()));
    texts.join(", ")
}
