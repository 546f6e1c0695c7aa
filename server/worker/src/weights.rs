//! Hashes the weight files and checks them against the hashes that the plugin pinned.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use vultus_plugin_api::manifest::Weight;

/// Hashes the weight files of one folder, each one once.
#[derive(Debug)]
pub(crate) struct Weights {
    folder: Option<PathBuf>,
    hashed: BTreeMap<String, String>,
}

/// Why the weights of a plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WeightError {
    #[error("it needs weights, and no weights folder is configured")]
    NoFolder,
    #[error("the weight file name {0:?} is not a plain file name")]
    BadName(String),
    #[error("reading the weight file {file} failed: {source}")]
    Unreadable { file: String, source: io::Error },
    #[error("the weight file {file} has the SHA-256 {actual}, the plugin was made for {pinned}")]
    Differs { file: String, pinned: String, actual: String },
}

impl Weights {
    pub(crate) fn new(folder: Option<&str>) -> Self {
        Self { folder: folder.map(PathBuf::from), hashed: BTreeMap::new() }
    }

    /// Returns (file, sha256) of all weights; of an optional one that is missing, the hash is
    /// empty. Fails if a required one is missing, or if one differs from its pinned hash.
    pub(crate) fn verify(
        &mut self,
        weights: &[Weight],
    ) -> Result<Vec<(String, String)>, WeightError> {
        let mut verified = Vec::new();
        for weight in weights {
            let actual = match self.hash(&weight.file) {
                Ok(actual) => actual,
                Err(error) if weight.optional && error.is_absence() => {
                    verified.push((weight.file.clone(), String::new()));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !weight.sha256.is_empty() && weight.sha256 != actual {
                return Err(WeightError::Differs {
                    file: weight.file.clone(),
                    pinned: weight.sha256.clone(),
                    actual,
                });
            }
            verified.push((weight.file.clone(), actual));
        }
        Ok(verified)
    }

    fn hash(&mut self, file: &str) -> Result<String, WeightError> {
        if let Some(known) = self.hashed.get(file) {
            return Ok(known.clone());
        }
        if file.is_empty() || file.contains('/') || file.starts_with('.') {
            return Err(WeightError::BadName(file.to_owned()));
        }
        let path = self.folder.as_ref().ok_or(WeightError::NoFolder)?.join(file);
        let hash = sha256(&path)
            .map_err(|source| WeightError::Unreadable { file: file.to_owned(), source })?;
        self.hashed.insert(file.to_owned(), hash.clone());
        Ok(hash)
    }
}

impl WeightError {
    fn is_absence(&self) -> bool {
        match self {
            Self::NoFolder => true,
            Self::Unreadable { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::BadName(_) | Self::Differs { .. } => false,
        }
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex::encode(digest.finalize())),
            read => digest.update(&chunk[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(file: &str, sha256: &str, optional: bool) -> Weight {
        Weight {
            file: file.to_owned(),
            sha256: sha256.to_owned(),
            license: String::new(),
            optional,
        }
    }

    #[test]
    fn weights_must_be_there_as_pinned_unless_optional() {
        const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.onnx"), b"abc").unwrap();
        let mut weights = Weights::new(folder.path().to_str());
        let there = [weight("a.onnx", ABC, false), weight("b.onnx", "", true)];
        let expected = [("a.onnx", ABC), ("b.onnx", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(weights.verify(&there).unwrap(), expected);
        assert!(matches!(
            weights.verify(&[weight("b.onnx", "", false)]),
            Err(WeightError::Unreadable { .. })
        ));
        assert!(matches!(
            weights.verify(&[weight("a.onnx", "00", true)]),
            Err(WeightError::Differs { .. })
        ));
        assert!(matches!(
            weights.verify(&[weight("../a.onnx", "", true)]),
            Err(WeightError::BadName(_))
        ));
    }
}
