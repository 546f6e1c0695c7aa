//! One instance of a plugin: calls it, and lets nothing unchecked out.

use serde::de::IgnoredAny;
use vultus_plugin_api::calling::{JobHost, JobRequest, RawInstance};
use vultus_plugin_api::manifest::Scope;
use vultus_plugin_api::{Config, Failure, FeatureRequest, Outcome, Status};

use crate::Plugin;
use crate::outcome_rules::{OutcomeRules, check_outcome};

/// One instance. After a panic it is destroyed and made anew for the next call.
#[derive(Debug)]
pub struct Instance {
    plugin: Plugin,
    config: Config,
    raw: Option<RawInstance>,
    refused_outcome: bool,
}

impl Instance {
    pub(crate) fn create(plugin: Plugin, config: Config) -> Result<Self, Failure> {
        let raw = Some(plugin.entry().create(&config)?);
        Ok(Self { plugin, config, raw, refused_outcome: false })
    }

    /// The plugin that this is an instance of.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Whether the newest call of [`Instance::analyze`] failed because its outcome was against the
    /// rules.
    pub fn refused_outcome(&self) -> bool {
        self.refused_outcome
    }

    /// Judges a job. The outcome is checked: size, JSON, finite numbers, `result_schema`, reasons.
    ///
    /// # Errors
    /// The plugin's failure; the host's own while it served the plugin; `Unsupported` for an
    /// analysis that the manifest does not list; `Internal`, saying what is wrong, for an outcome
    /// against the rules.
    pub fn analyze(
        &mut self,
        host: &mut dyn JobHost,
        request: &JobRequest,
    ) -> Result<Outcome, Failure> {
        self.analyze_by(request, |raw| raw.analyze(host, request))
    }

    /// The same as a host of a later minor version would call it, see
    /// [`RawInstance::analyze_as_newer_host`].
    ///
    /// # Errors
    /// As [`Instance::analyze`].
    pub fn analyze_as_newer_host(
        &mut self,
        host: &mut dyn JobHost,
        request: &JobRequest,
    ) -> Result<Outcome, Failure> {
        self.analyze_by(request, |raw| raw.analyze_as_newer_host(host, request))
    }

    fn analyze_by(
        &mut self,
        request: &JobRequest,
        analyze: impl FnOnce(&mut RawInstance) -> Result<Vec<u8>, Failure>,
    ) -> Result<Outcome, Failure> {
        self.refused_outcome = false;
        let plugin = self.plugin.clone();
        let manifest = plugin.manifest();
        let analysis = &request.analysis;
        let (Some(_), Some(schema)) = (
            manifest.analyses.iter().find(|spec| spec.kind == *analysis),
            plugin.result_schema(analysis),
        ) else {
            let id = &manifest.id;
            return Err(Failure::unsupported(format!("{id} has no analysis {analysis}")));
        };
        check_media(request)?;
        let json = self.call(analyze)?;
        check_outcome(&json, &OutcomeRules { schema, media: &request.media }).map_err(|problem| {
            self.refused_outcome = true;
            Failure::internal(format!("the outcome of {analysis} by {}: {problem}", manifest.id))
        })
    }

    /// Computes a feature: JSON, at most 4 MiB, whose shape the feature's name and version say.
    ///
    /// # Errors
    /// As [`Instance::analyze`]; `InvalidInput` for a medium or frame that is not there, or a scope
    /// that the feature has not.
    pub fn provide(
        &mut self,
        host: &mut dyn JobHost,
        request: &FeatureRequest,
        job: &JobRequest,
    ) -> Result<Vec<u8>, Failure> {
        let plugin = self.plugin.clone();
        let manifest = plugin.manifest();
        let name = &request.feature;
        let provided = manifest.provides.iter().find(|provided| provided.feature == *name);
        let Some(provided) = provided else {
            return Err(Failure::unsupported(format!("{} does not provide {name}", manifest.id)));
        };
        check_media(job)?;
        let medium = job.media.get(request.medium as usize);
        let fits = medium.is_some_and(|medium| match (provided.scope, request.frame) {
            (Scope::Frame, Some(frame)) => frame < medium.frame_count,
            (Scope::Medium, None) => true,
            (Scope::Frame, None) | (Scope::Medium, Some(_)) => false,
        });
        if !fits {
            return Err(Failure::invalid_input(format!(
                "{name} has no value for medium {}, frame {:?}",
                request.medium, request.frame
            )));
        }
        let json = self.call(|raw| raw.provide(host, request, job))?;
        serde_json::from_slice::<IgnoredAny>(&json).map_err(|error| {
            Failure::internal(format!("the feature {name} of {} is not JSON: {error}", manifest.id))
        })?;
        Ok(json)
    }

    fn call<R>(
        &mut self,
        call: impl FnOnce(&mut RawInstance) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let raw = match &mut self.raw {
            Some(raw) => raw,
            None => self.raw.insert(self.plugin.entry().create(&self.config)?),
        };
        let result = call(raw);
        if matches!(&result, Err(failure) if failure.status == Status::Panic) {
            self.raw = None;
        }
        result
    }
}

fn check_media(request: &JobRequest) -> Result<(), Failure> {
    for (place, medium) in request.media.iter().enumerate() {
        if medium.index as usize != place {
            let index = medium.index;
            return Err(Failure::internal(format!("medium {index} stands at place {place}")));
        }
    }
    Ok(())
}
