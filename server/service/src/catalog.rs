//! The analysis types that this node offers, with the compiled rules for their requests.

use crate::params::ParamRules;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use vultus_core::clock::Clock;
use vultus_core::slots::Slot;
use vultus_core::{Error, MediaKind, Result};
use vultus_plugin_api::manifest::{AnalysisSpec, SlotKind};
use vultus_pools::{LoadedPlugin, PoolName, WorkerPools};

/// One analysis type.
pub(crate) struct OfferedAnalysis {
    pub(crate) kind: String,
    pub(crate) pool: PoolName,
    pub(crate) slots: Vec<Slot>,
    pub(crate) params: ParamRules,
    pub(crate) timeout_ms: u64,
}

/// All analysis types.
pub(crate) struct Catalog {
    pools: WorkerPools,
    policies: BTreeMap<String, Map<String, Value>>,
    clock: Clock,
    compiled: Mutex<CompiledTypes>,
}

/// The types compiled from one generation of plugins.
#[derive(Default)]
struct CompiledTypes {
    generation: u64,
    types: HashMap<String, Arc<OfferedAnalysis>>,
}

impl Catalog {
    /// Takes the company's policy by analysis type. The error tells the operator which policy is
    /// rejected by its analyzer or belongs to no loaded analyzer.
    pub(crate) fn new(
        pools: WorkerPools,
        policies: BTreeMap<String, Map<String, Value>>,
        clock: Clock,
    ) -> Result<Self, String> {
        let catalog = Self { pools, policies, clock, compiled: Mutex::default() };
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

    /// The analysis type `kind`. `argument` is its path in the request, for errors.
    pub(crate) fn get(&self, kind: &str, argument: &str) -> Result<Arc<OfferedAnalysis>> {
        let generation = self.pools.generation();
        if let Some(offered) = self.compiled(generation).types.get(kind) {
            return Ok(offered.clone());
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
        let offered = Arc::new(OfferedAnalysis {
            kind: kind.to_owned(),
            pool: plugin.pool.clone(),
            slots: spec.slots.iter().map(slot).collect(),
            params,
            timeout_ms: spec.timeout_ms,
        });
        self.compiled(generation).types.insert(kind.to_owned(), offered.clone());
        Ok(offered)
    }

    /// The types of this generation of plugins; drops those of older generations.
    fn compiled(&self, generation: u64) -> MutexGuard<'_, CompiledTypes> {
        let mut compiled = self.compiled.lock();
        if compiled.generation != generation {
            *compiled = CompiledTypes { generation, types: HashMap::new() };
        }
        compiled
    }

    /// Checks that the company's policy is valid for plugins that may be loaded.
    pub(crate) fn accept(&self, plugins: &[LoadedPlugin]) -> Result<(), String> {
        for spec in plugins.iter().flat_map(|plugin| &plugin.manifest.analyses) {
            let policy = self.policies.get(&spec.kind).cloned().unwrap_or_default();
            ParamRules::new(&spec.params_schema, policy)
                .map_err(|text| format!("analysis type `{}`: {text}", spec.kind))?;
        }
        Ok(())
    }

    /// The day (UTC) that parameters are filled with.
    pub(crate) fn today(&self) -> time::Date {
        self.clock.now().date()
    }

    /// The types offered, sorted.
    pub(crate) fn kinds(&self) -> Vec<String> {
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
