//! Finds the repository and the executables under test.

use crate::plugins::compiled;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in a folder of the workspace")
        .to_owned()
}

/// Unpacks a zip into a new folder.
pub fn unpack(zip: &Path, into: &Path) {
    let archive = zip::ZipArchive::new(std::fs::File::open(zip).expect("the zip is there"));
    archive.expect("it is a zip").extract(into).expect("the zip can be unpacked");
}

/// Path of an executable or library of the workspace, built with the same profile as this program.
pub fn executable(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a program knows its own path");
    // Tests and benchmarks are in <target>/<profile>/deps, the demo is in <target>/<profile>.
    let found =
        this.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| {
        panic!("{name} is not built: run `make test`, or `cargo build --workspace` first")
    })
}

/// Compiles a C plugin of `analyzers/` into a folder of this process and thread.
pub fn compiled_plugin(source: &str, library: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("vultus-plugins-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for plugins");
    // Tests run in parallel and compile plugins under the same file name.
    let of_thread =
        folder.join(format!("{:?}", std::thread::current().id()).replace(['(', ')'], ""));
    std::fs::create_dir_all(&of_thread).expect("a folder for plugins");
    compiled(&of_thread, source, library, &[])
}
