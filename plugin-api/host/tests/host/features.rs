//! Which sets of plugins can work together.

use serde_json::json;
use vultus_plugin_api::Manifest;
use vultus_plugin_host::{FeatureError, resolve_features};

/// A plugin that provides features, each with its needs.
fn plugin(id: &str, provides: &[(&str, &[&str])]) -> Manifest {
    let provides: Vec<_> = provides
        .iter()
        .map(|(feature, needs)| json!({ "feature": feature, "scope": "frame", "needs": needs }))
        .collect();
    serde_json::from_value(json!({
        "id": id, "name": id, "version": "1.0.0", "vendor": "Test", "license": "MIT",
        "provides": provides,
    }))
    .expect("a manifest")
}

/// A plugin with an analysis that requests features.
fn analyzer(id: &str, analysis: &str, wants: &[&str]) -> Manifest {
    let mut manifest = plugin(id, &[]);
    let spec = json!({
        "type": analysis, "title": analysis, "slots": [], "params_schema": {}, "result_schema": {},
        "features": wants,
    });
    manifest.analyses.push(serde_json::from_value(spec).expect("an analysis"));
    manifest
}

#[test]
fn every_feature_finds_its_provider_in_any_order() {
    let plugins = [
        analyzer("a.match", "face_match", &["face_track/1", "faces/1"]),
        plugin(
            "a.template",
            &[("face_track/1", &["face_template/1"]), ("face_template/1", &["faces/1"])],
        ),
        plugin("a.detect", &[("faces/1", &[])]),
    ];
    let features = resolve_features(&plugins).unwrap();
    let providers = ["faces/1", "face_template/1", "face_track/1", "other/1"];
    assert_eq!(providers.map(|name| features.provider(name)), [Some(2), Some(1), Some(1), None]);
}

#[test]
fn a_missing_provider_is_refused_with_plugin_and_feature() {
    let missing = |plugin: &str, feature: &str| FeatureError::Missing {
        plugin: plugin.into(),
        feature: feature.into(),
    };
    let wants = [analyzer("a.match", "face_match", &["faces/1"])];
    assert_eq!(resolve_features(&wants).unwrap_err(), missing("a.match", "faces/1"));
    let needs = [plugin("a.template", &[("face_template/1", &["faces/2"])])];
    assert_eq!(resolve_features(&needs).unwrap_err(), missing("a.template", "faces/2"));
}

#[test]
fn cycle_is_refused_with_every_name_in_it() {
    let plugins = [
        plugin("x.start", &[("a_start/1", &["left/1"])]),
        plugin("x.left", &[("left/1", &["right/1"])]),
        plugin("x.right", &[("right/1", &["left/1"])]),
    ];
    let error = resolve_features(&plugins).unwrap_err();
    let expected =
        "features need each other: left/1 (x.left) -> right/1 (x.right) -> left/1 (x.left)";
    assert_eq!(error.to_string(), expected);
    let own = resolve_features(&[plugin("x.self", &[("a/1", &["a/1"])])]).unwrap_err();
    assert_eq!(own.to_string(), "features need each other: a/1 (x.self) -> a/1 (x.self)");
}

#[test]
fn two_plugins_may_share_neither_id_nor_analysis_nor_feature() {
    let feature = [plugin("x.a", &[("faces/1", &[])]), plugin("x.b", &[("faces/1", &[])])];
    let text = resolve_features(&feature).unwrap_err().to_string();
    assert_eq!(text, "both x.a and x.b provide the feature faces/1");
    let analysis = [analyzer("x.a", "liveness", &[]), analyzer("x.b", "liveness", &[])];
    let text = resolve_features(&analysis).unwrap_err().to_string();
    assert_eq!(text, "both x.a and x.b offer the analysis liveness");
    let id = [plugin("x.a", &[]), plugin("x.a", &[])];
    assert_eq!(resolve_features(&id).unwrap_err(), FeatureError::DuplicateId { id: "x.a".into() });
}

#[test]
fn optional_need_may_lack_a_provider_but_not_close_a_cycle() {
    let mut template = plugin("a.template", &[("face_template/1", &[])]);
    template.provides[0].optional_needs.push("document_portrait/1".to_owned());
    resolve_features(std::slice::from_ref(&template)).unwrap();
    let portrait = plugin("a.document", &[("document_portrait/1", &["face_template/1"])]);
    let error = resolve_features(&[template, portrait]).unwrap_err();
    let expected = "features need each other: document_portrait/1 (a.document) -> \
                    face_template/1 (a.template) -> document_portrait/1 (a.document)";
    assert_eq!(error.to_string(), expected);
}
