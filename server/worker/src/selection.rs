//! Selects the opened plugins that can be used together, and gives the reasons for the others.
//! Pure: uses only the manifests and what the node says about the files.

use std::collections::{BTreeMap, BTreeSet};

use vultus_plugin_api::Manifest;
use vultus_plugin_api::features::OF_HOST;
use vultus_plugin_api::manifest::Provided;
use vultus_plugin_host::{FeatureError, resolve_features};

/// An opened plugin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'c> {
    pub(crate) manifest: &'c Manifest,
    pub(crate) third_party: bool,
    /// Restricted features that the operator granted to it.
    pub(crate) grants: &'c [String],
    /// Whether to use it only if another plugin needs one of its features.
    pub(crate) only_for_features: bool,
}

/// Why a plugin is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) detail: String,
    /// The feature that no plugin provides.
    pub(crate) missing: Option<String>,
}

impl Refusal {
    pub(crate) fn because(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), missing: None }
    }
}

/// Result of the selection, by index of the candidates. Unneeded providers are in neither set.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) used: BTreeSet<usize>,
    pub(crate) refused: BTreeMap<usize, Refusal>,
}

/// Selects among `candidates`, without those that are already in `refused`.
pub(crate) fn select(candidates: &[Candidate<'_>], refused: BTreeMap<usize, Refusal>) -> Selection {
    let mut selecting = Selecting { candidates, kept: BTreeSet::new(), refused };
    selecting.keep_unique();
    selecting.refuse_restricted();
    loop {
        selecting.refuse_unmet();
        if !selecting.refuse_cycle() {
            break;
        }
    }
    Selection { used: selecting.needed(), refused: selecting.refused }
}

struct Selecting<'c> {
    candidates: &'c [Candidate<'c>],
    kept: BTreeSet<usize>,
    refused: BTreeMap<usize, Refusal>,
}

impl<'c> Selecting<'c> {
    /// Keeps the first of two plugins with the same id, analysis or feature.
    fn keep_unique(&mut self) {
        for place in 0..self.candidates.len() {
            if self.refused.contains_key(&place) {
                continue;
            }
            let with_this = self.kept.iter().copied().chain([place]);
            let manifests: Vec<Manifest> =
                with_this.map(|place| self.candidates[place].manifest.clone()).collect();
            match resolve_features(&manifests) {
                Err(
                    error @ (FeatureError::DuplicateId { .. }
                    | FeatureError::DuplicateAnalysis { .. }
                    | FeatureError::DuplicateFeature { .. }),
                ) => self.refuse(place, Refusal::because(error.to_string())),
                Ok(_) | Err(FeatureError::Missing { .. } | FeatureError::Cycle { .. }) => {
                    self.kept.insert(place);
                }
            }
        }
    }

    fn refuse_restricted(&mut self) {
        for place in self.kept.clone() {
            let candidate = self.candidates[place];
            let denied =
                asked(candidate.manifest).chain(wished(candidate.manifest)).find_map(|feature| {
                    let (provider, provided) = self.provider(feature)?;
                    let granted = !candidate.third_party
                        || candidate.grants.iter().any(|grant| grant == feature);
                    (provided.restricted && !granted).then(|| {
                        (feature.to_owned(), self.candidates[provider].manifest.id.clone())
                    })
                });
            if let Some((feature, provider)) = denied {
                let id = &candidate.manifest.id;
                let detail = format!(
                    "{id} requests the restricted feature {feature} of {provider} without a grant \
                     in the lock file"
                );
                self.refuse(place, Refusal::because(detail));
            }
        }
    }

    /// Rejects plugins that need a feature without a provider, then those that need a feature of a
    /// rejected plugin, and so on.
    fn refuse_unmet(&mut self) {
        let unmet = |selecting: &Self| {
            selecting.kept.iter().copied().find_map(|place| {
                let mut features = asked(selecting.candidates[place].manifest);
                Some((
                    place,
                    features.find(|feature| selecting.provider(feature).is_none())?.to_owned(),
                ))
            })
        };
        while let Some((place, feature)) = unmet(self) {
            let plugin = self.candidates[place].manifest.id.clone();
            let offers = |place: &&usize| {
                self.candidates[**place].manifest.provides.iter().any(|p| p.feature == feature)
            };
            let refusal = match self.refused.keys().find(offers) {
                Some(&other) => {
                    let provider = &self.candidates[other].manifest.id;
                    Refusal::because(format!(
                        "{plugin} needs the feature {feature} of {provider}, which is refused"
                    ))
                }
                None => Refusal {
                    detail: FeatureError::Missing { plugin, feature: feature.clone() }.to_string(),
                    missing: Some(feature),
                },
            };
            self.refuse(place, refusal);
        }
    }

    /// Rejects all plugins of a cycle. Returns false if there is no cycle.
    fn refuse_cycle(&mut self) -> bool {
        let manifests: Vec<Manifest> =
            self.kept.iter().map(|&place| self.candidates[place].manifest.clone()).collect();
        let Err(error @ FeatureError::Cycle { .. }) = resolve_features(&manifests) else {
            return false;
        };
        let FeatureError::Cycle { path } = &error else { return false };
        let in_cycle = |place: &usize| {
            let id = format!("({})", self.candidates[*place].manifest.id);
            path.iter().any(|step| step.ends_with(&id))
        };
        let places: Vec<usize> = self.kept.iter().copied().filter(in_cycle).collect();
        for &place in &places {
            self.refuse(place, Refusal::because(error.to_string()));
        }
        !places.is_empty()
    }

