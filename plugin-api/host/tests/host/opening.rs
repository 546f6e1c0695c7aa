//! What is rejected when a plugin is opened. The functions of the rejected plugins abort, so that a
//! call would be noticed.

use std::path::Path;

use vultus_plugin_api::calling::{HeaderError, JobRequest};
use vultus_plugin_api::{Config, Failure, FeatureRequest, Status, Table};
use vultus_plugin_host::{Instance, OpenError, Plugin};

use crate::support::{Library, TestHost, image};

fn refused(source: &'static str) -> OpenError {
    Plugin::open(&Library::compile(source).path()).expect_err(source)
}

fn header_error(source: &'static str) -> HeaderError {
    match refused(source) {
        OpenError::Header { source, .. } => source,
        other => panic!("{source}: {other:?}"),
    }
}

#[test]
fn a_wrong_header_is_refused_before_any_function_is_called() {
    assert_eq!(header_error("faulty/bad_magic.c"), HeaderError::BadMagic);
    assert_eq!(header_error("faulty/other_major.c"), HeaderError::OtherMajor { found: 2 });
    let short = HeaderError::ShortStruct { found: 24, needed: 136 };
    assert_eq!(header_error("faulty/short_struct.c"), short);
    assert_eq!(header_error("faulty/missing_function.c"), HeaderError::MissingFunction("create"));
}

#[test]
fn files_that_are_not_plugins_are_refused_with_the_reason() {
    assert!(matches!(refused("faulty/no_symbol.c"), OpenError::NoSymbol { .. }));
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Plugin::open(&path).unwrap_err()
    };
    assert!(matches!(open("empty.so", b""), OpenError::NotElf { .. }));
    assert!(matches!(open("text.so", b"#!/bin/sh\nexit 0\n########"), OpenError::NotElf { .. }));
    let real = std::fs::read(Library::compile("faulty/no_symbol.c").path()).unwrap();
    assert!(matches!(open("cut.so", &real[..200]), OpenError::Load { .. }));
    let mut foreign = real;
    foreign[18] = 0x28;
    foreign[19] = 0;
    assert!(matches!(open("arm.so", &foreign), OpenError::OtherMachine { found: 40, .. }));
    let missing = Plugin::open(Path::new("/nonexistent/plugin.so")).unwrap_err();
    assert!(matches!(missing, OpenError::Read { .. }));
}

#[test]
fn missing_or_non_json_manifest_is_refused() {
    assert!(matches!(refused("faulty/manifest_not_json.c"), OpenError::ManifestShape { .. }));
    match refused("faulty/manifest_failure.c") {
        OpenError::NoManifest { source, .. } => assert_eq!(source.message, "the manifest is lost"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_broken_manifest_rules_are_reported_at_once() {
    let OpenError::ManifestRules { problems, .. } = refused("faulty/manifest_rules.c") else {
        panic!("refused for another reason");
    };
    let expected = [
        "id \"faulty\" is not a reverse DNS name",
        "version \"1\" is not a semantic version",
        "name is empty",
        "the type is not lower-case letters",
        "track is not the name of a pixel format",
        "track_rate is not one of [15, 30]",
        "it has no slot",
        "params_schema rejects its own defaults at /a",
        "result_schema does not compile",
        "the provided feature \"faces\" is not name/version",
        "the weight file \"../secret\" is not a plain file name",
        "the function provide is null",
    ];
    for part in expected {
        let found = problems.iter().filter(|problem| problem.contains(part)).count();
        assert_eq!(found, 1, "{part} in {problems:#?}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn newer_minor_version_loads_and_unknown_parts_are_ignored() {
    let library = Library::compile("faulty/newer_minor.c");
    let plugin = library.open();
    assert_eq!((plugin.abi_minor(), plugin.manifest().id.as_str()), (8, "org.vultus.newer"));
    assert_eq!(plugin.path(), library.path());
    assert_eq!(plugin.file_sha256().len(), 64);
}

#[test]
fn a_feature_is_checked_for_name_scope_medium_and_json() {
    let mut instance = provider();
    let mut provide =
        |feature: &str, medium, frame| provided(&mut instance, feature, medium, frame);
    assert_eq!(provide("nothing/1", 0, None).unwrap(), b"null");
    assert_eq!(provide("other/1", 0, None).unwrap_err().status, Status::Unsupported);
    assert_eq!(provide("nothing/1", 0, Some(0)).unwrap_err().status, Status::InvalidInput);
    assert_eq!(provide("nothing/1", 2, None).unwrap_err().status, Status::InvalidInput);
    let not_json = provide("nothing/1", 1, None).unwrap_err();
    assert!(not_json.message.contains("is not JSON"), "{not_json}");
}

#[test]
fn binary_feature_is_checked_for_its_form() {
    let mut instance = provider();
    let table = provided(&mut instance, "numbers/1", 0, None).unwrap();
    assert_eq!(Table::from_bytes(&table), Table::new(1, vec![1.0, 2.0]));
    let cut_off = provided(&mut instance, "numbers/1", 1, None).unwrap_err();
    assert!(cut_off.message.contains("is not a table"), "{cut_off}");
}

/// An instance of a plugin with a feature of either encoding.
fn provider() -> Instance {
    let plugin = Library::compile("faulty/newer_minor.c").open();
    plugin.create(&Config::default()).expect("the plugin starts")
}

fn provided(
    instance: &mut Instance,
    feature: &str,
    medium: u32,
    frame: Option<u32>,
) -> Result<Vec<u8>, Failure> {
    let job = JobRequest {
        analysis: String::new(),
        params: serde_json::Value::Null,
        media: vec![image(0), image(1)],
    };
    let request = FeatureRequest { feature: feature.into(), medium, frame };
    instance.provide(&mut TestHost::default(), &request, &job)
}

#[test]
fn dropped_plugin_stays_loaded() {
    let library = Library::compile("faulty/newer_minor.c");
    let path = library.path().canonicalize().unwrap();
    let mapped =
        || std::fs::read_to_string("/proc/self/maps").unwrap().contains(path.to_str().unwrap());
    assert!(!mapped());
    drop(library.open());
    assert!(mapped(), "its constants and thread-locals may still be in use");
}
