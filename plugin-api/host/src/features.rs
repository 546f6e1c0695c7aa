//! Finds the provider of each feature, for plugins that share a worker.

use std::collections::{BTreeMap, BTreeSet};

use vultus_plugin_api::Manifest;
use vultus_plugin_api::features::OF_HOST;

use crate::error::FeatureError;

/// The providers among the plugins that were passed to [`resolve_features`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    providers: BTreeMap<String, usize>,
}

impl Features {
    /// Index, in the slice passed to [`resolve_features`], of the plugin that provides `feature`.
    pub fn provider(&self, feature: &str) -> Option<usize> {
        self.providers.get(feature).copied()
    }
}

/// Finds the provider of each feature.
///
/// # Errors
/// Two plugins share an id, an analysis or a feature; a requested feature has no provider; or
/// features need each other in a cycle. See [`FeatureError`].
pub fn resolve_features(manifests: &[Manifest]) -> Result<Features, FeatureError> {
    let mut ids = BTreeSet::new();
    let mut analyses = BTreeMap::new();
    let mut providers = BTreeMap::new();
    for (place, manifest) in manifests.iter().enumerate() {
        if !ids.insert(&manifest.id) {
            return Err(FeatureError::DuplicateId { id: manifest.id.clone() });
        }
        let second = || manifest.id.clone();
        for spec in &manifest.analyses {
            if let Some(first) = analyses.insert(&spec.kind, &manifest.id) {
                let (analysis, first) = (spec.kind.clone(), first.clone());
                return Err(FeatureError::DuplicateAnalysis { analysis, first, second: second() });
            }
        }
        for provided in &manifest.provides {
            if let Some(other) = providers.insert(provided.feature.clone(), place) {
                let (feature, first) = (provided.feature.clone(), manifests[other].id.clone());
                return Err(FeatureError::DuplicateFeature { feature, first, second: second() });
            }
        }
    }
    for manifest in manifests {
        let wanted = manifest.analyses.iter().flat_map(|spec| &spec.features);
        let needed = manifest.provides.iter().flat_map(|provided| &provided.needs);
        let missing =
            |name: &&String| !providers.contains_key(*name) && !OF_HOST.contains(&name.as_str());
        if let Some(feature) = wanted.chain(needed).find(missing) {
            let plugin = manifest.id.clone();
            return Err(FeatureError::Missing { plugin, feature: feature.clone() });
        }
    }
    refuse_cycle(manifests)?;
    Ok(Features { providers })
}

/// A feature with its provider's id and what it needs.
struct Node<'m> {
    plugin: &'m str,
    needs: Vec<&'m str>,
}

/// Rejects cycles along needs, and along optional needs that have a provider.
fn refuse_cycle(manifests: &[Manifest]) -> Result<(), FeatureError> {
    let is_provided = |feature: &str| {
        manifests.iter().flat_map(|it| &it.provides).any(|it| it.feature == feature)
    };
    let mut nodes = BTreeMap::new();
    for manifest in manifests {
        for provided in &manifest.provides {
            let needs = provided.needs.iter().chain(&provided.optional_needs);
            let needs = needs.filter(|need| is_provided(need)).map(String::as_str).collect();
            let node = Node { plugin: &manifest.id, needs };
            nodes.insert(provided.feature.as_str(), node);
        }
    }
    let mut done = BTreeSet::new();
    for &start in nodes.keys() {
        // The path from `start`: each feature with the index of its next need to visit.
        let mut path = vec![(start, 0)];
        while let Some((feature, next)) = path.last_mut() {
            let need = nodes.get(*feature).and_then(|node| node.needs.get(*next)).copied();
            *next += 1;
            let Some(need) = need else {
                done.insert(*feature);
                path.pop();
                continue;
            };
            if let Some(begin) = path.iter().position(|(seen, _)| *seen == need) {
                let cycle = path[begin..].iter().chain(&path[begin..=begin]);
                let name = |feature: &str| match nodes.get(feature) {
                    Some(node) => format!("{feature} ({})", node.plugin),
                    None => feature.to_owned(),
                };
                return Err(FeatureError::Cycle { path: cycle.map(|(f, _)| name(f)).collect() });
            }
            if !done.contains(need) {
                path.push((need, 0));
            }
        }
    }
    Ok(())
}
