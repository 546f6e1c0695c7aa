//! The plugin under examination with everything that it needs, and the ways to call it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use vultus_plugin_api::manifest::AnalysisSpec;
use vultus_plugin_api::{Config, Failure, Manifest, Outcome, PixelFormat, Status};
use vultus_plugin_host::{Instance, OpenError, Plugin};
use vultus_worker_protocol::{PluginFile, WorkerSetup};

use super::call::{Cancel, Host, Job, Layout, Provider};
use super::gauges::Gauges;
use super::scene::{Amount, Content, SMALL, Sample, Scene};

/// The value of parameters that the node fills in.
const DAY: &str = "2026-01-15";

/// The files and settings of an examination, before anything is opened.
pub(super) struct Parts {
    pub(super) file: PathBuf,
    config: Config,
    providers: Vec<(PathBuf, Config)>,
    samples: Vec<Sample>,
    pub(super) gauges: Gauges,
}

impl Parts {
    /// Reads a worker's setup, whose last plugin is the one to examine.
    pub(super) fn of(
        setup: &WorkerSetup,
        samples: Vec<Sample>,
        gauges: Gauges,
    ) -> Result<Self, String> {
        let config = |file: &PluginFile| match &file.settings {
            Value::Object(settings) => Ok(Config {
                onnxruntime: setup.onnxruntime.clone(),
                weights_dir: setup.weights_dir.clone(),
                threads: setup.threads,
                settings: settings.clone(),
            }),
            _ => Err(format!("the settings of {} are not a JSON object", file.path)),
        };
        let (file, others) = setup.plugins.split_last().ok_or("there is no plugin to examine")?;
        let providers = others
            .iter()
            .map(|file| Ok((PathBuf::from(&file.path), config(file)?)))
            .collect::<Result<_, String>>()?;
        Ok(Self {
            file: PathBuf::from(&file.path),
            config: config(file)?,
            providers,
            samples,
            gauges,
        })
    }

    pub(super) fn open(&self) -> Result<Plugin, OpenError> {
        Plugin::open(&self.file)
    }

    pub(super) fn create(&self, plugin: &Plugin) -> Result<Instance, Failure> {
        plugin.create(&self.config)
    }

    /// The manifests of the providers.
    pub(super) fn providers(&self) -> Result<Vec<Manifest>, String> {
        let open = |(path, _): &(PathBuf, Config)| {
            Plugin::open(path).map(|plugin| plugin.manifest().clone())
        };
        self.providers.iter().map(|part| open(part).map_err(|error| error.to_string())).collect()
    }
}

/// The opened plugin.
pub(super) struct Subject<'p> {
    parts: &'p Parts,
    pub(super) plugin: Plugin,
    /// The other plugins, followed by the plugin itself if it provides features.
    providers: Vec<Provider>,
}

/// How a call ended, and what was observed.
pub(super) struct Called {
    pub(super) result: Result<Outcome, Failure>,
    pub(super) took: Duration,
    /// Time from the cancellation until the plugin returned.
    pub(super) stopped_after: Option<Duration>,
    pub(super) unlisted: Vec<String>,
    /// Number of accepted artifacts.
    pub(super) artifacts: usize,
    /// Why the other artifacts were rejected.
    pub(super) refused: Vec<String>,
}

impl<'p> Subject<'p> {
    pub(super) fn open(parts: &'p Parts) -> Result<Self, String> {
        let plugin = parts.open().map_err(|error| error.to_string())?;
        let mut providers = Vec::new();
        for (path, config) in &parts.providers {
            let other = Plugin::open(path).map_err(|error| error.to_string())?;
            providers.push(Provider::new(other, config).map_err(|failure| failure.to_string())?);
        }
        if !plugin.manifest().provides.is_empty() {
            providers.push(
                Provider::new(plugin.clone(), &parts.config)
                    .map_err(|failure| failure.to_string())?,
            );
        }
        // A plugin counts as opened only if an instance can be created.
        parts.create(&plugin).map_err(|failure| failure.to_string())?;
        Ok(Self { parts, plugin, providers })
    }

    pub(super) fn analyses(&self) -> &[AnalysisSpec] {
        &self.plugin.manifest().analyses
    }

