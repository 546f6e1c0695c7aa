//! Manifests of plugins.
#![no_main]

use vultus_plugin_api::Manifest;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) {
        let written = serde_json::to_vec(&manifest).expect("a manifest can be written");
        let again = serde_json::from_slice::<Manifest>(&written).expect("and read again");
        assert_eq!(again, manifest);
    }
});
