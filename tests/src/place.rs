//! Where the executables and the repository are.

use crate::plugins::compiled;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in a folder of the workspace")
        .to_owned()
}

/// An executable or library of the workspace, built by `make test` into the folder of this
/// program's profile.
pub fn executable(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a program knows its own path");
    // Tests and benchmarks lie in <target>/<profile>/deps, the demo in <target>/<profile>.
    let found =
        this.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| {
        panic!("{name} is not built: run `make test`, or `cargo build --workspace` first")
    })
}

/// A plugin of `analyzers/`, compiled with nothing but a C compiler and the header.
pub fn compiled_plugin(source: &str, library: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("vultus-plugins-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for plugins");
    // Plugins are found by their file's name, so that tests that run side by side have folders of
    // their own.
    let of_thread =
        folder.join(format!("{:?}", std::thread::current().id()).replace(['(', ')'], ""));
    std::fs::create_dir_all(&of_thread).expect("a folder for plugins");
    compiled(&of_thread, source, library, &[])
}
