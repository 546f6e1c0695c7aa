//! Runs: decodes each medium once, then executes one analysis after the other. Each analysis sees
//! only its own media.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use vultus_media::{DecodeOptions, Limits, Tracking};
use vultus_plugin_api::PixelFormat;
use vultus_plugin_api::manifest::AnalysisSpec;
use vultus_plugin_host::{JobMedium, JobRequest};
use vultus_worker_protocol::channel::ChannelError;
use vultus_worker_protocol::{
    AnalysisFailure, ArtifactReport, FromWorker, Judgement, RunAnalysis, RunRequest,
};

use crate::failure;
use crate::features::FeatureMemo;
use crate::host::{Host, Judging, View, describe};
use crate::inbox::Cancel;
use crate::medium::{Medium, TrackView};
use crate::meter::{Meter, Work};
use crate::outbox::Outbox;
use crate::plugins::{Plugins, Provenance};

/// Maximum size of an outcome inside a message, in bytes; longer outcomes are attached.
const INLINE_OUTCOME_BYTES: usize = 64 << 10;
/// Number of log lines that the plugins of one run may write.
const LOG_LINES: u32 = 50;

/// How media are decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) decode: DecodeOptions,
}

/// A run in progress.
pub(crate) struct Run<'r> {
    pub(crate) request: &'r RunRequest,
    pub(crate) cancel: &'r Cancel,
    pub(crate) plugins: &'r mut Plugins,
    pub(crate) media: Vec<Medium>,
    pub(crate) memo: FeatureMemo,
    pub(crate) meter: Meter,
    /// Number of log lines that the plugins may still write.
    pub(crate) log_lines_left: u32,
    outbox: &'r mut Outbox,
    /// The first error of a message that was sent during a call.
    untold: Option<ChannelError>,
}

/// Executes one run and sends all results to the node.
pub(crate) fn answer(
    request: &RunRequest,
    descriptors: Vec<OwnedFd>,
    cancel: &Cancel,
    settings: Settings<'_>,
    plugins: &mut Plugins,
    outbox: &mut Outbox,
) -> Result<(), ChannelError> {
    let mut meter = Meter::start();
    outbox.send(&FromWorker::Decoding { run: request.run.clone() }, &[])?;
    meter.switch(Work::Decode);
    let media = decode(request, descriptors, cancel, settings, plugins, &mut meter);
    meter.switch(Work::Other);
    let memo = FeatureMemo::default();
    let mut run = Run {
        request,
        cancel,
        plugins,
        media,
        memo,
        meter,
        log_lines_left: LOG_LINES,
        outbox,
        untold: None,
    };
    for analysis in &request.analyses {
        run.judge_and_tell(analysis)?;
    }
    let costs = run.meter.costs();
    outbox.send(&FromWorker::RunDone { run: request.run.clone(), costs }, &[])
}

/// Decodes the media that an analysis takes, unless a probe has decoded them.
fn decode(
    request: &RunRequest,
    descriptors: Vec<OwnedFd>,
    cancel: &Cancel,
    settings: Settings<'_>,
    plugins: &Plugins,
    meter: &mut Meter,
) -> Vec<Medium> {
    let taken: BTreeSet<usize> = request
        .analyses
        .iter()
        .flat_map(|analysis| &analysis.media)
        .map(|medium| medium.index as usize)
        .collect();
    let mut tracked: BTreeMap<usize, Tracking> = BTreeMap::new();
    for analysis in &request.analyses {
        let tracking = plugins.tracking(&analysis.kind);
        for medium in &analysis.media {
            let most = tracked.entry(medium.index as usize).or_default();
            *most = tracking.max(*most);
        }
    }
    let media = request.media.iter().zip(descriptors).enumerate();
    media
        .map(|(index, (medium, descriptor))| match medium.frame {
            _ if !taken.contains(&index) || cancel.is_set() => Medium::Unused,
            Some(report) => {
                meter.media_reused += 1;
                Medium::of_frame(report, descriptor)
            }
            None => {
                meter.media_decoded += 1;
                let tracking = tracked.get(&index).copied().unwrap_or_default();
                let options = DecodeOptions { tracking, ..settings.decode };
                Medium::decode(descriptor, medium.byte_size, settings.limits, options)
            }
        })
        .collect()
}

/// The result of an analysis with its artifacts.
struct Answer {
    result: Result<Box<Judgement>, AnalysisFailure>,
    artifacts: Vec<(ArtifactReport, Vec<u8>)>,
}

