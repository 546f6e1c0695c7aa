//! An opened and validated plugin file.

use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonschema::Validator;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use vultus_plugin_api::calling::Entry;
use vultus_plugin_api::{Failure, Manifest, abi};

use crate::elf;
use crate::error::OpenError;
use crate::manifest_rules::{function_problems, manifest_problems};

/// An opened, validated plugin. Cheap to clone; the library stays loaded until the process ends.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    file_sha256: String,
    manifest: Manifest,
    entry: Entry,
    /// Compiled result schemas by analysis type.
    result_schemas: HashMap<String, Validator>,
}

impl Plugin {
    /// Opens a plugin: inspects the file, loads it, checks its header, then reads and checks its
    /// manifest. Constructors of the library run while it is loaded, so call this only in a
    /// sandboxed process.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let read = |source| OpenError::Read { path: path.to_owned(), source };
        // The dynamic linker would search for a path without a slash.
        let path = std::path::absolute(path).map_err(read)?;
        let file_sha256 = elf::inspect(&path)?;
        let entry = load(&path)?;
        let json = entry
            .manifest_json()
            .map_err(|source| OpenError::NoManifest { path: path.clone(), source })?;
        let manifest: Manifest = serde_json::from_slice(&json)
            .map_err(|source| OpenError::ManifestShape { path: path.clone(), source })?;
        let mut problems = manifest_problems(&manifest);
        problems.extend(function_problems(&manifest, &entry));
        let mut result_schemas = HashMap::new();
        for spec in &manifest.analyses {
            // A schema that does not compile is already among the problems.
            if let Ok(schema) = jsonschema::validator_for(&spec.result_schema) {
                result_schemas.insert(spec.kind.clone(), schema);
            }
        }
        if !problems.is_empty() {
            return Err(OpenError::ManifestRules { path, id: manifest.id, problems });
        }
        let inner = Inner { path, file_sha256, manifest, entry, result_schemas };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The plugin's description of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// The manifest's JSON as the plugin writes it now. It must equal the one that was read on
    /// opening.
    ///
    /// # Errors
    /// The plugin's failure; `Internal` if the manifest is too long.
    pub fn manifest_json(&self) -> Result<Vec<u8>, Failure> {
        self.inner.entry.manifest_json()
    }

    /// SHA-256 of the file, lower-case hexadecimal.
    pub fn file_sha256(&self) -> &str {
        &self.inner.file_sha256
    }

    /// The file, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The minor version of the ABI that the plugin was built for.
    pub fn abi_minor(&self) -> u16 {
        self.inner.entry.abi_minor()
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.inner.entry
    }

    pub(crate) fn result_schema(&self, analysis: &str) -> Option<&Validator> {
        self.inner.result_schemas.get(analysis)
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plugin({} in {})", self.inner.manifest.id, self.inner.path.display())
    }
}

/// Loads the library until the process ends, and checks the header of its symbol.
fn load(path: &Path) -> Result<Entry, OpenError> {
    // SAFETY: constructors of the library run here; the caller's process is sandboxed for that.
    // Nothing is ever unloaded, so no destructor runs before the process ends.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    let library = library.map_err(|source| OpenError::Load { path: path.to_owned(), source })?;
    let library = ManuallyDrop::new(library);
    let no_symbol = || OpenError::NoSymbol { path: path.to_owned() };
    // SAFETY: only the address of the symbol is read, as a pointer.
    let symbol = unsafe { library.get::<*const abi::Plugin>(abi::SYMBOL) };
    let symbol = *symbol.map_err(|_| no_symbol())?;
    if symbol.is_null() {
        return Err(no_symbol());
    }
    // SAFETY: a plugin's symbol is an `abi::Plugin`; of any other symbol only the header is read.
    // The library is never unloaded.
    let entry = unsafe { Entry::read(symbol) };
    entry.map_err(|source| OpenError::Header { path: path.to_owned(), source })
}
