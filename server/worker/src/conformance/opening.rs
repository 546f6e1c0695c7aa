//! The rules about the file, its header and its manifest: everything that precedes an analysis.

use std::path::Path;

use object::Object;
use vultus_plugin_api::abi::SYMBOL;
use vultus_plugin_host::{OpenError, Plugin, resolve_features};

use super::finding::Finding;
use super::gauges::heap_bytes;
use super::subject::Parts;

/// Number of instances that are created and destroyed one after the other.
const INSTANCES: usize = 20;
/// Growth of the heap over them that is not a leak: allocators keep some memory.
const INSTANCE_SLACK_BYTES: usize = 256 << 10;

/// Whether this module examines the rule.
pub(super) fn is_of_opening(rule: &str) -> bool {
    matches!(
        rule,
        "file"
            | "header"
            | "manifest"
            | "manifest_is_constant"
            | "features_have_providers"
            | "create"
    )
}

/// Examines a rule of this module; `None` for a rule of another module.
pub(super) fn check(rule: &str, parts: &Parts) -> Option<Finding> {
    // If the plugin is already loaded, its constructors do not run again.
    let threads_before = parts.gauges.threads();
    if !is_of_opening(rule) {
        return None;
    }
    let opened = parts.open();
    Some(match (rule, opened) {
        ("file", opened) => {
            file(opened, parts.gauges.threads().saturating_sub(threads_before), &parts.file)
        }
        ("header", opened) => header(opened),
        ("manifest", opened) => manifest(opened),
        (_, Err(_)) => Finding::NotReached("the plugin cannot be opened"),
        ("manifest_is_constant", Ok(plugin)) => manifest_is_constant(&plugin),
        ("features_have_providers", Ok(plugin)) => features_have_providers(&plugin, parts),
        (_, Ok(plugin)) => create(&plugin, parts),
    })
}

fn file(opened: Result<Plugin, OpenError>, started: usize, path: &Path) -> Finding {
    match opened {
        _ if started > 0 => Finding::Broken(vec![format!(
            "its constructors started {started} threads while it was loaded"
        )]),
        Err(
            error @ (OpenError::Read { .. }
            | OpenError::NotElf { .. }
            | OpenError::OtherMachine { .. }),
        ) => broken(&error),
        Err(error @ (OpenError::Load { .. } | OpenError::NoSymbol { .. })) => broken(&error),
        Err(_) => Finding::Holds(String::new()),
        Ok(plugin) => {
            let others = other_exports(path);
            let remark = if others.is_empty() {
                String::new()
            } else {
                format!("; it should not export {}", others.join(", "))
            };
            Finding::Holds(format!("sha256 {}{remark}", plugin.file_sha256()))
        }
    }
}

/// Symbols that the library exports in addition to the constant. The loader has accepted the file,
/// so it is a library.
fn other_exports(path: &Path) -> Vec<String> {
    let Ok(bytes) = std::fs::read(path) else { return Vec::new() };
    let exports = object::File::parse(bytes.as_slice()).and_then(|library| {
        let names = library
            .exports()?
            .into_iter()
            .map(|export| String::from_utf8_lossy(export.name()).into_owned());
        Ok(names.filter(|name| name != SYMBOL).collect::<Vec<_>>())
    });
    exports.unwrap_or_default()
}

fn header(opened: Result<Plugin, OpenError>) -> Finding {
    match opened {
        Err(error @ OpenError::Header { .. }) => broken(&error),
        Err(
            OpenError::NoManifest { .. }
            | OpenError::ManifestShape { .. }
            | OpenError::ManifestRules { .. },
        ) => Finding::Holds(String::new()),
        Err(_) => Finding::NotReached("the file is not a plugin"),
        Ok(plugin) => Finding::Holds(format!("built for ABI 1.{}", plugin.abi_minor())),
    }
}

