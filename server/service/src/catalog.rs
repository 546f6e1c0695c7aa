//! The analysis types that this node offers, with what is needed to check a request for one:
//! compiled once per type.

use super::params::ParamRules;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vultus_core::clock::Clock;
use vultus_core::slots::Slot;
use vultus_core::{Error, MediaKind, Result};
use vultus_plugin_api::manifest::{AnalysisSpec, SlotKind};
use vultus_pools::{LoadedPlugin, PoolName, WorkerPools};

/// One analysis type.
pub(super) struct KnownAnalysis {
    pub(super) kind: String,
    pub(super) pool: PoolName,
    pub(super) slots: Vec<Slot>,
    pub(super) params: ParamRules,
    pub(super) timeout_ms: u64,
}

/// All analysis types.
pub(super) struct Catalog {
    pools: WorkerPools,
    policies: BTreeMap<String, Map<String, Value>>,
    clock: Clock,
    known: Mutex<Known>,
}

/// What was compiled, of the plugins that were in use then.
#[derive(Default)]
struct Known {
    generation: u64,
    types: HashMap<String, Arc<KnownAnalysis>>,
}

impl Catalog {
    /// With the company's policy by analysis type. A policy that its analyzer refuses, or that
    /// nothing offers, is described for the operator.
    pub(super) fn new(
        pools: WorkerPools,
        policies: BTreeMap<String, Map<String, Value>>,
        clock: Clock,
    ) -> Result<Self, String> {
        let catalog = Self { pools, policies, clock, known: Mutex::default() };
        let offered = catalog.kinds();
        for kind in &offered {
            catalog.get(kind, "").map_err(|error| describe(&error))?;
        }
        let unused = catalog
            .policies
            .iter()
            .find(|(kind, params)| !params.is_empty() && !offered.contains(kind));
        match unused {
            Some((kind, _)) => {
                Err(format!("analyzers.{kind}.params: no loaded analyzer offers `{kind}`"))
            }
            None => Ok(catalog),
        }
    }

    /// The analysis type `kind`. `argument` is where the request names it, for errors.
    pub(super) fn get(&self, kind: &str, argument: &str) -> Result<Arc<KnownAnalysis>> {
        let generation = self.pools.generation();
        if let Some(known) = self.known(generation).types.get(kind) {
            return Ok(known.clone());
        }
        let plugins = self.pools.plugins();
        let Some((plugin, spec)) = find(&plugins, kind) else {
            return Err(Error::InvalidInput {
                argument: Some(argument.to_owned()),
                message: format!(
                    "unknown analysis type; this server offers: {}",
                    self.kinds().join(", ")
                ),
                reason: Some("UNKNOWN_ANALYSIS".to_owned()),
            });
        };
        let policy = self.policies.get(kind).cloned().unwrap_or_default();
        let params = ParamRules::new(&spec.params_schema, policy)
            .map_err(|text| Error::broken(format!("analysis type `{kind}`: {text}")))?;
        let known = Arc::new(KnownAnalysis {
            kind: kind.to_owned(),
            pool: plugin.pool.clone(),
            slots: spec.slots.iter().map(slot).collect(),
            params,
            timeout_ms: spec.timeout_ms,
        });
        self.known(generation).types.insert(kind.to_owned(), known.clone());
        Ok(known)
    }

    /// What was compiled of this generation of plugins; that of older ones is forgotten.
    fn known(&self, generation: u64) -> MutexGuard<'_, Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.generation != generation {
            *known = Known { generation, types: HashMap::new() };
        }
        known
    }

    /// Whether the company's policy fits plugins that may come into use.
    pub(super) fn accept(&self, plugins: &[LoadedPlugin]) -> Result<(), String> {
        for spec in plugins.iter().flat_map(|plugin| &plugin.manifest.analyses) {
            let policy = self.policies.get(&spec.kind).cloned().unwrap_or_default();
            ParamRules::new(&spec.params_schema, policy)
                .map_err(|text| format!("analysis type `{}`: {text}", spec.kind))?;
        }
        Ok(())
    }

    /// The day (UTC) that parameters are filled with.
    pub(super) fn today(&self) -> time::Date {
        self.clock.now().date()
    }

    /// The types offered, sorted.
    pub(super) fn kinds(&self) -> Vec<String> {
        let plugins = self.pools.plugins();
        let mut kinds: Vec<String> = plugins
            .iter()
            .flat_map(|plugin| &plugin.manifest.analyses)
            .map(|spec| spec.kind.clone())
            .collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }
}

fn find<'a>(
    plugins: &'a [LoadedPlugin],
    kind: &str,
) -> Option<(&'a LoadedPlugin, &'a AnalysisSpec)> {
    plugins.iter().find_map(|plugin| {
        Some((plugin, plugin.manifest.analyses.iter().find(|spec| spec.kind == kind)?))
    })
}

fn slot(slot: &vultus_plugin_api::manifest::Slot) -> Slot {
    let kind = |kind: &SlotKind| match kind {
        SlotKind::Image => MediaKind::Image,
        SlotKind::Video => MediaKind::Video,
        SlotKind::ShotSet => MediaKind::ShotSet,
    };
    Slot {
        name: slot.name.clone(),
        kinds: slot.kinds.iter().map(kind).collect(),
        any_tags: slot.any_tags.clone(),
        all_tags: slot.all_tags.clone(),
        unless_named_tags: slot.unless_named_tags.clone(),
        min: slot.min,
        max: slot.max,
    }
}

fn describe(error: &Error) -> String {
    match error {
        Error::Internal { context, .. } => context.clone(),
        other => other.to_string(),
    }
}