    /// The plugins that are used for themselves, with their direct and indirect providers.
    fn needed(&self) -> BTreeSet<usize> {
        let own =
            self.kept.iter().copied().filter(|&place| !self.candidates[place].only_for_features);
        let mut needed: BTreeSet<usize> = own.collect();
        let mut waiting: Vec<usize> = needed.iter().copied().collect();
        while let Some(place) = waiting.pop() {
            let manifest = self.candidates[place].manifest;
            let features = asked(manifest).chain(wished(manifest));
            for (provider, _) in features.filter_map(|feature| self.provider(feature)) {
                if needed.insert(provider) {
                    waiting.push(provider);
                }
            }
        }
        needed
    }

    fn provider(&self, feature: &str) -> Option<(usize, &'c Provided)> {
        self.kept.iter().find_map(|&place| {
            let provided = self.candidates[place]
                .manifest
                .provides
                .iter()
                .find(|provided| provided.feature == feature)?;
            Some((place, provided))
        })
    }

    fn refuse(&mut self, place: usize, refusal: Refusal) {
        self.kept.remove(&place);
        self.refused.insert(place, refusal);
    }
}

/// Features of plugins that the plugin's analyses request and that its own features need.
fn asked(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let wanted = manifest.analyses.iter().flat_map(|spec| &spec.features);
    let needed = manifest.provides.iter().flat_map(|provided| &provided.needs);
    wanted.chain(needed).map(String::as_str).filter(|feature| !OF_HOST.contains(feature))
}

/// Features that the plugin's own features use if they have a provider.
fn wished(manifest: &Manifest) -> impl Iterator<Item = &str> {
    manifest.provides.iter().flat_map(|provided| &provided.optional_needs).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A plugin that provides features, each with its needs, and one analysis that requests
    /// `wants`.
    fn plugin(name: &str, provides: &[(&str, &[&str])], wants: &[&str]) -> Manifest {
        let provided = |(feature, needs): &(&str, &[&str])| {
            let restricted = feature.starts_with("secret");
            json!({"feature": feature, "scope": "frame", "needs": needs, "restricted": restricted})
        };
        let analysis = json!({
            "type": name, "title": name, "params_schema": {"type": "object"},
            "result_schema": {}, "features": wants,
            "slots": [{"name": "media", "kinds": ["IMAGE"], "min": 1, "max": 1}],
        });
        serde_json::from_value(json!({
            "id": format!("org.example.{name}"), "name": name, "version": "1.0.0", "vendor": "x",
            "license": "x", "analyses": [analysis],
            "provides": provides.iter().map(provided).collect::<Vec<_>>(),
        }))
        .unwrap()
    }

    fn selected(manifests: &[Manifest], grants: &[String]) -> Selection {
        let candidate = |manifest| Candidate {
            manifest,
            third_party: true,
            grants,
            only_for_features: manifest.name.starts_with("built"),
        };
        select(&manifests.iter().map(candidate).collect::<Vec<_>>(), BTreeMap::new())
    }

    #[test]
    fn order_does_not_matter_and_unneeded_providers_are_left_out() {
        let plugins = [
            plugin("consumer", &[], &["age/1"]),
            plugin("provider", &[("age/1", &["faces/1"])], &[]),
            plugin("built_in_a", &[("faces/1", &[])], &[]),
            plugin("built_in_b", &[("other/1", &[])], &[]),
        ];
        let selection = selected(&plugins, &[]);
        assert!(selection.refused.is_empty(), "{selection:?}");
        assert_eq!(selection.used, BTreeSet::from([0, 1, 2]));
    }

    #[test]
    fn cycle_is_refused_with_both_names_and_others_are_used() {
        let plugins = [
            plugin("a", &[("one/1", &["two/1"])], &[]),
            plugin("b", &[("two/1", &["one/1"])], &[]),
            plugin("c", &[], &[]),
        ];
        let selection = selected(&plugins, &[]);
        assert_eq!(selection.used, BTreeSet::from([2]));
        for place in [0, 1] {
            let detail = &selection.refused[&place].detail;
            assert!(
                detail.contains("org.example.a") && detail.contains("org.example.b"),
                "{detail}"
            );
        }
    }

    #[test]
    fn missing_provider_refuses_direct_and_indirect_consumers() {
        let plugins = [plugin("a", &[("one/1", &["zero/1"])], &[]), plugin("b", &[], &["one/1"])];
        let selection = selected(&plugins, &[]);
        assert!(selection.used.is_empty());
        assert_eq!(selection.refused[&0].missing.as_deref(), Some("zero/1"));
        assert!(selection.refused[&0].detail.contains("org.example.a needs the feature zero/1"));
        assert_eq!(
            selection.refused[&1].detail,
            "org.example.b needs the feature one/1 of org.example.a, which is refused"
        );
    }

    #[test]
    fn a_restricted_feature_goes_to_third_parties_by_grant_only() {
        let plugins = [plugin("a", &[("secret/1", &[])], &[]), plugin("b", &[], &["secret/1"])];
        let denied = selected(&plugins, &[]);
        assert_eq!(denied.used, BTreeSet::from([0]));
        assert!(
            denied.refused[&1].detail.contains(
                "org.example.b requests the restricted feature secret/1 of org.example.a"
            )
        );
        assert_eq!(selected(&plugins, &["secret/1".to_owned()]).used, BTreeSet::from([0, 1]));
    }
}