fn manifest(opened: Result<Plugin, OpenError>) -> Finding {
    match opened {
        Err(OpenError::ManifestRules { problems, .. }) => Finding::Broken(problems),
        Err(error @ (OpenError::NoManifest { .. } | OpenError::ManifestShape { .. })) => {
            broken(&error)
        }
        Err(_) => Finding::NotReached("the plugin cannot be opened"),
        Ok(plugin) => {
            let manifest = plugin.manifest();
            let analyses = manifest.analyses.iter().map(|spec| spec.kind.clone());
            let features = manifest.provides.iter().map(|provided| provided.feature.clone());
            let offered: Vec<String> = analyses.chain(features).collect();
            Finding::Holds(format!(
                "{} {} offers {}",
                manifest.id,
                manifest.version,
                offered.join(", ")
            ))
        }
    }
}

fn manifest_is_constant(plugin: &Plugin) -> Finding {
    let problems = match (plugin.manifest_json(), plugin.manifest_json()) {
        (Ok(first), Ok(second)) if first == second => Vec::new(),
        (Ok(_), Ok(_)) => {
            vec!["manifest_json returned another manifest the second time".to_owned()]
        }
        (Err(failure), _) | (_, Err(failure)) => {
            vec![format!("manifest_json failed the second time: {failure}")]
        }
    };
    Finding::of(problems, "")
}

fn features_have_providers(plugin: &Plugin, parts: &Parts) -> Finding {
    let manifest = plugin.manifest();
    let wanted = manifest.analyses.iter().flat_map(|spec| &spec.features);
    let needed = manifest.provides.iter().flat_map(|provided| &provided.needs);
    let asked: Vec<&str> = wanted.chain(needed).map(String::as_str).collect();
    if asked.is_empty() {
        return Finding::NotApplicable("it requests no feature");
    }
    let mut all = match parts.providers() {
        Ok(all) => all,
        Err(error) => {
            return Finding::Broken(vec![format!("a provider cannot be opened: {error}")]);
        }
    };
    let restricted =
        all.iter().flat_map(|manifest| &manifest.provides).filter(|provided| provided.restricted);
    let granted: Vec<String> = restricted
        .filter(|p| asked.contains(&p.feature.as_str()))
        .map(|p| p.feature.clone())
        .collect();
    all.push(manifest.clone());
    let problems: Vec<String> =
        resolve_features(&all).err().map(|error| error.to_string()).into_iter().collect();
    let remark = match granted.as_slice() {
        [] => asked.join(", "),
        some => format!("{}; the operator must grant {}", asked.join(", "), some.join(", ")),
    };
    Finding::of(problems, remark)
}

fn create(plugin: &Plugin, parts: &Parts) -> Finding {
    let make = || parts.create(plugin);
    // The first instance may create something that stays, such as a runtime.
    if let Err(failure) = make() {
        return Finding::Broken(vec![format!("create returned {failure}")]);
    }
    let before = (heap_bytes(), parts.gauges.descriptors());
    for round in 0..INSTANCES {
        if let Err(failure) = make() {
            return Finding::Broken(vec![format!(
                "create returned {failure} after {round} instances were created and destroyed"
            )]);
        }
    }
    let mut problems = Vec::new();
    let grown = heap_bytes().saturating_sub(before.0);
    if grown > INSTANCE_SLACK_BYTES {
        problems.push(format!(
            "{INSTANCES} instances created and destroyed left {grown} bytes of heap"
        ));
    }
    let opened = parts.gauges.descriptors().saturating_sub(before.1);
    if opened > 0 {
        problems.push(format!(
            "{INSTANCES} instances created and destroyed left {opened} descriptors open"
        ));
    }
    // As many at once as the manifest allows, but at most 4: a worker creates two.
    let most = plugin.manifest().instances.max.min(4);
    let together: Result<Vec<_>, _> = (0..most).map(|_| make()).collect();
    if let Err(failure) = together {
        problems.push(format!(
            "create returned {failure} although the manifest allows {most} instances at once"
        ));
    }
    Finding::of(problems, format!("{INSTANCES} times, {most} at once"))
}

fn broken(error: &OpenError) -> Finding {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Finding::Broken(vec![text])
}
