//! Where the executables and the repository are.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the workspace").to_owned()
}

/// An executable or library of the workspace, built by `make test` into the folder of this test's profile.
pub fn executable(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.ancestors().nth(2).expect("tests lie in <target>/<profile>/deps");
    let path = profile.join(name);
    assert!(path.exists(), "{} is not built: run `make test`, or `cargo build --workspace` first", path.display());
    path
}
