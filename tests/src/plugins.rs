//! Compiles C plugins for tests. Needs only a C compiler and the plugin header.

use crate::place::workspace_root;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `source`, a file below `analyzers/`, to `library` in `folder`. `defines` are arguments
/// such as `-DNAME=value`.
pub fn compiled(folder: &Path, source: &str, library: &str, defines: &[&str]) -> PathBuf {
    let (root, target) = (workspace_root(), folder.join(library));
    let status = Command::new("cc")
        .args(["-std=c11", "-O2", "-shared", "-fPIC", "-I"])
        .arg(root.join("plugin-api/include"))
        .args(defines)
        .arg(root.join("analyzers").join(source))
        .args(["-lm", "-pthread", "-o"])
        .arg(&target)
        .status()
        .expect("a C compiler is installed");
    assert!(status.success(), "{source} does not compile");
    target
}
