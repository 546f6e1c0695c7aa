//! The key of a plugin file: settings and pools are named by it.

use std::path::Path;

/// Keys of the built-in plugins, providers of features first.
pub(crate) const BUILT_IN: [&str; 8] = [
    "face_detect",
    "document",
    "face_template",
    "face_mesh",
    "face_match",
    "liveness",
    "gestures",
    "quality",
];

/// The key of a plugin file: the file's name without `lib`, `vultus_` and `.so`.
pub fn plugin_key(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let bare = stem.strip_prefix("lib").unwrap_or(&stem);
    bare.strip_prefix("vultus_").unwrap_or(bare).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_key_is_the_bare_file_name() {
        assert_eq!(plugin_key(Path::new("/a/libvultus_face_match.so")), "face_match");
        assert_eq!(plugin_key(Path::new("libacme_age.so")), "acme_age");
    }
}
