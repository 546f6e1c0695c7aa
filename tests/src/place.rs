//! Where the executables and the repository are.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the workspace").to_owned()
}

/// An executable or library of the workspace, built by `make test` into the folder of this program's profile.
pub fn executable(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a program knows its own path");
    // Tests and benchmarks lie in <target>/<profile>/deps, the demo in <target>/<profile>.
    let found = this.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not built: run `make test`, or `cargo build --workspace` first"))
}
