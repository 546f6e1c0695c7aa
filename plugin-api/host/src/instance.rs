//! An instance of a plugin. Calls it and checks everything that it returns.

use serde::de::IgnoredAny;
use vultus_plugin_api::calling::{JobHost, JobRequest, RawInstance};
use vultus_plugin_api::manifest::{Encoding, Scope};
use vultus_plugin_api::{Config, Failure, FeatureRequest, Outcome, Status, Table};

use crate::outcome_rules::{OutcomeRules, check_outcome};
use crate::plugin::Plugin;

/// An instance. After a panic it is destroyed, and created again for the next call.
#[derive(Debug)]
pub struct Instance {
    plugin: Plugin,
    config: Config,
    raw: Option<RawInstance>,
    refused_outcome: bool,
}

impl Plugin {
    /// Creates an instance. The caller limits their number to `instances.max` of the manifest.
    ///
    /// # Errors
    /// The plugin's failure, such as `InvalidInput` for wrong settings.
    pub fn create(&self, config: &Config) -> Result<Instance, Failure> {
        Instance::create(self.clone(), config.clone())
    }
}

impl Instance {
    fn create(plugin: Plugin, config: Config) -> Result<Self, Failure> {
        let raw = Some(plugin.entry().create(&config)?);
        Ok(Self { plugin, config, raw, refused_outcome: false })
    }

    /// The plugin of this instance.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Whether the latest call of [`Instance::analyze`] failed because the outcome was invalid.
    pub fn refused_outcome(&self) -> bool {
        self.refused_outcome
    }

    /// Judges a job and checks the outcome: size, JSON, finite numbers, `result_schema`, reasons.
    ///
    /// # Errors
    /// The failure of the plugin, or of the host while it served the plugin; `Unsupported` for an
    /// analysis that the manifest does not list; `Internal`, with the broken rule, for an invalid
    /// outcome.
    pub fn analyze(
        &mut self,
        host: &mut dyn JobHost,
        request: &JobRequest,
    ) -> Result<Outcome, Failure> {
        self.analyze_by(request, |raw| raw.analyze(host, request))
    }

    /// Judges a job as a host with a later minor version would, see
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

    /// Computes a feature: at most 4 MiB of JSON or a table, in the shape that its name and version
    /// determine.
    ///
    /// # Errors
    /// As [`Instance::analyze`]; `InvalidInput` for a medium or frame that does not exist, or for
    /// the wrong scope.
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
        let value = self.call(|raw| raw.provide(host, request, job))?;
        let problem = match provided.encoding {
            Encoding::Json => serde_json::from_slice::<IgnoredAny>(&value)
                .err()
                .map(|error| format!("is not JSON: {error}")),
            Encoding::Table => {
                Table::from_bytes(&value).err().map(|error| format!("is not a table: {error}"))
            }
        };
        match problem {
            None => Ok(value),
            Some(problem) => {
                let id = &manifest.id;
                Err(Failure::internal(format!("the feature {name} of {id} {problem}")))
            }
        }
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
            return Err(Failure::internal(format!("medium {index} is at position {place}")));
        }
    }
    Ok(())
}
