//! The layers: which crate may depend on which. Cargo refuses imports of crates that are not in a
//! manifest; this test refuses manifests that are not in the tables below. Rules for single calls
//! (clock, processes, environment, raw decoders) are in `server/clippy.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use toml::Table;

/// Each crate under `server/`, from the bottom up, and the crates of the workspace that it may
/// depend on. The upper layers of the node never name media, plugins or the drivers of the store.
const MAY_USE: &[(&str, &[&str])] = &[
    ("vultus-core", &[]),
    ("vultus-store", &["vultus-core"]),
    ("vultus-store-sqlite", &["vultus-core", "vultus-store"]),
    ("vultus-blobs", &["vultus-core", "vultus-store"]),
    ("vultus-store-mongo", &["vultus-core", "vultus-store", "vultus-blobs"]),
    ("vultus-maintenance", &["vultus-core", "vultus-store", "vultus-store-sqlite", "vultus-blobs"]),
    ("vultus-auth", &["vultus-core", "vultus-store", "vultus-blobs"]),
    ("vultus-outgoing", &[]),
    ("vultus-oidc", &["vultus-core", "vultus-auth", "vultus-outgoing"]),
    ("vultus-worker-protocol", &["vultus-core"]),
    ("vultus-media", &["vultus-core", "vultus-worker-protocol"]),
    (
        "vultus-worker",
        &["vultus-worker-protocol", "vultus-media", "vultus-plugin-host", "vultus-plugin-api"],
    ),
    ("vultus-pools", &["vultus-core", "vultus-plugin-api", "vultus-worker-protocol"]),
    (
        "vultus-dispatch",
        &[
            "vultus-core",
            "vultus-store",
            "vultus-blobs",
            "vultus-plugin-api",
            "vultus-pools",
            "vultus-worker-protocol",
        ],
    ),
    (
        "vultus-service",
        &[
            "vultus-core",
            "vultus-store",
            "vultus-blobs",
            "vultus-auth",
            "vultus-oidc",
            "vultus-plugin-api",
            "vultus-pools",
            "vultus-worker-protocol",
        ],
    ),
    ("vultus-api", &["vultus-core", "vultus-auth", "vultus-plugin-api", "vultus-service"]),
    (
        "vultus",
        &[
            "vultus-core",
            "vultus-store",
            "vultus-store-sqlite",
            "vultus-store-mongo",
            "vultus-blobs",
            "vultus-maintenance",
            "vultus-auth",
            "vultus-oidc",
            "vultus-worker-protocol",
            "vultus-pools",
            "vultus-dispatch",
            "vultus-service",
            "vultus-api",
            "vultus-models",
        ],
    ),
];

/// Crates of others that belong to one layer, and the crates that may depend on them.
const BELONGS_TO: &[(&str, &[&str])] = &[
    ("axum", &["vultus-api"]),
    ("async-graphql", &["vultus-api"]),
    ("rusqlite", &["vultus-store-sqlite"]),
    ("mongodb", &["vultus-store-mongo"]),
    ("object_store", &["vultus-blobs"]),
    ("oauth2", &["vultus-oidc"]),
    // In `vultus-blobs` for the features that `object_store` needs.
    ("reqwest", &["vultus-outgoing", "vultus-blobs"]),
    ("ffmpeg-next", &["vultus-media"]),
    ("image", &["vultus-media"]),
    ("libheif-sys", &["vultus-media"]),
    ("moxcms", &["vultus-media"]),
    ("zip", &["vultus-media"]),
    ("clap", &["vultus"]),
    ("libloading", &[]),
    ("ort", &[]),
];

/// Crates that open media, plugins or models. No crate of the node may reach them.
const ONLY_IN_WORKERS: [&str; 3] = ["vultus-media", "vultus-plugin-host", "vultus-worker"];

#[test]
fn crates_depend_only_on_their_lower_layers() {
    let mut wrong = Vec::new();
    for (name, dependencies) in manifests() {
        let Some((_, may_use)) = MAY_USE.iter().find(|(layer, _)| *layer == name) else {
            wrong.push(format!("{name} is in no layer: add it to MAY_USE"));
            continue;
        };
        for dependency in dependencies.iter().filter(|name| name.starts_with("vultus")) {
            if !may_use.contains(&dependency.as_str()) {
                wrong.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn foreign_crates_stay_in_their_layer() {
    let mut wrong = Vec::new();
    for (name, dependencies) in manifests() {
        for (foreign, owners) in BELONGS_TO {
            if dependencies.contains(*foreign) && !owners.contains(&name.as_str()) {
                wrong.push(format!("{name} depends on {foreign}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn node_reaches_no_crate_of_the_workers() {
    let manifests = manifests();
    let mut reached = BTreeSet::new();
    let mut open = vec!["vultus".to_owned()];
    while let Some(name) = open.pop() {
        if reached.insert(name.clone()) {
            open.extend(manifests.get(&name).into_iter().flatten().cloned());
        }
    }
    assert!(reached.contains("vultus-core"), "{reached:?}");
    for forbidden in ONLY_IN_WORKERS {
        assert!(!reached.contains(forbidden), "the node reaches {forbidden}");
    }
}

#[test]
fn tables_name_only_crates_that_exist() {
    let manifests = manifests();
    for (layer, _) in MAY_USE {
        assert!(manifests.contains_key(*layer), "{layer} does not exist");
    }
    for (foreign, owners) in BELONGS_TO {
        for owner in *owners {
            let dependencies = manifests.get(*owner);
            let uses = dependencies.is_some_and(|all| all.contains(*foreign));
            assert!(uses, "{owner} does not use {foreign}: remove it from BELONGS_TO");
        }
    }
}

/// The crates under `server/` with their dependencies, without those for tests only.
fn manifests() -> BTreeMap<String, BTreeSet<String>> {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut manifests = BTreeMap::new();
    for entry in fs::read_dir(server).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path().join("Cargo.toml");
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a manifest can be read");
        let manifest: Table = text.parse().expect("a manifest is TOML");
        let name = manifest["package"]["name"].as_str().expect("a package has a name");
        let dependencies = manifest.get("dependencies").and_then(|table| table.as_table());
        let names = dependencies.into_iter().flat_map(|table| table.keys().cloned());
        manifests.insert(name.to_owned(), names.collect());
    }
    manifests
}
