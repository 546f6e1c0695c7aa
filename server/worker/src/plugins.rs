//! The plugins of a worker, opened once and checked against each other, with their instances.
//!
//! A plugin that cannot be used is rejected with the reason; the others are used. Judging instances
//! are never providing instances, because a provider is called in the middle of a judgement.

use std::collections::BTreeMap;
use std::path::Path;

use vultus_media::Tracking;
use vultus_plugin_api::manifest::{AnalysisSpec, Provided, Scope};
use vultus_plugin_api::{Config, Failure};
use vultus_plugin_host::{Instance, Plugin};
use vultus_worker_protocol::{PluginFile, PluginOrigin, PluginReport, RefusedPlugin, WorkerSetup};

use crate::medium::TrackView;
use crate::selection::{self, Candidate, Refusal, Selection};
use crate::weights::Weights;

/// All plugins of the worker.
#[derive(Debug)]
pub(crate) struct Plugins {
    loaded: Vec<Loaded>,
    refused: Vec<RefusedPlugin>,
    /// Index of the plugin that offers each analysis.
    analyses: BTreeMap<String, usize>,
    /// Index of the plugin that provides each feature.
    features: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Loaded {
    plugin: Plugin,
    config: Config,
    weights: Vec<(String, String)>,
    judge: Option<Instance>,
    /// Providing instances that are not in a call.
    providers: Vec<Instance>,
    instances: u32,
}

/// The plugin and weights that judge: part of a verdict's provenance.
#[derive(Debug, Clone)]
pub(crate) struct Provenance {
    pub(crate) plugin: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
    pub(crate) weights: Vec<(String, String)>,
}

impl Plugins {
    /// Opens the plugins of the setup and creates instances of those that can work together. Never
    /// fails as a whole: a worker without plugins can probe.
    pub(crate) fn open(setup: &WorkerSetup) -> Self {
        let mut plugins = Self {
            loaded: Vec::new(),
            refused: Vec::new(),
            analyses: BTreeMap::new(),
            features: BTreeMap::new(),
        };
        let mut opened = Vec::new();
        for file in &setup.plugins {
            match Plugin::open(Path::new(&file.path)) {
                Ok(plugin) => opened.push((file, plugin)),
                Err(error) => plugins.refuse(file, Refusal::because(with_sources(&error))),
            }
        }
        if setup.only_describe {
            plugins.loaded.extend(opened.into_iter().map(|(_, plugin)| Loaded::described(plugin)));
            return plugins;
        }
        let candidates: Vec<Candidate<'_>> =
            opened.iter().map(|(file, plugin)| candidate(file, plugin)).collect();
        let Selection { used, mut refused } = selection::select(&candidates, BTreeMap::new());
        let mut weights = Weights::new(setup.weights_dir.as_deref());
        let mut set_up = BTreeMap::new();
        for place in used {
            let (file, plugin) = &opened[place];
            match Loaded::set_up(plugin.clone(), file, setup, &mut weights) {
                Ok(loaded) => drop(set_up.insert(place, loaded)),
                Err(detail) => drop(refused.insert(place, Refusal::because(detail))),
            }
        }
        // Plugins that need a feature of a rejected plugin are rejected as well.
        let Selection { used, refused } = selection::select(&candidates, refused);
        for loaded in used.iter().filter_map(|place| set_up.remove(place)) {
            plugins.take(loaded);
        }
        for (place, refusal) in refused {
            plugins.refuse(opened[place].0, refusal);
        }
        plugins
    }

    fn refuse(&mut self, file: &PluginFile, refusal: Refusal) {
        let Refusal { detail, missing } = refusal;
        self.refused.push(RefusedPlugin { path: file.path.clone(), detail, missing });
    }

    fn take(&mut self, loaded: Loaded) {
        let place = self.loaded.len();
        let manifest = loaded.plugin.manifest();
        self.analyses.extend(manifest.analyses.iter().map(|spec| (spec.kind.clone(), place)));
        self.features
            .extend(manifest.provides.iter().map(|provided| (provided.feature.clone(), place)));
        self.loaded.push(loaded);
    }

    /// Reports on the plugins in use.
    pub(crate) fn reports(&self) -> Vec<PluginReport> {
        let report = |loaded: &Loaded| PluginReport {
            manifest: serde_json::to_value(loaded.plugin.manifest())
                .expect("a manifest is plain data"),
            path: loaded.plugin.path().display().to_string(),
            file_sha256: loaded.plugin.file_sha256().to_owned(),
            weights: loaded.weights.clone(),
        };
        self.loaded.iter().map(report).collect()
    }

    /// Plugin files that are not used, with the reason.
    pub(crate) fn refused(&self) -> &[RefusedPlugin] {
        &self.refused
    }

    /// The analysis of this type.
    pub(crate) fn analysis(&self, kind: &str) -> Option<&AnalysisSpec> {
        let manifest = self.loaded[*self.analyses.get(kind)?].plugin.manifest();
        manifest.analyses.iter().find(|spec| spec.kind == kind)
    }

    /// The feature with this name.
    pub(crate) fn provided(&self, feature: &str) -> Option<&Provided> {
        let manifest = self.loaded[*self.features.get(feature)?].plugin.manifest();
        manifest.provides.iter().find(|provided| provided.feature == feature)
    }

    /// The provided features that an analysis can request, directly or through others.
    fn requestable(&self, spec: &AnalysisSpec) -> Vec<&Provided> {
        let mut wanted: Vec<&str> = spec.features.iter().map(String::as_str).collect();
        let (mut seen, mut found) = (std::collections::BTreeSet::new(), Vec::new());
        while let Some(feature) = wanted.pop() {
            if let Some(provided) = self.provided(feature)
                && seen.insert(feature.to_owned())
            {
                found.push(provided);
                wanted.extend(
                    provided.needs.iter().chain(&provided.optional_needs).map(String::as_str),
                );
            }
        }
        found
    }