impl Run<'_> {
    /// Sends a message during a call. After an error the run ends when the call returns.
    pub(crate) fn tell(&mut self, message: &FromWorker) {
        if let Err(error) = self.outbox.send(message, &[]) {
            self.untold.get_or_insert(error);
        }
    }

    fn judge_and_tell(&mut self, analysis: &RunAnalysis) -> Result<(), ChannelError> {
        let entered =
            FromWorker::Entered { run: self.request.run.clone(), analysis: analysis.id.clone() };
        self.outbox.send(&entered, &[])?;
        let Answer { mut result, artifacts } = match self.judge(analysis) {
            Ok(answer) => answer,
            Err(failure) => Answer { result: Err(failure), artifacts: Vec::new() },
        };
        if let Some(error) = self.untold.take() {
            return Err(error);
        }
        let mut beside = Vec::with_capacity(artifacts.len() + 1);
        for (_, bytes) in &artifacts {
            beside.push(self.outbox.attachment("artifact", bytes)?);
        }
        let mut outcome_bytes = 0;
        if let Ok(judgement) = &mut result
            && judgement.outcome.len() > INLINE_OUTCOME_BYTES
        {
            let text = std::mem::take(&mut judgement.outcome);
            beside.push(self.outbox.attachment("outcome", text.as_bytes())?);
            outcome_bytes = text.len() as u64;
        }
        let judged = FromWorker::Judged {
            run: self.request.run.clone(),
            analysis: analysis.id.clone(),
            result,
            artifacts: artifacts.into_iter().map(|(report, _)| report).collect(),
            outcome_bytes,
        };
        self.outbox.send(&judged, &beside)
    }

    fn judge(&mut self, analysis: &RunAnalysis) -> Result<Answer, AnalysisFailure> {
        if self.cancel.covers(&analysis.id) {
            return Err(failure::cancelled());
        }
        let spec = self.plugins.analysis(&analysis.kind).cloned();
        let provenance = spec.as_ref().and_then(|spec| self.plugins.provenance(spec));
        let (Some(spec), Some(provenance)) = (spec, provenance) else {
            return Err(failure::no_analyzer(&analysis.kind));
        };
        let track = TrackView::of(spec.track.as_deref(), spec.track_rate);
        let media = self.job_media(analysis, track)?;
        let view = View {
            media: analysis.media.iter().map(|medium| medium.index as usize).collect(),
            only_frame: None,
            max_side: spec.max_side,
            format: pixel_format(&spec),
            track,
            features: spec.features.clone(),
            optional: Vec::new(),
            plugin: provenance.plugin.clone(),
        };
        let request =
            JobRequest { analysis: analysis.kind.clone(), params: analysis.params.clone(), media };
        let mut judge = self.plugins.take_judge(&analysis.kind).map_err(|fault| {
            failure::of_plugin(&fault, failure::Stopped::No, &provenance.plugin)
        })?;
        let mut judging =
            Judging::new(&analysis.id, Instant::now() + Duration::from_millis(analysis.timeout_ms));
        let before = self.meter.switch(Work::Analysis);
        let mut host = Host::new(self, &mut judging, view);
        let judged = judge.analyze(&mut host, &request);
        let stopped = host.stopped();
        self.meter.switch(before);
        let refused_outcome = judge.refused_outcome();
        self.plugins.give_back_judge(&analysis.kind, judge);
        if stopped == failure::Stopped::Cancelled {
            return Err(failure::cancelled());
        }
        match judged {
            Ok(outcome) => {
                let outcome = serde_json::to_string(&outcome).map_err(|error| {
                    failure::bad_request(&format!("writing the outcome failed: {error}"))
                })?;
                Ok(Answer {
                    result: Ok(Box::new(judgement(outcome, provenance))),
                    artifacts: judging.artifacts,
                })
            }
            Err(fault) if refused_outcome => Err(failure::bad_result(&fault, &provenance.plugin)),
            Err(fault) => Err(failure::of_plugin(&fault, stopped, &provenance.plugin)),
        }
    }

    /// The media of an analysis as its plugin sees them. Fails if one could not be decoded.
    fn job_media(
        &self,
        analysis: &RunAnalysis,
        track: Option<TrackView>,
    ) -> Result<Vec<JobMedium>, AnalysisFailure> {
        let mut media = Vec::with_capacity(analysis.media.len());
        for (place, slotted) in analysis.media.iter().enumerate() {
            let index = slotted.index as usize;
            let described = match (self.media.get(index), self.request.media.get(index)) {
                (Some(Medium::Decoded(decoded)), Some(medium)) => describe(
                    decoded,
                    track,
                    place as u32,
                    slotted.slot.clone(),
                    medium.tags.clone(),
                    slotted.named,
                ),
                (Some(Medium::Refused(refusal)), Some(medium)) => {
                    return Err(failure::unreadable(refusal, place + 1, &medium.id));
                }
                (Some(Medium::Lost(error)), _) => return Err(failure::lost_frame(error)),
                (Some(Medium::Unused), _) => return Err(failure::cancelled()),
                (None, _) | (_, None) => {
                    return Err(failure::bad_request("a medium of the analysis is not in the run"));
                }
            };
            media.push(described);
        }
        Ok(media)
    }
}

fn judgement(outcome: String, provenance: Provenance) -> Judgement {
    Judgement {
        outcome,
        plugin: provenance.plugin,
        plugin_version: provenance.version,
        plugin_sha256: provenance.sha256,
        weights: provenance.weights,
    }
}

/// The analysis' first pixel format that this host knows.
fn pixel_format(spec: &AnalysisSpec) -> PixelFormat {
    spec.pixel_formats
        .iter()
        .find_map(|name| PixelFormat::from_name(name))
        .unwrap_or(PixelFormat::Rgb8)
}