    pub(super) fn gauges(&self) -> &Gauges {
        &self.parts.gauges
    }

    pub(super) fn samples(&self) -> &[Sample] {
        &self.parts.samples
    }

    /// The plugin as the provider of the features that it computes.
    pub(super) fn own_provider(&self) -> Option<&Provider> {
        self.providers.last().filter(|_| !self.plugin.manifest().provides.is_empty())
    }

    pub(super) fn create(&self) -> Result<Instance, Failure> {
        self.parts.create(&self.plugin)
    }

    /// A job with the manifest's first pixel format and default parameters.
    pub(super) fn job(&self, spec: &AnalysisSpec, scene: Scene) -> Job<'_> {
        self.job_with(spec, scene, self.layout(spec), defaults(spec))
    }

    pub(super) fn job_with(
        &self,
        spec: &AnalysisSpec,
        scene: Scene,
        layout: Layout,
        params: Value,
    ) -> Job<'_> {
        Job::new(spec, params, scene, layout, &self.providers)
    }

    pub(super) fn layout(&self, spec: &AnalysisSpec) -> Layout {
        let format = spec
            .pixel_formats
            .first()
            .and_then(|name| PixelFormat::from_name(name))
            .unwrap_or(PixelFormat::Rgb8);
        Layout { format, max_side: spec.max_side, padding: 0 }
    }

    /// A job on small generated pictures, for any analysis.
    pub(super) fn small_job(&self, spec: &AnalysisSpec, content: Content) -> Option<Job<'_>> {
        Some(self.job(spec, Scene::made(spec, content, SMALL, Amount::Fewest)?))
    }
}

/// Calls an instance with a job.
pub(super) fn call(instance: &mut Instance, job: &Job<'_>, cancel: Cancel) -> Called {
    call_by(job, cancel, |host| instance.analyze(host, &job.request))
}

/// Calls an instance as a host with a later minor version would.
pub(super) fn call_as_newer_host(instance: &mut Instance, job: &Job<'_>) -> Called {
    call_by(job, Cancel::Never, |host| instance.analyze_as_newer_host(host, &job.request))
}

fn call_by(
    job: &Job<'_>,
    cancel: Cancel,
    analyze: impl FnOnce(&mut Host<'_, '_>) -> Result<Outcome, Failure>,
) -> Called {
    let mut host = Host::new(job, cancel);
    let begun = Instant::now();
    let result = analyze(&mut host);
    let took = begun.elapsed();
    let stopped_after = host.told_to_stop_at().map(|at| at.elapsed());
    Called {
        result,
        took,
        stopped_after,
        unlisted: host.unlisted,
        artifacts: host.artifacts,
        refused: host.refused,
    }
}

/// The parameters of a request that gives none.
pub(super) fn defaults(spec: &AnalysisSpec) -> Value {
    let properties = spec.params_schema.get("properties").and_then(Value::as_object);
    let with_default = |(name, property): (&String, &Value)| {
        // Parameters that the node fills in are the same in every examination.
        let filled = match property.get("x-filled-by-node").and_then(Value::as_str) {
            Some("today") => Some(Value::from(DAY)),
            Some("challenge_missing") => Some(Value::Bool(false)),
            Some(_) => Some(Value::Null),
            None => None,
        };
        Some((name.clone(), filled.or_else(|| property.get("default").cloned())?))
    };
    Value::Object(properties.into_iter().flatten().filter_map(with_default).collect())
}

/// What is wrong with the answer to a job that can be judged: "no face" is an outcome, not a
/// failure.
pub(super) fn must_judge(called: &Called) -> Option<String> {
    let failure = called.result.as_ref().err()?;
    Some(match failure.status {
        Status::Internal if failure.message.starts_with("the outcome of") => {
            failure.message.clone()
        }
        status => {
            format!("it returned {} instead of an outcome: {}", status.name(), failure.message)
        }
    })
}

/// As [`must_judge`], for a job that the plugin may also reject as invalid input.
pub(super) fn may_refuse(called: &Called) -> Option<String> {
    match &called.result {
        Err(failure) if failure.status == Status::InvalidInput => None,
        _ => must_judge(called),
    }
}