    /// The part of the tracks of clips that the analysis, or a feature that it can request, reads.
    pub(crate) fn tracking(&self, kind: &str) -> Tracking {
        let Some(spec) = self.analysis(kind) else { return Tracking::Off };
        let requestable = self.requestable(spec);
        let of_features = requestable.iter().map(|it| (it.track.as_deref(), it.track_rate));
        let all = of_features.chain([(spec.track.as_deref(), spec.track_rate)]);
        let views = all.filter_map(|(format, rate)| TrackView::of(format, rate));
        views.map(|view| view.tracking).max().unwrap_or_default()
    }

    /// The plugin that judges an analysis, with its weights and those of all features that it can
    /// request.
    pub(crate) fn provenance(&self, spec: &AnalysisSpec) -> Option<Provenance> {
        let judge = &self.loaded[*self.analyses.get(&spec.kind)?];
        let mut weights: BTreeMap<String, String> = judge.weights.iter().cloned().collect();
        for provided in self.requestable(spec) {
            if let Some(place) = self.features.get(&provided.feature) {
                weights.extend(self.loaded[*place].weights.iter().cloned());
            }
        }
        let manifest = judge.plugin.manifest();
        Some(Provenance {
            plugin: manifest.id.clone(),
            version: manifest.version.clone(),
            sha256: judge.plugin.file_sha256().to_owned(),
            weights: weights.into_iter().collect(),
        })
    }

    /// Takes the judging instance of an analysis; [`Self::give_back_judge`] returns it.
    pub(crate) fn take_judge(&mut self, kind: &str) -> Result<Instance, Failure> {
        let loaded = self.analyses.get(kind).and_then(|place| self.loaded.get_mut(*place));
        let judge = loaded.and_then(|loaded| loaded.judge.take());
        judge.ok_or_else(|| Failure::internal(format!("no instance is free to judge {kind}")))
    }

    pub(crate) fn give_back_judge(&mut self, kind: &str, judge: Instance) {
        if let Some(place) = self.analyses.get(kind) {
            self.loaded[*place].judge = Some(judge);
        }
    }

    /// Takes an instance that provides a feature. Creates another one if all are in a call and the
    /// plugin allows it: this happens when a feature needs another feature of the same plugin.
    pub(crate) fn take_provider(&mut self, feature: &str) -> Result<Instance, Failure> {
        let loaded = self.features.get(feature).and_then(|place| self.loaded.get_mut(*place));
        let loaded =
            loaded.ok_or_else(|| Failure::unsupported(format!("no plugin provides {feature}")))?;
        match loaded.providers.pop() {
            Some(provider) => Ok(provider),
            None => loaded.create(),
        }
    }

    pub(crate) fn give_back_provider(&mut self, feature: &str, provider: Instance) {
        if let Some(place) = self.features.get(feature) {
            self.loaded[*place].providers.push(provider);
        }
    }
}

fn candidate<'c>(file: &'c PluginFile, plugin: &'c Plugin) -> Candidate<'c> {
    Candidate {
        manifest: plugin.manifest(),
        third_party: file.origin == PluginOrigin::ThirdParty,
        grants: &file.grants,
        only_for_features: file.only_for_features,
    }
}

impl Loaded {
    /// A plugin that was opened without creating instances.
    fn described(plugin: Plugin) -> Self {
        Self {
            plugin,
            config: Config::default(),
            weights: Vec::new(),
            judge: None,
            providers: Vec::new(),
            instances: 0,
        }
    }

    /// Checks the weights and creates the first instances.
    fn set_up(
        plugin: Plugin,
        file: &PluginFile,
        setup: &WorkerSetup,
        weights: &mut Weights,
    ) -> Result<Self, String> {
        let weights =
            weights.verify(&plugin.manifest().weights).map_err(|error| error.to_string())?;
        let serde_json::Value::Object(settings) = file.settings.clone() else {
            return Err("its settings are not a JSON object".to_owned());
        };
        let config = Config {
            onnxruntime: setup.onnxruntime.clone(),
            weights_dir: setup.weights_dir.clone(),
            threads: setup.threads,
            settings,
        };
        let mut loaded =
            Self { plugin, config, weights, judge: None, providers: Vec::new(), instances: 0 };
        loaded
            .create_first()
            .map_err(|failure| format!("creating an instance failed: {failure}"))?;
        Ok(loaded)
    }

    fn create_first(&mut self) -> Result<(), Failure> {
        let manifest = self.plugin.manifest().clone();
        if !manifest.analyses.is_empty() {
            self.judge = Some(self.create()?);
        }
        if !manifest.provides.is_empty() {
            let provider = self.create()?;
            self.providers.push(provider);
        }
        Ok(())
    }

    fn create(&mut self) -> Result<Instance, Failure> {
        let manifest = self.plugin.manifest();
        if self.instances >= manifest.instances.max {
            let (id, most) = (&manifest.id, manifest.instances.max);
            return Err(Failure::internal(format!(
                "{id} would need more than the {most} instances that its manifest allows"
            )));
        }
        let instance = self.plugin.create(&self.config)?;
        self.instances += 1;
        Ok(instance)
    }
}

/// Whether a feature is computed per frame.
pub(crate) fn is_of_frames(provided: &Provided) -> bool {
    match provided.scope {
        Scope::Frame => true,
        Scope::Medium => false,
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
