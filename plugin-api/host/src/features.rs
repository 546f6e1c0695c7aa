//! Which plugin provides which feature, for plugins that share a worker.

use std::collections::{BTreeMap, BTreeSet};

use vultus_plugin_api::Manifest;

use crate::FeatureError;

/// Who provides what among the plugins given to [`resolve_features`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    providers: BTreeMap<String, usize>,
}

impl Features {
    /// Place, in the slice given to [`resolve_features`], of the plugin that provides `feature`.
    pub fn provider(&self, feature: &str) -> Option<usize> {
        self.providers.get(feature).copied()
    }
}

/// Finds the provider of each feature.
///
/// # Errors
/// When two plugins share an id, an analysis or a feature, when a feature that is wanted has no
/// provider, or when features need each other in a circle. See [`FeatureError`].
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
        if let Some(feature) = wanted.chain(needed).find(|name| !providers.contains_key(*name)) {
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

/// Walks from each feature along what it needs, and along what it uses where that is provided.
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
        // The way from `start`: each feature with the place of the next need to look at.
        let mut way = vec![(start, 0)];
        while let Some((feature, next)) = way.last_mut() {
            let need = nodes.get(*feature).and_then(|node| node.needs.get(*next)).copied();
            *next += 1;
            let Some(need) = need else {
                done.insert(*feature);
                way.pop();
                continue;
            };
            if let Some(begin) = way.iter().position(|(seen, _)| *seen == need) {
                let circle = way[begin..].iter().chain(&way[begin..=begin]);
                let name = |feature: &str| match nodes.get(feature) {
                    Some(node) => format!("{feature} ({})", node.plugin),
                    None => feature.to_owned(),
                };
                return Err(FeatureError::Cycle { path: circle.map(|(f, _)| name(f)).collect() });
            }
            if !done.contains(need) {
                way.push((need, 0));
            }
        }
    }
    Ok(())
}
